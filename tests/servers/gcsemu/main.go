// SPDX-License-Identifier: Apache-2.0

// gcsemu: a Google Cloud Storage server for tests. fake-gcs-server keeps the objects; this adds the XML API (conditional PUTs,
// ranges, uploads in parts, list-type=2), strict checking of bearer tokens (a static one, self-signed tokens of a service account,
// tokens issued here), and what issues them: a token exchange for workload identity (POST /sts) with a source of subject tokens
// (GET /subject), impersonation (POST /impersonate), renewal for users (POST /o/oauth2/token) and a metadata server (on a port of
// its own). For tests: GET /_stats, POST /_revoke (forgets the tokens issued so far), POST /_set?life=2&claim=3600&delay=60ms.
package main

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"encoding/xml"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fsouza/fake-gcs-server/fakestorage"
)

var (
	addr     = flag.String("addr", "127.0.0.1:4443", "listen address")
	metaAddr = flag.String("metadata-addr", "", "listen address of the GCE metadata server mock")
	token    = flag.String("token", "gcs-static-token", "static bearer token that is accepted")
	pubKey   = flag.String("sa-key", "", "service account JSON (private_key is used to verify JWTs)")
	buckets  = flag.String("buckets", "", "comma separated buckets to create")
	cert     = flag.String("cert", "", "TLS certificate")
	key      = flag.String("key", "", "TLS key")
	srv      *fakestorage.Server
	rsaPub   *rsa.PublicKey
	saEmail  string
	mu       sync.Mutex
	issued   = map[string]time.Time{}
	uploads  = map[string]*upload{}
	stats    = struct {
		Issued, Refused map[string]int // tokens and requests by user agent
		Protocols       map[string]int
	}{map[string]int{}, map[string]int{}, map[string]int{}}
	// Tokens live so many seconds and say that they live `claim`.
	life, claim = 3600, 3600
	// Every GET of the XML API waits so long, those of one user agent one after the other.
	delay time.Duration
	slow  = map[string]*sync.Mutex{}
)

type upload struct {
	bucket, object, ctype string
	parts                 map[int][]byte
}

func issue(r *http.Request) (token string, claimed int) {
	b := make([]byte, 12)
	rand.Read(b)
	t := "issued-" + hex.EncodeToString(b)
	mu.Lock()
	defer mu.Unlock()
	issued[t] = time.Now().Add(time.Duration(life) * time.Second)
	stats.Issued[r.UserAgent()]++
	return t, claim
}

