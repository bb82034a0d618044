# SPDX-License-Identifier: Apache-2.0
"""A proxy before the S3 server: counts requests, bytes and dependent rounds, delays answers, and interferes at chosen requests."""
import http.client
import http.server
import threading
import time
import urllib.parse

# They belong to one connection, not to the message.
HOP_HEADERS = {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}


class Request:
    def __init__(self, method, path, range_, started):
        self.method, self.path, self.range, self.started = method, path, range_, started
        self.headers, self.body = {}, b""
        self.ended = None
        self.status = None
        self.bytes_in = self.bytes_out = 0

    @property
    def key(self):
        return urllib.parse.unquote(self.path.partition("?")[0])

    def line(self):
        """For messages."""
        return f"{self.method} {self.key.rpartition('/')[2][-8:]} {self.range.removeprefix('bytes=')} {self.bytes_out} @{self.started % 100:.3f}"


class S3Proxy:
    """with S3Proxy(endpoint) as proxy: clients use proxy.endpoint. The Host header goes through unchanged, so signatures stay valid.

    `delay` seconds pass before each request goes on. `before(request)` is asked before a request goes to the server and `after(request)`
    before its answer goes to the client; True = the client gets no answer at all."""

    def __init__(self, endpoint, delay=0.0):
        self.upstream = urllib.parse.urlsplit(endpoint).netloc
        self.delay = delay
        self.before = self.after = lambda request: False
        self.requests = []
        self._lock = threading.Lock()
        proxy = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def handle_any(self):
                proxy._serve(self)

            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_any

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *_):  # a client that went away
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    def reset(self):
        with self._lock:
            self.requests = []

    def rounds(self):
        """Length of the longest chain of requests of which each began after the one before had ended."""
        with self._lock:
            done = sorted((r for r in self.requests if r.ended), key=lambda r: r.ended)
        count, last_end = 0, 0.0
        for request in done:
            if request.started >= last_end:
                count, last_end = count + 1, request.ended
        return count

    def bytes_out(self):
        with self._lock:
            return sum(r.bytes_out for r in self.requests)

    def _serve(self, handler):
        request = Request(handler.command, handler.path, handler.headers.get("Range", ""), time.monotonic())
        with self._lock:
            self.requests.append(request)
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        request.bytes_in = len(body)
        request.headers, request.body = handler.headers, body
        time.sleep(self.delay)
        if self.before(request):
            handler.close_connection = True
            return
        answer, data = self._forward(handler, body)
        request.status, request.bytes_out = answer.status, len(data)
        if self.after(request):
            handler.close_connection = True
            return
        self._send(handler, request, answer, data)
        request.ended = time.monotonic()

    def _forward(self, handler, body):
        server = http.client.HTTPConnection(self.upstream, timeout=60)
        try:
            server.putrequest(handler.command, handler.path, skip_host=True, skip_accept_encoding=True)
            for name, value in handler.headers.items():
                if name.lower() not in HOP_HEADERS:
                    server.putheader(name, value)
            server.endheaders(body or None)
            answer = server.getresponse()
            return answer, answer.read()
        finally:
            server.close()

    def _send(self, handler, request, answer, data):
        self._send_head(handler, answer, data)
        handler.wfile.write(data)
        handler.wfile.flush()

    def _send_head(self, handler, answer, data):
        handler.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in HOP_HEADERS:
                handler.send_header(name, value)
        if not answer.getheader("Content-Length") and handler.command != "HEAD" and answer.status not in (204, 304):
            handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
