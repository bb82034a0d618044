#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs a command against a MinIO server of its own.

    with_minio.py [--tls] COMMAND [ARGUMENT...]

Starts MinIO on a free loopback port with an empty temporary data directory, waits until it
answers, creates the bucket "lancefs-test" and runs COMMAND with S3_ENDPOINT, S3_VHOST_ENDPOINT,
S3_BUCKET, S3_ACCESS_KEY, S3_SECRET_KEY and S3_REGION in its environment. The server is stopped
and its data removed whatever happens; the exit status is that of COMMAND. With --tls it serves
HTTPS with a certificate of its own, which S3_CA_FILE names (needs the openssl program).

The server binary is $LANCEFS_MINIO, .deps/bin/minio of the repository (tests/servers/
install_minio.sh) or minio on PATH. Without one the run fails, unless LANCEFS_SKIP_S3=1.
"""
import contextlib
import datetime
import hashlib
import hmac
import os
import secrets
import sys

from running import Folder, connect, find_program, make_certificate, start, start_on_free_port, stop, wrap

ACCESS_KEY = "lancefstestkey"  # letters alone: DynamoDB Local takes no others
SECRET_KEY = "key-" + secrets.token_hex(16)  # nothing else looks like it: tests search what must not show it
REGION = "us-east-1"
BUCKET = "lancefs-test"


def signed_put(port, path, certificates):
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
    with connect(port, certificates) as connection:
        connection.request("PUT", path, headers=headers)
        return connection.getresponse().status


def launch(minio, directory, port, log, certificates):
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
    return start([minio, "server", "--quiet", "--certs-dir", str(certificates or directory / "no-certs"),
                  "--address", f"127.0.0.1:{port}", str(directory / "data")], log, environment)


def variables(port, certificates):
    scheme = "https" if certificates else "http"
    return dict(
        S3_ENDPOINT=f"{scheme}://127.0.0.1:{port}",
        S3_VHOST_ENDPOINT=f"{scheme}://{BUCKET}.localhost:{port}",
        S3_CA_FILE=str(certificates / "public.crt") if certificates else "",
        S3_BUCKET=BUCKET,
        S3_ACCESS_KEY=ACCESS_KEY,
        S3_SECRET_KEY=SECRET_KEY,
        S3_REGION=REGION,
    )


@contextlib.contextmanager
def s3_server(name, launch, tls):
    """The variables for a command, while the server that launch(directory, port, log, certificates) starts runs."""
    with Folder(name) as directory:
        (directory / "data").mkdir()
        log = directory / "server.log"
        certificates = make_certificate(directory / "certs", f"{BUCKET}.localhost") if tls else None

        def has_bucket(port):  # creating it needs all that the tests need
            status = signed_put(port, f"/{BUCKET}", certificates)
            return None if status in (200, 409) else f"HTTP {status}"

        server, port = start_on_free_port(name, lambda port: launch(directory, port, log, certificates), log, has_bucket)
        try:
            yield variables(port, certificates)
        finally:
            stop(server)


def minio_server(minio, tls=False):
    return s3_server("minio", lambda *place: launch(minio, *place), tls)


if __name__ == "__main__":
    sys.exit(wrap(__doc__, "LANCEFS_SKIP_S3", find_program("LANCEFS_MINIO", "minio"),
                  "no MinIO binary: run tests/servers/install_minio.sh, or set LANCEFS_MINIO", minio_server))