func answerToken(w http.ResponseWriter, r *http.Request) {
	t, seconds := issue(r)
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"access_token":%q,"expires_in":%d,"token_type":"Bearer"}`, t, seconds)
}

func checkJWT(t string) error {
	p := strings.Split(t, ".")
	if len(p) != 3 || rsaPub == nil {
		return fmt.Errorf("not a token")
	}
	hb, e1 := base64.RawURLEncoding.DecodeString(p[0])
	cb, e2 := base64.RawURLEncoding.DecodeString(p[1])
	sig, e3 := base64.RawURLEncoding.DecodeString(p[2])
	if e1 != nil || e2 != nil || e3 != nil {
		return fmt.Errorf("bad base64")
	}
	var h struct{ Alg, Typ, Kid string }
	var c struct {
		Iss, Sub, Scope, Aud string
		Iat, Exp             int64
	}
	if json.Unmarshal(hb, &h) != nil || json.Unmarshal(cb, &c) != nil || h.Alg != "RS256" {
		return fmt.Errorf("bad header or claims")
	}
	d := sha256.Sum256([]byte(p[0] + "." + p[1]))
	if e := rsa.VerifyPKCS1v15(rsaPub, crypto.SHA256, d[:], sig); e != nil {
		return e
	}
	now := time.Now().Unix()
	if c.Iss != saEmail || now > c.Exp || c.Iat > now+300 || c.Exp-c.Iat > 3600 {
		return fmt.Errorf("bad iss/iat/exp %+v", c)
	}
	if c.Scope == "" && c.Aud == "" {
		return fmt.Errorf("neither scope nor aud")
	}
	mu.Lock()
	defer mu.Unlock()
	if now > c.Iat+int64(life) {
		return fmt.Errorf("older than tokens get here")
	}
	return nil
}

func authOK(r *http.Request) bool {
	t, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return false
	}
	if t == *token {
		return true
	}
	mu.Lock()
	e, ok := issued[t]
	mu.Unlock()
	if ok {
		return time.Now().Before(e)
	}
	if err := checkJWT(t); err != nil {
		log.Printf("reject bearer: %v", err)
		return false
	}
	return true
}

func xerr(w http.ResponseWriter, code int, c, m string) {
	w.Header().Set("Content-Type", "application/xml; charset=UTF-8")
	w.WriteHeader(code)
	fmt.Fprintf(w, "<?xml version='1.0' encoding='UTF-8'?><Error><Code>%s</Code><Message>%s</Message></Error>", c, m)
}

// call runs a JSON API request inside the process.
func call(method, target string, body []byte, h map[string]string) *httptest.ResponseRecorder {
	q := httptest.NewRequest(method, "http://storage.googleapis.com"+target, bytes.NewReader(body))
	for k, v := range h {
		q.Header.Set(k, v)
	}
	rec := httptest.NewRecorder()
	srv.HTTPHandler().ServeHTTP(rec, q)
	return rec
}

func insert(w http.ResponseWriter, bucket, object string, body []byte, ctype, genMatch string) (gen, etag string, ok bool) {
	q := url.Values{"uploadType": {"media"}, "name": {object}}
	if genMatch != "" {
		q.Set("ifGenerationMatch", genMatch)
	}
	if ctype == "" {
		ctype = "application/octet-stream"
	}
	rec := call("POST", "/upload/storage/v1/b/"+url.PathEscape(bucket)+"/o?"+q.Encode(), body, map[string]string{"Content-Type": ctype})
	if rec.Code != 200 {
		c := "InvalidRequest"
		if rec.Code == 412 {
			c = "PreconditionFailed"
		} else if rec.Code == 404 {
			c = "NoSuchBucket"
		}
		xerr(w, rec.Code, c, rec.Body.String())
		return "", "", false
	}
	var o struct{ Generation, Etag string }
	json.Unmarshal(rec.Body.Bytes(), &o)
	return o.Generation, `"` + strings.Trim(o.Etag, `"`) + `"`, true
}

