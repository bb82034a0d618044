# SPDX-License-Identifier: Apache-2.0
"""What the servers and proxies of the tests share: an HTTP server on a free loopback port, and asking the server behind it."""
import http.client
import http.server
import ssl
import threading

# They belong to one connection, not to the message.
HOP_HEADERS = {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_):  # a client that went away
        pass


class LoopbackServer:
    """with Subclass(...) as server: each request comes to serve(handler), in a thread of its connection; `endpoint` is where.

    `certificate`: (certificate file, key file) to speak TLS."""

    def __init__(self, certificate=None):
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def handle_any(self):
                owner.serve(self)

            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_any

            def log_message(self, *_):
                pass

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.endpoint = f"{'https' if certificate else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    def serve(self, handler):
        raise NotImplementedError


def read_body(handler):
    return handler.rfile.read(int(handler.headers.get("Content-Length", 0)))


def forward(netloc, method, path, headers, body):
    """(response, its body) of the server at `netloc`. `headers`: a mapping, of which a Host goes through unchanged, so that signatures
    stay valid."""
    server = http.client.HTTPConnection(netloc, timeout=60)
    try:
        server.putrequest(method, path, skip_host=any(name.lower() == "host" for name in headers), skip_accept_encoding=True)
        for name, value in headers.items():
            if name.lower() not in HOP_HEADERS | {"content-length"}:
                server.putheader(name, value)
        if body or method in ("PUT", "POST"):
            server.putheader("Content-Length", str(len(body)))
        server.endheaders(body or None)
        answer = server.getresponse()
        return answer, answer.read()
    finally:
        server.close()


def send_head(handler, status, length, headers):
    """All of an answer but its body. The Content-Length among `headers` counts for HEAD alone."""
    handler.send_response_only(status)
    named = {name.lower(): value for name, value in headers}.get("content-length") if handler.command == "HEAD" else None
    for name, value in headers:
        if name.lower() not in HOP_HEADERS | {"content-length"}:
            handler.send_header(name, value)
    if status not in (204, 304):
        handler.send_header("Content-Length", named or str(length))
    handler.end_headers()


def send(handler, status, body, headers=()):
    send_head(handler, status, len(body), headers)
    if handler.command != "HEAD":
        handler.wfile.write(body)
        handler.wfile.flush()
