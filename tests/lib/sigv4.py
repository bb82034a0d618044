# SPDX-License-Identifier: Apache-2.0
"""The server's side of AWS Signature Version 4, for proxies before servers that check nothing."""
import hashlib
import hmac
import urllib.parse


def key_of(secret, scope):
    key = ("AWS4" + secret).encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key


def fault(method, path, headers, body, secret, service):
    """What is wrong with a request's signature; None if it is right."""
    scheme, _, rest = headers.get("Authorization", "").partition(" ")
    if scheme != "AWS4-HMAC-SHA256":
        return "not signed"
    fields = dict(part.strip().split("=", 1) for part in rest.split(","))
    scope = fields["Credential"].split("/", 1)[1]
    if scope.split("/")[2:] != [service, "aws4_request"]:
        return f"signed for {scope}"
    names = fields["SignedHeaders"].split(";")
    for name in ["host"] + [n.lower() for n in headers if n.lower().startswith("x-amz-")]:
        if name not in names:
            return f"{name} is not signed"
    payload = hashlib.sha256(body).hexdigest()
    if headers.get("x-amz-content-sha256", payload) != payload:
        return "the body's hash is another one"
    url = urllib.parse.urlsplit(path)
    query = "&".join(sorted(f"{urllib.parse.quote(k, safe='-_.~')}={urllib.parse.quote(v, safe='-_.~')}"
                            for k, v in urllib.parse.parse_qsl(url.query, keep_blank_values=True)))
    lines = "".join(f"{name}:{' '.join(headers[name].split())}\n" for name in names)
    canonical = f"{method}\n{url.path}\n{query}\n{lines}\n{';'.join(names)}\n{payload}"
    text = f"AWS4-HMAC-SHA256\n{headers['x-amz-date']}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    wanted = hmac.new(key_of(secret, scope), text.encode(), hashlib.sha256).hexdigest()
    return None if hmac.compare_digest(wanted, fields["Signature"]) else "the signature is wrong"