func xmlAPI(w http.ResponseWriter, r *http.Request) {
	raw := strings.TrimPrefix(r.URL.EscapedPath(), "/")
	bp, op, _ := strings.Cut(raw, "/")
	bucket, e1 := url.PathUnescape(bp)
	object, e2 := url.PathUnescape(op)
	if e1 != nil || e2 != nil || bucket == "" {
		xerr(w, 400, "InvalidURI", "bad path")
		return
	}
	q := r.URL.Query()
	if object == "" {
		if r.Method == "GET" {
			list(w, bucket, q)
		} else {
			xerr(w, 405, "MethodNotAllowed", r.Method)
		}
		return
	}
	switch {
	case r.Method == "POST" && q.Has("uploads"):
		if call("GET", "/storage/v1/b/"+url.PathEscape(bucket), nil, nil).Code != 200 {
			xerr(w, 404, "NoSuchBucket", bucket)
			return
		}
		b := make([]byte, 16)
		rand.Read(b)
		id := hex.EncodeToString(b)
		mu.Lock()
		uploads[id] = &upload{bucket, object, r.Header.Get("Content-Type"), map[int][]byte{}}
		mu.Unlock()
		w.Header().Set("Content-Type", "application/xml")
		fmt.Fprintf(w, "<InitiateMultipartUploadResult><Bucket>%s</Bucket><UploadId>%s</UploadId></InitiateMultipartUploadResult>", bucket, id)
	case q.Has("uploadId"):
		id := q.Get("uploadId")
		mu.Lock()
		u := uploads[id]
		mu.Unlock()
		if u == nil || u.bucket != bucket || u.object != object {
			xerr(w, 404, "NoSuchUpload", id)
			return
		}
		switch r.Method {
		case "PUT":
			n, _ := strconv.Atoi(q.Get("partNumber"))
			b, err := io.ReadAll(r.Body)
			if err != nil || n < 1 || n > 10000 {
				xerr(w, 400, "InvalidArgument", "partNumber")
				return
			}
			mu.Lock()
			u.parts[n] = b
			mu.Unlock()
			d := sha256.Sum256(b)
			w.Header().Set("ETag", `"`+hex.EncodeToString(d[:16])+`"`)
		case "DELETE":
			mu.Lock()
			delete(uploads, id)
			mu.Unlock()
			w.WriteHeader(204)
		case "POST":
			var c struct {
				Part []struct {
					PartNumber int
					ETag       string
				}
			}
			b, _ := io.ReadAll(r.Body)
			if xml.Unmarshal(b, &c) != nil || len(c.Part) == 0 {
				xerr(w, 400, "MalformedCompleteMultipartUploadRequest", "no parts")
				return
			}
			if !sort.SliceIsSorted(c.Part, func(i, j int) bool { return c.Part[i].PartNumber < c.Part[j].PartNumber }) {
				xerr(w, 400, "InvalidPartOrder", "")
				return
			}
			var all []byte
			for i, p := range c.Part {
				mu.Lock()
				pb, ok := u.parts[p.PartNumber]
				mu.Unlock()
				d := sha256.Sum256(pb)
				if !ok || strings.Trim(p.ETag, `"`) != hex.EncodeToString(d[:16]) {
					xerr(w, 400, "InvalidPart", strconv.Itoa(p.PartNumber))
					return
				}
				if i < len(c.Part)-1 && len(pb) < 5<<20 {
					xerr(w, 400, "EntityTooSmall", strconv.Itoa(p.PartNumber))
					return
				}
				all = append(all, pb...)
			}
			gen, etag, ok := insert(w, bucket, object, all, u.ctype, r.Header.Get("x-goog-if-generation-match"))
			if !ok {
				return
			}
			mu.Lock()
			delete(uploads, id)
			mu.Unlock()
			w.Header().Set("x-goog-generation", gen)
			w.Header().Set("Content-Type", "application/xml")
			fmt.Fprintf(w, "<CompleteMultipartUploadResult><Bucket>%s</Bucket><ETag>%s</ETag></CompleteMultipartUploadResult>", bucket, strings.ReplaceAll(etag, `"`, "&quot;"))
		default:
			xerr(w, 405, "MethodNotAllowed", "")
		}
	case r.Method == "PUT":
		gm := r.Header.Get("x-goog-if-generation-match")
		if src := r.Header.Get("x-goog-copy-source"); src != "" {
			sb, so, _ := strings.Cut(strings.TrimPrefix(src, "/"), "/")
			sb, _ = url.PathUnescape(sb)
			so, _ = url.PathUnescape(so)
			g := call("GET", "/storage/v1/b/"+url.PathEscape(sb)+"/o/"+url.PathEscape(so)+"?alt=media", nil, nil)
			if g.Code != 200 {
				xerr(w, 404, "NoSuchKey", so)
				return
			}
			if gen, etag, ok := insert(w, bucket, object, g.Body.Bytes(), g.Header().Get("Content-Type"), gm); ok {
				w.Header().Set("x-goog-generation", gen)
				fmt.Fprintf(w, "<CopyObjectResult><ETag>%s</ETag></CopyObjectResult>", strings.ReplaceAll(etag, `"`, "&quot;"))
			}
			return
		}
		b, err := io.ReadAll(r.Body)
		if err != nil || (r.ContentLength >= 0 && int64(len(b)) != r.ContentLength) {
			xerr(w, 400, "IncompleteBody", "")
			return
		}
		if gen, etag, ok := insert(w, bucket, object, b, r.Header.Get("Content-Type"), gm); ok {
			w.Header().Set("x-goog-generation", gen)
			w.Header().Set("ETag", etag)
		}
	case r.Method == "GET" || r.Method == "HEAD":
		o, err := srv.GetObjectStreaming(bucket, object)
		if err != nil {
			if r.Method == "HEAD" {
				w.WriteHeader(404)
			} else {
				xerr(w, 404, "NoSuchKey", "The specified key does not exist.")
			}
			return
		}
		defer o.Close()
		if g := q.Get("generation"); g != "" && g != strconv.FormatInt(o.Generation, 10) {
			xerr(w, 404, "NoSuchKey", "generation")
			return
		}
		w.Header().Set("ETag", `"`+strings.Trim(o.Etag, `"`)+`"`)
		w.Header().Set("x-goog-generation", strconv.FormatInt(o.Generation, 10))
		w.Header().Set("Content-Type", o.ContentType)
		http.ServeContent(w, r, "", o.Updated, o.Content) // ranges, If-Match, If-None-Match
	case r.Method == "DELETE":
		if c := call("DELETE", "/storage/v1/b/"+url.PathEscape(bucket)+"/o/"+url.PathEscape(object), nil, nil).Code; c == 404 {
			xerr(w, 404, "NoSuchKey", "The specified key does not exist.")
		} else {
			w.WriteHeader(204)
		}
	default:
		xerr(w, 405, "MethodNotAllowed", r.Method)
	}
}

