# SPDX-License-Identifier: Apache-2.0
"""A proxy before the S3 server through which requests fare as badly as networks and stores can make them, repeatably."""
import random
import threading
import time

from loopback import read_body, send, send_head
from s3_proxy import S3Proxy

FAULTS = ["delay", "reset_before", "lost_reply", "status_500", "status_503", "status_429", "truncated", "wrong_length", "trickle", "stale_listing"]


class FaultProxy(S3Proxy):
    """Every request has the fault of the next draw with probability `share`; `faults` are those to draw from. A burst of a status goes on
    for the next requests. `done` counts what was done to whom."""

    def __init__(self, endpoint, faults, share=0.2, seed=1, burst=4):
        super().__init__(endpoint)
        self.faults, self.share, self.burst = list(faults), share, burst
        self.done = dict.fromkeys(FAULTS, 0)
        self._random = random.Random(seed)
        self._draws = threading.Lock()
        self._burst = (None, 0)
        self._listings = {}

    def _draw(self):
        with self._draws:
            status, left = self._burst
            if left > 0:
                self._burst = (status, left - 1)
                self.done[status] += 1
                return status, 0.5
            if self._random.random() >= self.share:
                return None, 0.0
            fault, where = self._random.choice(self.faults), self._random.random()
            if fault.startswith("status_"):
                self._burst = (fault, self._random.randrange(self.burst))
                self.done[fault] += 1
            return fault, where

    def serve(self, handler):
        fault, where = self._draw()
        handler.fault = (fault, where)
        if fault == "reset_before":
            self.done[fault] += 1
            handler.close_connection = True
            return
        if fault is not None and fault.startswith("status_"):
            self._refuse(handler, int(fault.removeprefix("status_")))
            return
        if fault == "delay":
            self.done[fault] += 1
            time.sleep(0.4 * where)
        super().serve(handler)

    def _refuse(self, handler, status):
        read_body(handler)
        code = {500: "InternalError", 503: "SlowDown", 429: "TooManyRequests"}[status]
        send(handler, status, f"<Error><Code>{code}</Code><Message>by the test</Message></Error>".encode())

    def _send(self, handler, request, answer, data):
        fault, where = handler.fault
        is_listing = "list-type=2" in handler.path
        if is_listing:
            before = self._listings.get(handler.path)
            self._listings[handler.path] = data
            if fault == "stale_listing" and before is not None and len(before) <= len(data):
                self.done[fault] += 1
                send(handler, answer.status, before, [("Content-Type", "application/xml")])
                return
        body_of_read = handler.command == "GET" and len(data) > 1 and answer.status in (200, 206)
        if fault == "lost_reply":
            self.done[fault] += 1
            handler.close_connection = True
        elif fault == "truncated" and body_of_read:
            self.done[fault] += 1
            send_head(handler, answer.status, len(data), answer.getheaders())
            handler.wfile.write(data[:int(len(data) * where)])
            handler.wfile.flush()
            handler.close_connection = True
        elif fault == "wrong_length" and body_of_read and answer.status == 206:
            self.done[fault] += 1
            cut = data[:int(len(data) * where)]
            kept = ("etag", "last-modified", "content-range")
            send(handler, answer.status, cut, [(name, value) for name, value in answer.getheaders() if name.lower() in kept])
        elif fault == "trickle" and body_of_read:
            self.done[fault] += 1
            send_head(handler, answer.status, len(data), answer.getheaders())
            step = max(1, len(data) // 20)
            for at in range(0, len(data), step):
                handler.wfile.write(data[at:at + step])
                handler.wfile.flush()
                time.sleep(0.02)
        else:
            super()._send(handler, request, answer, data)
