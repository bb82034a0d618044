# SPDX-License-Identifier: Apache-2.0
"""AWS around a MinIO server: every endpoint that hands out credentials, and S3 that refuses them once they have expired.

The credentials come from MinIO's own STS, which therefore checks signatures and session tokens; their short life is kept here."""
import datetime
import hashlib
import hmac
import json
import random
import re
import threading
import time
import urllib.parse
import xml.etree.ElementTree

import botocore.auth
import botocore.awsrequest
import botocore.credentials
from loopback import LoopbackServer, forward, read_body, send

WEB_TOKEN = "web-identity-token"
POD_TOKEN = "pod-identity-token"
ROLE = "test-role"
XML = "{https://sts.amazonaws.com/doc/2011-06-15/}"
ERROR = "<Error><Code>{}</Code><Message>{}</Message><RequestId>mock</RequestId></Error>"


def signature(secret, handler, body):
    """What the Authorization header of a request must end with."""
    scope, names = re.search(r"Credential=[^/]+/([^,]+), *SignedHeaders=([^,]+),", handler.headers["Authorization"]).groups()
    path, _, query = handler.path.partition("?")
    headers = "".join(f"{name}:{' '.join(handler.headers[name].split())}\n" for name in names.split(";"))
    payload = handler.headers["x-amz-content-sha256"]
    assert payload in (hashlib.sha256(body).hexdigest(), "UNSIGNED-PAYLOAD")
    canonical = "\n".join([handler.command, path, "&".join(sorted(query.split("&"))), headers, names, payload])
    text = "\n".join(["AWS4-HMAC-SHA256", handler.headers["x-amz-date"], scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = ("AWS4" + secret).encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


class Issued:
    def __init__(self, keys, ends):
        self.access_key, self.secret_key, self.token = keys
        self.ends = ends


class AwsMock(LoopbackServer):
    """with AwsMock(place.storage_options) as mock: S3 and all else are at mock.endpoint.

    Credentials live `life` seconds and say so, unless `claimed` (seconds) is what they say. `throttle` seconds pass for each GET of data, one
    after the other. `issued` lists what was handed out: (source, access key); `refused` the S3 requests that came with expired ones."""

    def __init__(self, storage_options, certificate=None, express_buckets=None):
        super().__init__(certificate)
        self.root = (storage_options["aws_access_key_id"], storage_options["aws_secret_access_key"])
        self.region = storage_options["aws_region"]
        self.express_buckets = express_buckets or {}  # directory bucket -> the bucket that it stands for
        self.upstream = urllib.parse.urlsplit(storage_options["aws_endpoint"]).netloc
        self.life, self.claimed, self.throttle = 3600, None, 0.0
        self.issued, self.refused, self.requests, self.sso_token = [], [], [], "sso-token-1"
        self.sessions, self.bad_requests = {}, []
        self.session_life = 300
        self.missing_buckets = set()
        self._known, self._sessions = {}, set()
        self._lock, self._throttled = threading.Lock(), threading.Lock()
    def count(self, source):
        with self._lock:
            return sum(1 for name, _ in self.issued if name == source)

    def issue(self, source):
        """Temporary credentials of MinIO that S3 refuses after `life` seconds."""
        body = "Action=AssumeRole&Version=2011-06-15&DurationSeconds=3600"
        request = botocore.awsrequest.AWSRequest("POST", f"http://{self.upstream}/", data=body)
        request.headers["Content-Type"] = "application/x-www-form-urlencoded"
        botocore.auth.SigV4Auth(botocore.credentials.Credentials(*self.root), "sts", self.region).add_auth(request)
        return self._keep(source, *self._forward("POST", "/", dict(request.headers), body.encode())[::2])

    def _keep(self, source, status, body):
        assert status == 200, body
        found = xml.etree.ElementTree.fromstring(body).find(f".//{XML}Credentials")
        issued = Issued([found.find(XML + name).text for name in ("AccessKeyId", "SecretAccessKey", "SessionToken")], time.time() + self.life)
        with self._lock:
            self._known[issued.access_key] = issued
            self.issued.append((source, issued.access_key))
        return issued

    def _expiration(self):
        return datetime.datetime.fromtimestamp(time.time() + (self.life if self.claimed is None else self.claimed), datetime.timezone.utc)

    def _forward(self, method, path, headers, body):
        answer, data = forward(self.upstream, method, path, headers, body)
        return answer.status, answer.getheaders(), data

    # ---- Requests

    def serve(self, handler):
        body = read_body(handler)
        path = handler.path.partition("?")[0]
        with self._lock:
            self.requests.append((handler.command, handler.headers.get("Host", ""), handler.path))
        if handler.command == "HEAD" and "Authorization" not in handler.headers and path.count("/") <= 1:
            # The region of a bucket: named in the refusal of who has no credentials.
            missing = handler.headers.get("Host", "").partition(".")[0] in self.missing_buckets
            return send(handler, 404 if missing else 403, b"", [("x-amz-bucket-region", self.region)])
        for pattern, serve in self.ENDPOINTS:
            if re.fullmatch(pattern, f"{handler.command} {path}"):
                return serve(self, handler, body)
        return self._s3(handler, body)

    def _json(self, handler, value, status=200):
        send(handler, status, json.dumps(value).encode(), [("Content-Type", "application/json")])

    def credentials_json(self, source):
        issued = self.issue(source)
        return {"AccessKeyId": issued.access_key, "SecretAccessKey": issued.secret_key, "Token": issued.token,
                "Expiration": self._expiration().strftime("%Y-%m-%dT%H:%M:%SZ")}

    def _instance_token(self, handler, _):
        if not handler.headers.get("x-aws-ec2-metadata-token-ttl-seconds"):
            return send(handler, 400, b"")
        self._sessions.add(f"session-{len(self._sessions)}")
        send(handler, 200, f"session-{len(self._sessions) - 1}".encode(), [("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "21600")])

    def _instance(self, handler, _):
        if handler.headers.get("x-aws-ec2-metadata-token") not in self._sessions:
            return send(handler, 401, b"")
        rest = urllib.parse.unquote(handler.path).removeprefix("/latest/meta-data/")
        if rest == "iam/security-credentials/":
            return send(handler, 200, ROLE.encode())
        if rest == f"iam/security-credentials/{ROLE}":
            return self._json(handler, {"Code": "Success", "Type": "AWS-HMAC", **self.credentials_json("instance")})
        send(handler, 404, b"")

    def _container(self, handler, _):
        if handler.headers.get("Authorization") != POD_TOKEN:
            return send(handler, 401, b"")
        self._json(handler, self.credentials_json("container"))

    def _sso(self, handler, _):
        if handler.headers.get("x-amz-sso_bearer_token") != self.sso_token:
            return self._json(handler, {"message": "no"}, 401)
        issued = self.issue("sso")
        self._json(handler, {"roleCredentials": {
            "accessKeyId": issued.access_key, "secretAccessKey": issued.secret_key, "sessionToken": issued.token,
            "expiration": int(self._expiration().timestamp() * 1000)}})

    def _oidc(self, handler, body):
        asked = json.loads(body)
        if asked.get("grantType") != "refresh_token" or asked.get("refreshToken") != "sso-refresh":
            return self._json(handler, {"error": "invalid_grant"}, 400)
        self.sso_token = "sso-token-2"
        self._json(handler, {"accessToken": self.sso_token, "expiresIn": 3600, "refreshToken": "sso-refresh", "tokenType": "Bearer"})

    def _sts(self, handler, body):
        form = dict(urllib.parse.parse_qsl(body.decode()))
        action = form.get("Action")
        if action == "AssumeRole":  # MinIO checks the signature
            status, headers, answer = self._forward("POST", handler.path, dict(handler.headers.items()), body)
            if status != 200:
                return send(handler, status, answer, headers)
            issued = self._keep("assume-role", status, answer)
        elif form.get("WebIdentityToken") == WEB_TOKEN and form.get("RoleArn", "").startswith("arn:") and form.get("RoleSessionName"):
            issued = self.issue("web-identity")
        else:
            return send(handler, 400, f"<ErrorResponse>{ERROR.format('InvalidIdentityToken', 'no')}</ErrorResponse>".encode())
        send(handler, 200, (
            f'<{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{action}Result><Credentials>'
            f"<AccessKeyId>{issued.access_key}</AccessKeyId><SecretAccessKey>{issued.secret_key}</SecretAccessKey>"
            f"<SessionToken>{issued.token}</SessionToken><Expiration>{self._expiration():%Y-%m-%dT%H:%M:%SZ}</Expiration>"
            f"</Credentials></{action}Result></{action}Response>").encode(), [("Content-Type", "text/xml")])

    def _s3(self, handler, body):
        if ".s3express-" in handler.headers.get("Host", ""):
            return self._express(handler, body)
        found = re.search(r"Credential=([^/]+)/", handler.headers.get("Authorization", ""))
        issued = self._known.get(found.group(1)) if found else None
        if issued is not None and time.time() > issued.ends:
            with self._lock:
                self.refused.append(issued.access_key)
            return send(handler, 400, ERROR.format("ExpiredToken", "The provided token has expired.").encode(),
                                [("Content-Type", "application/xml")])
        if self.throttle and handler.command == "GET" and "/data/" in handler.path:
            with self._throttled:
                time.sleep(self.throttle)
        status, headers, answer = self._forward(handler.command, handler.path, dict(handler.headers.items()), body)
        return send(handler, status, answer, headers)

    # ---- S3 Express: sessions, listings in no order

    def _refuse(self, handler, status, code):
        with self._lock:
            self.bad_requests.append((code, handler.command, handler.path))
        send(handler, status, ERROR.format(code, code).encode(), [("Content-Type", "application/xml")])

    def _express(self, handler, body):
        bucket = handler.headers["Host"].partition(".")[0]
        key = re.search(r"Credential=([^/]+)/", handler.headers.get("Authorization", ""))
        if key is None:
            return self._refuse(handler, 403, "AccessDenied")
        key = key.group(1)
        if handler.path in ("/?session", "/?session="):
            if key != self.root[0] or not handler.headers["Authorization"].endswith(signature(self.root[1], handler, body)):
                return self._refuse(handler, 403, "SignatureDoesNotMatch")
            token = f"express-token-{len(self.sessions)}/+="
            name = f"EXPRESS{len(self.sessions)}"
            self.sessions[name] = Issued([name, f"secret-{name}", token], time.time() + self.session_life)
            ends = datetime.datetime.fromtimestamp(self.sessions[name].ends, datetime.timezone.utc)
            return send(handler, 200, (
                '<CreateSessionResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Credentials>'
                f"<SessionToken>{token}</SessionToken><SecretAccessKey>secret-{name}</SecretAccessKey><AccessKeyId>{name}</AccessKeyId>"
                f"<Expiration>{ends:%Y-%m-%dT%H:%M:%SZ}</Expiration></Credentials></CreateSessionResult>").encode())
        session = self.sessions.get(key)
        if session is None or handler.headers.get("x-amz-s3session-token") != session.token:
            return self._refuse(handler, 403, "InvalidAccessKeyId")
        if time.time() > session.ends:
            return self._refuse(handler, 400, "ExpiredToken")
        if not handler.headers["Authorization"].endswith(signature(session.secret_key, handler, body)):
            return self._refuse(handler, 403, "SignatureDoesNotMatch")
        query = urllib.parse.parse_qs(handler.path.partition("?")[2])
        if "start-after" in query or (query.get("prefix") and not query["prefix"][0].endswith("/")):
            return self._refuse(handler, 400, "InvalidRequest")
        if self.throttle and handler.command == "GET" and "/data/" in handler.path:
            with self._throttled:
                time.sleep(self.throttle)
        status, headers, answer = self._as_root(handler, f"/{self.express_buckets[bucket]}{handler.path}", body)
        if handler.command == "GET" and "list-type" in query and status == 200:
            answer = self._shuffled(answer)
        send(handler, status, answer, headers)

    def _as_root(self, handler, path, body):
        keep = {"range", "if-none-match", "if-match", "content-type"}
        request = botocore.awsrequest.AWSRequest(handler.command, f"http://{self.upstream}{path}", data=body)
        for name, value in handler.headers.items():
            if name.lower() in keep:
                request.headers[name] = value
        botocore.auth.S3SigV4Auth(botocore.credentials.Credentials(*self.root), "s3", self.region).add_auth(request)
        return self._forward(handler.command, path, dict(request.headers), body)

    @staticmethod
    def _shuffled(xml_text):
        parts = re.findall(rb"<Contents>.*?</Contents>", xml_text, re.S)
        shuffled = list(parts)
        random.Random(len(parts)).shuffle(shuffled)
        rest = iter(shuffled)
        return re.sub(rb"<Contents>.*?</Contents>", lambda _: next(rest), xml_text, flags=re.S)

    ENDPOINTS = [
        (r"PUT /latest/api/token", _instance_token),
        (r"GET /latest/.*", _instance),
        (r"GET /v1/credentials", _container),
        (r"GET /federation/credentials", _sso),
        (r"POST /token", _oidc),
        (r"POST /", _sts),
    ]
