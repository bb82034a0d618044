# SPDX-License-Identifier: Apache-2.0
"""An HTTP proxy on loopback that a client takes for its store, and that counts what passes.

    counting_proxy.py HOST:PORT

Requests go to HOST:PORT unchanged, Host and path included, so signatures hold. The first line on
stdout is the proxy's port. Commands come on stdin, one a line, each answered by one line of JSON:
    reset MILLISECONDS   forget all requests; delay each further one by that much
    log                  the finished requests: method, path, range, condition, status, start, end,
                         bytes of the bodies in both directions, connection
It ends when stdin does.
"""
import asyncio
import json
import sys
import time

PIECE = 1 << 18


class Log:
    def __init__(self):
        self.requests, self.delay, self.connections = [], 0.0, 0


class Head:
    """The first line and the headers of a message."""

    def __init__(self, raw):
        self.raw = raw
        lines = raw.decode("latin-1").split("\r\n")
        self.first = lines[0]
        self.headers = {}
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if colon:
                self.headers[name.strip().lower()] = value.strip()

    def chunked(self):
        return "chunked" in self.headers.get("transfer-encoding", "").lower()

    def closes(self):
        return self.headers.get("connection", "").lower() == "close" or self.first.startswith("HTTP/1.0")


async def read_head(reader):
    try:
        return Head(await reader.readuntil(b"\r\n\r\n"))
    except asyncio.IncompleteReadError as error:
        if not error.partial:
            return None
        raise


async def pass_length(reader, writer, length):
    done = 0
    while done < length:
        piece = await reader.read(min(PIECE, length - done))
        if not piece:
            raise ConnectionError("the body ended early")
        writer.write(piece)
        await writer.drain()
        done += len(piece)
    return done


async def pass_chunks(reader, writer):
    done = 0
    while True:
        line = await reader.readuntil(b"\r\n")
        writer.write(line)
        size = int(line.split(b";")[0], 16)
        if size == 0:
            break
        done += await pass_length(reader, writer, size)
        writer.write(await reader.readexactly(2))
    while True:  # trailers, and the empty line
        line = await reader.readuntil(b"\r\n")
        writer.write(line)
        if line == b"\r\n":
            break
    await writer.drain()
    return done


async def pass_request_body(head, reader, writer):
    if head.chunked():
        return await pass_chunks(reader, writer)
    return await pass_length(reader, writer, int(head.headers.get("content-length", "0")))


async def pass_response(method, reader, writer):
    """(status, bytes of the body, whether the connection ends)"""
    while True:
        head = await read_head(reader)
        if head is None:
            raise ConnectionError("no response")
        status = int(head.first.split()[1])
        writer.write(head.raw)
        if status >= 200:
            break
        await writer.drain()  # 100 Continue
    done = 0
    if method != "HEAD" and status not in (204, 304):
        if head.chunked():
            done = await pass_chunks(reader, writer)
        elif "content-length" in head.headers:
            done = await pass_length(reader, writer, int(head.headers["content-length"]))
        else:
            while piece := await reader.read(PIECE):
                writer.write(piece)
                done += len(piece)
            head.headers["connection"] = "close"
    await writer.drain()
    return status, done, head.closes()


async def one_request(log, head, number, client, server):
    method, path, _ = head.first.split(" ", 2)
    entry = {"method": method, "path": path, "range": head.headers.get("range"), "connection": number,
             "condition": "if-none-match" in head.headers or "if-match" in head.headers, "start": time.monotonic()}
    requests = log.requests  # a reset must not receive what was asked before it
    if log.delay:
        await asyncio.sleep(log.delay)
    server[1].write(head.raw)
    body = asyncio.create_task(pass_request_body(head, client[0], server[1]))
    status, received, closes = await pass_response(method, server[0], client[1])
    if not body.done() and status >= 300:  # answered without reading the body
        body.cancel()
        closes = True
        sent = 0
    else:
        sent = await body
    entry.update(status=status, sent=sent, received=received, end=time.monotonic())
    requests.append(entry)
    return not (closes or head.closes())


async def serve(log, target, reader, writer):
    log.connections += 1
    number = log.connections
    server = None
    try:
        server = await asyncio.open_connection(*target, limit=1 << 20)
        while head := await read_head(reader):
            if not await one_request(log, head, number, (reader, writer), server):
                break
    except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        pass  # either end went away; the client sees a closed connection
    finally:
        for end in (writer, server[1] if server else None):
            if end:
                end.close()


async def main():
    host, _, port = sys.argv[1].rpartition(":")
    log = Log()
    listener = await asyncio.start_server(lambda r, w: serve(log, (host, int(port)), r, w), "127.0.0.1", 0, limit=1 << 20, backlog=1024)
    print(listener.sockets[0].getsockname()[1], flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        command, *arguments = line.split()
        if command == "reset":
            log.requests, log.delay = [], float(arguments[0]) / 1000
            print("{}", flush=True)
        else:
            print(json.dumps(log.requests), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
