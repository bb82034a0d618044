# SPDX-License-Identifier: Apache-2.0
"""Token endpoints of Azure on loopback, and before the blob server a gate that takes their short-lived tokens.

The gate adds what the server behind it wants (a SAS); so a token that it lets through is all that the client needs."""
import base64
import json
import threading
import time
import urllib.parse

from loopback import LoopbackServer, forward, read_body, send

CLIENT_SECRET = "hush-hush-client-secret"
FEDERATED_TOKEN = "hush-hush-federated"
IDENTITY_HEADER = "hush-hush-identity"
SESSION_TOKEN = "hush-hush-session"


class AzureMock(LoopbackServer):
    """with AzureMock(...) as mock: the token endpoints are below mock.url, the blobs at mock.endpoint."""

    def __init__(self, endpoint, sas, account):
        """`endpoint` has the account in its path, as Azurite's."""
        super().__init__()
        self.upstream = urllib.parse.urlsplit(endpoint)
        self.url = self.endpoint
        self.endpoint = self.url + self.upstream.path
        self.sas, self.account = sas, account
        self.life = 3600      # seconds that a token is good for
        self.claimed = None   # seconds that it says it is good for
        self.pace = 0         # seconds that each read of a data file takes, one after the other
        self.issued = []      # (source, token)
        self.refused = []     # paths
        self.good_until = {}
        self.lock, self.paced = threading.Lock(), threading.Lock()

    def count(self, source):
        return sum(1 for name, _ in self.issued if name == source)

    def issue(self, source):
        with self.lock:
            now = time.time()
            claims = {"n": len(self.issued), "exp": int(now + (self.claimed or self.life))}
            token = "hush." + base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=") + ".hush"
            self.issued.append((source, token))
            self.good_until[token] = now + self.life
            return token, claims["exp"]

    def serve(self, request):
        body = read_body(request)
        url = urllib.parse.urlsplit(request.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        form = dict(urllib.parse.parse_qsl(body.decode())) if "/oauth2/v2.0/token" in url.path else {}
        if form.get("client_secret") == CLIENT_SECRET:
            self.answer_token(request, "client-secret")
        elif form.get("client_assertion") == FEDERATED_TOKEN:
            self.answer_token(request, "workload")
        elif form:
            self.answer(request, 401, {"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret provided."})
        elif url.path == "/msi" and query.get("resource") == "https://storage.azure.com" and request.headers.get("metadata") == "true":
            right = request.headers.get("x-identity-header") == IDENTITY_HEADER
            if right:
                self.answer_token(request, "msi", text=True)
            else:
                self.answer(request, 403, {"error": "invalid_header"})
        elif url.path == "/cli":
            self.answer_token(request, "cli")
        elif url.path == "/fabric" and request.headers.get("x-ms-partner-token") == SESSION_TOKEN:
            self.answer(request, 200, self.issue("fabric")[0])
        else:
            self.forward(request, body)

    def answer_token(self, request, source, text=False):
        token, expires_on = self.issue(source)
        self.answer(request, 200, {"token_type": "Bearer", "access_token": token, "expires_on": str(expires_on) if text else expires_on,
                                   "expires_in": str(expires_on - int(time.time())) if text else expires_on - int(time.time())})

    def answer(self, request, status, content, headers=()):
        send(request, status, content.encode() if isinstance(content, str) else json.dumps(content).encode(), headers)

    def forward(self, request, body):
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if time.time() > self.good_until.get(token, 0):
            self.refused.append(request.path)
            error = ("<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>InvalidAuthenticationInfo</Code>"
                     "<Message>Lifetime validation failed. The token is expired.</Message></Error>")
            return self.answer(request, 401, error, [("x-ms-error-code", "InvalidAuthenticationInfo")])
        if self.pace and request.command == "GET" and "/data/" in request.path:
            with self.paced:
                time.sleep(self.pace)
        headers = {k: v for k, v in request.headers.items() if k.lower() not in ("authorization", "host")}
        path = request.path + ("&" if "?" in request.path else "?") + self.sas
        answer, data = forward(self.upstream.netloc, request.command, path, headers, body)
        return send(request, answer.status, data, answer.getheaders())
