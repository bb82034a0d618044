# SPDX-License-Identifier: Apache-2.0
"""A proxy before the S3 server: counts requests, bytes and dependent rounds, delays answers, and interferes at chosen requests."""
import threading
import time
import urllib.parse

from loopback import LoopbackServer, forward, read_body, send


class Request:
    def __init__(self, method, path, range_, started):
        self.method, self.path, self.range, self.started = method, path, range_, started
        self.headers, self.body = {}, b""
        self.ended = None
        self.round = 0
        self.status = None
        self.bytes_in = self.bytes_out = 0

    @property
    def key(self):
        return urllib.parse.unquote(self.path.partition("?")[0])

    def line(self):
        """For messages."""
        return f"{self.method} {self.key.rpartition('/')[2][-8:]} {self.range.removeprefix('bytes=')} {self.bytes_out} @{self.started % 100:.3f}"


class S3Proxy(LoopbackServer):
    """with S3Proxy(endpoint) as proxy: clients use proxy.endpoint. The Host header goes through unchanged, so signatures stay valid.

    `delay` seconds pass before each request goes on. With `lockstep` a request is held until no other came for so many seconds and all that
    went on before are answered: what does not depend on each other goes on together, however busy the machine is. `before(request)` is asked before a request goes to the server and `after(request)`
    before its answer goes to the client; True = the client gets no answer at all."""

    def __init__(self, endpoint, delay=0.0, lockstep=0.0):
        super().__init__()
        self.lockstep = lockstep
        self._gate = threading.Condition()
        self._round, self._going, self._news = 0, 0, 0.0  # guarded by _gate
        self.upstream = urllib.parse.urlsplit(endpoint).netloc
        self.delay = delay
        self.before = self.after = lambda request: False
        self.requests = []
        self._lock = threading.Lock()

    def reset(self):
        with self._lock:
            self.requests = []

    def rounds(self):
        """Length of the longest chain of requests of which each began after the one before had ended; in lockstep how often some went on."""
        with self._lock:
            if self.lockstep:
                return len({r.round for r in self.requests if r.ended})
            done = sorted((r for r in self.requests if r.ended), key=lambda r: r.ended)
        count, last_end = 0, 0.0
        for request in done:
            if request.started >= last_end:
                count, last_end = count + 1, request.ended
        return count

    def bytes_out(self):
        with self._lock:
            return sum(r.bytes_out for r in self.requests)

    def _hold(self, request):
        if not self.lockstep:
            return
        with self._gate:
            self._news, before = time.monotonic(), self._round
            while before == self._round:
                rest = self._news + self.lockstep - time.monotonic()
                if self._going == 0 and rest <= 0:
                    self._round += 1
                    self._gate.notify_all()
                else:
                    self._gate.wait(rest if self._going == 0 else None)
            request.round = before + 1
            self._going += 1

    def _answered(self):
        with self._gate:
            self._going -= 1
            self._news = time.monotonic()  # the client may ask for more now
            self._gate.notify_all()

    def serve(self, handler):
        request = Request(handler.command, handler.path, handler.headers.get("Range", ""), time.monotonic())
        with self._lock:
            self.requests.append(request)
        body = read_body(handler)
        request.bytes_in = len(body)
        request.headers, request.body = handler.headers, body
        self._hold(request)
        try:
            self._go_on(handler, request)
        finally:
            if self.lockstep:
                self._answered()

    def _go_on(self, handler, request):
        time.sleep(self.delay)
        if self.before(request):
            handler.close_connection = True
            return
        answer, data = forward(self.upstream, handler.command, handler.path, handler.headers, request.body)
        request.status, request.bytes_out = answer.status, len(data)
        if self.after(request):
            handler.close_connection = True
            return
        self._send(handler, request, answer, data)
        request.ended = time.monotonic()

    def _send(self, handler, request, answer, data):
        send(handler, answer.status, data, answer.getheaders())
