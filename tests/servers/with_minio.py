#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs a command against a MinIO server of its own.

    with_minio.py COMMAND [ARGUMENT...]

Starts MinIO on a free loopback port with an empty temporary data directory, waits until it
answers, creates the bucket "lancefs-test" and runs COMMAND with S3_ENDPOINT, S3_VHOST_ENDPOINT,
S3_BUCKET, S3_ACCESS_KEY, S3_SECRET_KEY and S3_REGION in its environment. The server is stopped
and its data removed whatever happens; the exit status is that of COMMAND.

The server binary is $LANCEFS_MINIO, .deps/bin/minio of the repository (tests/servers/
install_minio.sh) or minio on PATH. Without one the run fails, unless LANCEFS_SKIP_S3=1.
"""
import ctypes
import datetime
import hashlib
import hmac
import http.client
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ACCESS_KEY = "lancefs-test-key"
SECRET_KEY = "lancefs-test-secret"
REGION = "us-east-1"
BUCKET = "lancefs-test"


def find_minio():
    root = pathlib.Path(__file__).resolve().parents[2]
    named = os.environ.get("LANCEFS_MINIO")
    if named:
        return named if os.access(named, os.X_OK) else None
    deps = pathlib.Path(os.environ.get("LANCEFS_DEPS", root / ".deps"))
    if os.access(deps / "bin" / "minio", os.X_OK):
        return str(deps / "bin" / "minio")
    return shutil.which("minio")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def signed_put(port, path):
    """PUT without a body; a signer of its own, so that it shares no mistake with the tested one."""
    host = f"127.0.0.1:{port}"
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    empty = hashlib.sha256(b"").hexdigest()
    names = "host;x-amz-content-sha256;x-amz-date"
    canonical = f"PUT\n{path}\n\nhost:{host}\nx-amz-content-sha256:{empty}\nx-amz-date:{now}\n\n{names}\n{empty}"
    scope = f"{now[:8]}/{REGION}/s3/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = ("AWS4" + SECRET_KEY).encode()
    for part in (now[:8], REGION, "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    headers = {
        "x-amz-date": now,
        "x-amz-content-sha256": empty,
        "Authorization": f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/{scope}, SignedHeaders={names}, Signature={signature}",
    }
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("PUT", path, headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()


def wait_for_bucket(server, port, log):
    """Creating the bucket is the readiness check: it needs all that the tests need."""
    end = time.monotonic() + 60
    reason = "no answer"
    while time.monotonic() < end:
        if server.poll() is not None:
            raise RuntimeError(f"MinIO ended with status {server.returncode}:\n{log.read_text()[-2000:]}")
        try:
            status = signed_put(port, f"/{BUCKET}")
            if status in (200, 409):
                return
            reason = f"HTTP {status}"
        except OSError as error:
            reason = str(error)
        time.sleep(0.05)
    raise RuntimeError(f"MinIO was not ready in 60 s ({reason}):\n{log.read_text()[-2000:]}")


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG: also when this script is killed


def start(minio, directory, port, log):
    environment = dict(
        os.environ,
        MINIO_ROOT_USER=ACCESS_KEY,
        MINIO_ROOT_PASSWORD=SECRET_KEY,
        MINIO_BROWSER="off",
        MINIO_UPDATE="off",
        MINIO_DOMAIN="localhost",
        MINIO_SITE_REGION=REGION,
        MINIO_API_ODIRECT="off",
        HOME=str(directory),
    )
    with open(log, "wb") as out:
        return subprocess.Popen(
            [minio, "server", "--quiet", "--address", f"127.0.0.1:{port}", str(directory / "data")],
            env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
            preexec_fn=die_with_parent)


def stop(server):
    if server is None or server.poll() is not None:
        return
    server.terminate()
    try:
        server.wait(10)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def run(command, port):
    environment = dict(
        os.environ,
        S3_ENDPOINT=f"http://127.0.0.1:{port}",
        S3_VHOST_ENDPOINT=f"http://{BUCKET}.localhost:{port}",
        S3_BUCKET=BUCKET,
        S3_ACCESS_KEY=ACCESS_KEY,
        S3_SECRET_KEY=SECRET_KEY,
        S3_REGION=REGION,
    )
    child = subprocess.Popen(command, env=environment)
    try:
        status = child.wait()
    except BaseException:
        child.kill()
        child.wait()
        raise
    return status if status >= 0 else 128 - status


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    if os.environ.get("LANCEFS_SKIP_S3") == "1":
        print("LANCEFS_SKIP_S3=1: not run", file=sys.stderr)
        return 77  # "skipped" to ctest
    minio = find_minio()
    if minio is None:
        print("no MinIO binary: run tests/servers/install_minio.sh, or set LANCEFS_MINIO or LANCEFS_SKIP_S3=1", file=sys.stderr)
        return 1
    # SIGTERM unwinds like Ctrl-C, so that the server never outlives the test.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    directory = pathlib.Path(tempfile.mkdtemp(prefix="lancefs-minio-"))
    (directory / "data").mkdir()
    log = directory / "minio.log"
    server = None
    try:
        for attempt in range(3):  # another process may take the port first
            port = free_port()
            server = start(minio, directory, port, log)
            try:
                wait_for_bucket(server, port, log)
                break
            except RuntimeError:
                stop(server)
                if attempt == 2:
                    raise
        return run(sys.argv[1:], port)
    finally:
        stop(server)
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
