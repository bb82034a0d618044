# SPDX-License-Identifier: Apache-2.0
"""AWS Signature Version 4 as botocore makes it, on random requests with unusual keys, queries and headers."""
import datetime
import hashlib
import random
import urllib.parse

import botocore.auth
import botocore.awsrequest
import botocore.credentials
from signing import COUNT, ask_probe, check_signatures, key, text, value

HEADERS = ["range", "if-none-match", "if-match", "content-type", "x-amz-meta-name", "x-amz-request-payer", "x-amz-copy-source"]


def random_request(rng):
    when = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc) + datetime.timedelta(seconds=rng.randrange(10**9))
    body = text(rng, 0, 30).encode() if rng.random() < 0.5 else b""
    return {
        "method": rng.choice(["GET", "PUT", "HEAD", "DELETE", "POST"]),
        "key": key(rng),
        "query": [[text(rng, 1, 8), text(rng, 0, 12)] for _ in range(rng.choice([0, 0, 1, 2, 5]))],
        "headers": [["host", rng.choice(["127.0.0.1:9000", "s3.eu-west-1.amazonaws.com", "b.s3.amazonaws.com"])]]
        + [[name, value(rng)] for name in rng.sample(HEADERS, rng.randint(0, 4))],
        "payload_hash": "UNSIGNED-PAYLOAD" if rng.random() < 0.2 else hashlib.sha256(body).hexdigest(),
        "access_key": "AKIA" + str(rng.randrange(10**9)),
        "secret_key": text(rng, 8, 40),
        "token": text(rng, 10, 60).replace("\t", "") if rng.random() < 0.5 else "",
        "date": when.strftime("%Y%m%dT%H%M%SZ"),
        "region": rng.choice(["us-east-1", "eu-north-1", "cn-north-1"]),
        "service": "s3",
    }, when


def by_botocore(request, when, monkeypatch):
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *_, **__: when)
    path = "/" + urllib.parse.quote(request["key"], safe="/-_.~")
    query = "&".join(urllib.parse.quote(n, safe="-_.~") + "=" + urllib.parse.quote(v, safe="-_.~") for n, v in request["query"])
    host = dict(request["headers"])["host"]
    aws = botocore.awsrequest.AWSRequest(method=request["method"], url=f"https://{host}{path}" + ("?" + query if query else ""))
    for name, text_ in request["headers"]:
        aws.headers[name] = text_

    class Auth(botocore.auth.S3SigV4Auth):
        def payload(self, _):
            return request["payload_hash"]

    credentials = botocore.credentials.Credentials(request["access_key"], request["secret_key"], request["token"] or None)
    Auth(credentials, request["service"], request["region"]).add_auth(aws)
    return path, aws.headers["Authorization"]


def test_random_requests_are_signed_as_botocore_signs_them(build_dir, monkeypatch):
    rng = random.Random(20240229)
    requests = [random_request(rng) for _ in range(COUNT)]
    asked = []
    for request, _ in requests:
        headers = request["headers"] + [["x-amz-date", request["date"]], ["x-amz-content-sha256", request["payload_hash"]]]
        if request["token"]:
            headers.append(["x-amz-security-token", request["token"]])
        asked.append({**request, "headers": headers})
    answers = ask_probe(build_dir, "sign_probe", asked)
    check_signatures(asked, answers, [by_botocore(request, when, monkeypatch) for request, when in requests])
