# SPDX-License-Identifier: Apache-2.0
"""Azure's SharedKey signatures as azure-storage-blob makes them, on random requests with unusual names, queries and headers."""
import base64
import random
import types
import urllib.parse

from azure.core.pipeline import PipelineRequest
from azure.core.rest import HttpRequest
from azure.storage.blob._shared.authentication import SharedKeyCredentialPolicy
from signing import COUNT, ask_probe, check_signatures, key, text, value

QUERIES = ["comp", "restype", "prefix", "marker", "delimiter", "maxresults", "startFrom", "blockid", "include", "timeout", "sv", "sig"]
PLAIN_HEADERS = ["content-encoding", "content-language", "content-md5", "content-type", "if-modified-since", "if-match", "if-none-match",
                 "if-unmodified-since"]
SERVICE_HEADERS = ["x-ms-blob-type", "x-ms-encryption-key", "x-ms-encryption-key-sha256", "x-ms-encryption-algorithm", "x-ms-copy-source",
                   "x-ms-range", "x-ms-meta-a", "x-ms-meta-ab", "x-ms-meta-a-b", "x-ms-meta-a_b", "x-ms-meta_a", "x-ms-metaz", "x-ms-meta-10",
                   "x-ms-meta-a1", "x-ms-meta-a.b", "x-ms-meta-a~b", "x-ms-client-request-id", "x-ms-blob-content-type"]


def random_request(rng):
    account = rng.choice(["devstoreaccount1", "acme", "a1b2c3"])
    headers = [["x-ms-version", "2023-11-03"]]
    headers.append([rng.choice(["date", "x-ms-date"]), f"Wed, 21 Oct 2026 07:28:{rng.randint(10, 59)} GMT"])
    headers += [[name, value(rng)] for name in rng.sample(PLAIN_HEADERS, rng.choice([0, 0, 1, 3]))]
    headers += [[name, value(rng)] for name in rng.sample(SERVICE_HEADERS, rng.randint(0, 8))]
    rng.shuffle(headers)
    return {
        "service": "azure",
        "method": rng.choice(["GET", "PUT", "HEAD", "DELETE", "POST"]),
        "base": rng.choice(["", "/devstoreaccount1"]) + "/container",
        "key": key(rng),
        "query": [[name, text(rng, 0, 12)] for name in rng.sample(QUERIES, rng.choice([0, 0, 1, 2, 5]))],
        "headers": headers,
        "content_length": rng.choice([0, 0, 1, 5000, 2**33]),
        "account": account,
        "account_key": base64.b64encode(rng.randbytes(64)).decode(),
    }


def by_azure(request):
    path = request["base"] + "/" + urllib.parse.quote(request["key"], safe="/-_.~")
    query = "&".join(f"{name}=" + urllib.parse.quote(v, safe="-_.~") for name, v in request["query"])
    http = HttpRequest(request["method"], f"https://host.test{path}" + ("?" + query if query else ""))
    for name, text_ in request["headers"]:
        http.headers[name] = text_
    http.headers["Content-Length"] = str(request["content_length"])
    # The policy reads `query`, which requests of the older kind have.
    old = types.SimpleNamespace(method=http.method, url=http.url, headers=http.headers,
                                query=dict(part.split("=", 1) for part in query.split("&") if part))
    SharedKeyCredentialPolicy(request["account"], request["account_key"]).on_request(
        PipelineRequest(old, types.SimpleNamespace(transport=None)))
    return path, http.headers["Authorization"]


def test_random_requests_are_signed_as_azure_storage_blob_signs_them(build_dir):
    rng = random.Random(20260229)
    requests = [random_request(rng) for _ in range(COUNT)]
    check_signatures(requests, ask_probe(build_dir, "sign_probe", requests), [by_azure(request) for request in requests])