type entry struct {
	name   string
	prefix bool
	a      *fakestorage.ObjectAttrs
}

func list(w http.ResponseWriter, bucket string, q url.Values) {
	prefix, delim := q.Get("prefix"), q.Get("delimiter")
	resp, err := srv.ListObjectsWithOptionsPaginated(bucket, fakestorage.ListOptions{Prefix: prefix, Delimiter: delim})
	if err != nil {
		xerr(w, 404, "NoSuchBucket", bucket)
		return
	}
	max := 1000
	if m := q.Get("max-keys"); m != "" {
		if n, e := strconv.Atoi(m); e == nil && n > 0 && n < 1000 {
			max = n
		}
	}
	after := q.Get("start-after")
	if t := q.Get("continuation-token"); t != "" {
		b, e := base64.URLEncoding.DecodeString(t)
		if e != nil {
			xerr(w, 400, "InvalidArgument", "continuation-token")
			return
		}
		after = string(b)
	}
	var es []entry
	for i := range resp.Objects {
		if resp.Objects[i].Name > after {
			es = append(es, entry{resp.Objects[i].Name, false, &resp.Objects[i]})
		}
	}
	for _, p := range resp.Prefixes {
		if p > after {
			es = append(es, entry{p, true, nil})
		}
	}
	sort.Slice(es, func(i, j int) bool { return es[i].name < es[j].name })
	trunc := len(es) > max
	if trunc {
		es = es[:max]
	}
	var b strings.Builder
	esc := func(s string) string { var x bytes.Buffer; xml.EscapeText(&x, []byte(s)); return x.String() }
	fmt.Fprintf(&b, "<?xml version='1.0' encoding='UTF-8'?><ListBucketResult xmlns='http://doc.s3.amazonaws.com/2006-03-01'><Name>%s</Name><Prefix>%s</Prefix><KeyCount>%d</KeyCount><IsTruncated>%v</IsTruncated>", esc(bucket), esc(prefix), len(es), trunc)
	if trunc {
		fmt.Fprintf(&b, "<NextContinuationToken>%s</NextContinuationToken>", base64.URLEncoding.EncodeToString([]byte(es[len(es)-1].name)))
	}
	for _, e := range es {
		if e.prefix {
			fmt.Fprintf(&b, "<CommonPrefixes><Prefix>%s</Prefix></CommonPrefixes>", esc(e.name))
		} else {
			fmt.Fprintf(&b, "<Contents><Key>%s</Key><Generation>%d</Generation><LastModified>%s</LastModified><ETag>&quot;%s&quot;</ETag><Size>%d</Size></Contents>",
				esc(e.name), e.a.Generation, e.a.Updated.UTC().Format("2006-01-02T15:04:05.000Z"), strings.Trim(e.a.Etag, `"`), e.a.Size)
		}
	}
	b.WriteString("</ListBucketResult>")
	w.Header().Set("Content-Type", "application/xml; charset=UTF-8")
	io.WriteString(w, b.String())
}

