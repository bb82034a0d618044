# SPDX-License-Identifier: Apache-2.0
"""A forward proxy for tests: plain requests and CONNECT, with or without a password."""
import base64
import select
import socket
import threading
from urllib.parse import urlsplit


class Proxy:
    """with Proxy("name:word") as proxy: proxy.port; proxy.seen has the first line of each request that came in.

    `places`: {"host:port": "host:port"} leads who asks for the one to the other."""

    def __init__(self, user="", places=None):
        self.user, self.places = user, places or {}
        self.seen = []
        self.refused = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with client:
            head = b""
            while b"\r\n\r\n" not in head:
                piece = client.recv(65536)
                if not piece:
                    return
                head += piece
            line = head.split(b"\r\n", 1)[0].decode()
            if self.user and base64.b64encode(self.user.encode()) not in head:
                self.refused += 1
                client.sendall(b"HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                return
            self.seen.append(line)
            method, target, _ = line.split(" ")
            place = target if method == "CONNECT" else urlsplit(target).netloc
            host, port = self.places.get(place, place).rsplit(":", 1)
            with socket.create_connection((host, int(port))) as server:
                if method == "CONNECT":
                    client.sendall(b"HTTP/1.1 200 Go\r\n\r\n")
                else:  # servers take the absolute form, too
                    server.sendall(head)
                self._relay(client, server)

    @staticmethod
    def _relay(one, other):
        pairs = {one: other, other: one}
        while True:
            for source in select.select(list(pairs), [], [])[0]:
                try:
                    data = source.recv(65536)
                    pairs[source].sendall(data)
                except OSError:
                    return
                if not data:
                    return
