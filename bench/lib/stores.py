# SPDX-License-Identifier: Apache-2.0
"""A MinIO of our own with the counting proxy before it, and sums over what the proxy saw."""
import collections
import contextlib
import json
import subprocess
import sys

from harness import BENCH, ROOT, Failure


class Proxy:
    def __init__(self, process, port):
        self.process, self.port = process, port

    def command(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def reset(self, delay_ms=0):
        self.command(f"reset {delay_ms}")

    def log(self):
        # Whether a store's conditional PUT can be trusted is asked once an endpoint, and not part of any operation.
        return [r for r in self.command("log") if "%23probe-" not in r["path"] and "#probe-" not in r["path"]]


@contextlib.contextmanager
def minio_behind_proxy(python):
    """Gives (environment for clients behind the proxy, the same without it, bucket, proxy)."""
    tell = "import json, os, sys; print(json.dumps({k: v for k, v in os.environ.items() if k.startswith('S3_')}), flush=True); sys.stdin.read()"
    server = subprocess.Popen([sys.executable, ROOT / "tests/servers/with_minio.py", sys.executable, "-c", tell], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True)
    line = server.stdout.readline()
    if not line:
        server.wait()
        raise Failure("MinIO did not start (tests/servers/install_minio.sh fetches it; LANCEFS_MINIO names one)")
    told = json.loads(line)
    proxy = subprocess.Popen([sys.executable, BENCH / "lib/counting_proxy.py", told["S3_ENDPOINT"].split("//")[1]], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, text=True)
    try:
        port = int(proxy.stdout.readline())
        environment = {"AWS_ACCESS_KEY_ID": told["S3_ACCESS_KEY"], "AWS_SECRET_ACCESS_KEY": told["S3_SECRET_KEY"], "AWS_REGION": told["S3_REGION"],
                       "AWS_ENDPOINT": f"http://127.0.0.1:{port}", "AWS_ALLOW_HTTP": "true"}
        yield environment, {**environment, "AWS_ENDPOINT": told["S3_ENDPOINT"]}, told["S3_BUCKET"], Proxy(proxy, port)
    finally:
        for process in (proxy, server):
            process.stdin.close()
            process.wait(60)


def kind(request):
    if request["method"] == "GET":
        if "list-type" in request["path"]:
            return "LIST"
        return "GETr" if request["range"] else "GET"
    if request["method"] == "PUT" and request["condition"]:
        return "PUTc"
    return request["method"]


def kinds(log):
    return " ".join(f"{name} {count}" for name, count in sorted(collections.Counter(map(kind, log)).items()))


def rounds(log):
    """The longest chain of requests of which each began after the previous one had ended."""
    end, count = float("-inf"), 0
    for request in sorted(log, key=lambda r: r["end"]):
        if request["start"] >= end:
            end, count = request["end"], count + 1
    return count