func refuse(w http.ResponseWriter, code int, m string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	fmt.Fprintf(w, `{"error":"invalid_grant","error_description":%q}`, m)
}

// What Google would send to AWS to learn who asks.
func isSignedByAws(subject string) bool {
	var request struct {
		Url, Method string
		Headers     []struct{ Key, Value string }
	}
	text := subject
	if !strings.HasPrefix(text, "{") { // google-auth encodes it once more, reqsign does not
		text, _ = url.QueryUnescape(text)
	}
	if json.Unmarshal([]byte(text), &request) != nil || request.Method != "POST" {
		return false
	}
	for _, h := range request.Headers {
		if strings.EqualFold(h.Key, "authorization") {
			return strings.HasPrefix(h.Value, "AWS4-HMAC-SHA256 Credential=LANCEFSTEST/")
		}
	}
	return false
}

func exchange(w http.ResponseWriter, r *http.Request) {
	r.ParseForm()
	form := r.PostForm
	if form.Get("grant_type") != "urn:ietf:params:oauth:grant-type:token-exchange" || form.Get("audience") == "" {
		refuse(w, 400, "grant_type or audience")
		return
	}
	subject := form.Get("subject_token")
	switch form.Get("subject_token_type") {
	case "urn:ietf:params:oauth:token-type:jwt":
		if subject != "subject-ok" {
			refuse(w, 400, "subject token")
			return
		}
		answerToken(w, r)
	case "urn:ietf:params:aws:token-type:aws4_request":
		if !isSignedByAws(subject) {
			refuse(w, 400, "signature of AWS")
			return
		}
		answerToken(w, r)
	default:
		refuse(w, 400, "subject token type")
	}
}

func renewUser(w http.ResponseWriter, r *http.Request) {
	r.ParseForm()
	if r.PostForm.Get("grant_type") != "refresh_token" || r.PostForm.Get("refresh_token") != "refresh-ok" || r.PostForm.Get("client_id") == "" {
		refuse(w, 400, "refresh token")
		return
	}
	answerToken(w, r)
}

func impersonate(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		Scope    []string
		Lifetime string
	}
	if !authOK(r) || json.NewDecoder(r.Body).Decode(&asked) != nil || len(asked.Scope) == 0 {
		refuse(w, 403, "not permitted")
		return
	}
	t, seconds := issue(r)
	w.Header().Set("Content-Type", "application/json")
	end := time.Now().Add(time.Duration(seconds) * time.Second).UTC().Format("2006-01-02T15:04:05.000Z")
	fmt.Fprintf(w, `{"accessToken":%q,"expireTime":%q}`, t, end)
}

func subject(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("X-Subject") != "please" {
		refuse(w, 403, "a header is missing")
		return
	}
	io.WriteString(w, `{"value":"subject-ok"}`)
}

func set(w http.ResponseWriter, q url.Values) {
	mu.Lock()
	defer mu.Unlock()
	var err error
	for name, values := range q {
		switch name {
		case "life":
			life, err = strconv.Atoi(values[0])
			claim = life
		case "delay":
			delay, err = time.ParseDuration(values[0])
		case "claim":
		default:
			err = fmt.Errorf("what is %s?", name)
		}
		if err != nil {
			xerr(w, 400, "InvalidArgument", err.Error())
			return
		}
	}
	if n, e := strconv.Atoi(q.Get("claim")); e == nil {
		claim = n
	}
}

// The requests of one user agent wait for each other.
func dawdle(agent string) {
	mu.Lock()
	d, lock := delay, slow[agent]
	if lock == nil {
		lock = &sync.Mutex{}
		slow[agent] = lock
	}
	mu.Unlock()
	if d > 0 {
		lock.Lock()
		time.Sleep(d)
		lock.Unlock()
	}
}

func metadata(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Metadata-Flavor", "Google")
	if r.Header.Get("Metadata-Flavor") != "Google" {
		w.WriteHeader(403)
		return
	}
	switch r.URL.Path {
	case "/computeMetadata/v1/instance/service-accounts/default/token":
		answerToken(w, r)
	default:
		w.WriteHeader(404)
	}
}

func main() {
	flag.Parse()
	if *pubKey != "" {
		b, err := os.ReadFile(*pubKey)
		if err != nil {
			log.Fatal(err)
		}
		var sa struct {
			PrivateKey  string `json:"private_key"`
			ClientEmail string `json:"client_email"`
		}
		if err := json.Unmarshal(b, &sa); err != nil {
			log.Fatal(err)
		}
		blk, _ := pem.Decode([]byte(sa.PrivateKey))
		if blk == nil {
			log.Fatal("no PEM in private_key")
		}
		k, err := x509.ParsePKCS8PrivateKey(blk.Bytes)
		if err != nil {
			log.Fatal(err)
		}
		rsaPub = &k.(*rsa.PrivateKey).PublicKey
		saEmail = sa.ClientEmail
	}
	var err error
	srv, err = fakestorage.NewServerWithOptions(fakestorage.Options{NoListener: true, PublicHost: "storage.googleapis.com", ExternalURL: "http://" + *addr})
	if err != nil {
		log.Fatal(err)
	}
	for _, b := range strings.Split(*buckets, ",") {
		if b != "" {
			srv.CreateBucketWithOpts(fakestorage.CreateBucketOpts{Name: b})
		}
	}
	if *metaAddr != "" {
		go func() { log.Fatal(http.ListenAndServe(*metaAddr, http.HandlerFunc(metadata))) }()
	}
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method + " " + r.URL.Path {
		case "GET /_health":
			io.WriteString(w, "ok "+r.Proto)
			return
		case "GET /_stats":
			mu.Lock()
			defer mu.Unlock()
			json.NewEncoder(w).Encode(stats)
			return
		case "POST /_revoke":
			mu.Lock()
			defer mu.Unlock()
			issued = map[string]time.Time{}
			return
		case "POST /_set":
			set(w, r.URL.Query())
			return
		case "POST /sts":
			exchange(w, r)
			return
		case "POST /o/oauth2/token":
			renewUser(w, r)
			return
		case "POST /impersonate/a@b:generateAccessToken":
			impersonate(w, r)
			return
		case "GET /subject":
			subject(w, r)
			return
		}
		if r.Method == "GET" { // before the token is looked at: it may expire meanwhile
			dawdle(r.UserAgent())
		}
		ok := authOK(r)
		mu.Lock()
		stats.Protocols[r.Proto]++
		if !ok {
			stats.Refused[r.UserAgent()]++
		}
		mu.Unlock()
		if !ok {
			xerr(w, 401, "AuthenticationRequired", "Authentication required.")
			return
		}
		xmlAPI(w, r)
	})
	log.Printf("gcsemu listening on %s", *addr)
	if *cert != "" {
		log.Fatal(http.ListenAndServeTLS(*addr, *cert, *key, h))
	}
	log.Fatal(http.ListenAndServe(*addr, h))
}
