#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs a command against a Google Cloud Storage server of its own (tests/servers/gcsemu).

    with_gcs.py [--tls] COMMAND [ARGUMENT...]

Starts it on free loopback ports with an empty bucket and runs COMMAND with these in its environment: GCS_BASE_URL, GCS_BUCKET,
GCS_TOKEN (a token that is always accepted), GCS_SERVICE_ACCOUNT and GCS_EXTERNAL_ACCOUNT (credentials files), GCS_METADATA_HOST.
The server is stopped whatever happens; the exit status is that of COMMAND. With --tls it serves HTTPS (HTTP/1.1 and 2) with a
certificate of its own, which GCS_CA_FILE names.

The server binary is $LANCEFS_GCSEMU, .deps/bin/gcsemu of the repository (tests/servers/install_gcsemu.sh) or gcsemu on PATH.
Without one the run fails, unless LANCEFS_SKIP_GCS=1.
"""
import contextlib
import json
import secrets
import sys

from running import Folder, connect, find_program, free_port, make_certificate, make_rsa_key, start, start_on_free_port, stop, wrap

BUCKET = "lancefs-test"
TOKEN = "token-" + secrets.token_hex(16)  # nothing else looks like it: tests search what must not show it


def write_service_account(folder, base_url):
    account = {"type": "service_account", "project_id": "lancefs", "private_key_id": "lancefs-key", "private_key": make_rsa_key(),
               "client_email": "lancefs@lancefs.iam.gserviceaccount.com", "gcs_base_url": base_url}
    path = folder / "service-account.json"
    path.write_text(json.dumps(account))
    return path


def write_external_account(folder, base_url):
    (folder / "subject-token").write_text("subject-ok\n")
    account = {"type": "external_account", "audience": "//iam.googleapis.com/projects/1/providers/lancefs",
               "subject_token_type": "urn:ietf:params:oauth:token-type:jwt", "token_url": base_url + "/sts",
               "credential_source": {"file": str(folder / "subject-token")}}
    path = folder / "external-account.json"
    path.write_text(json.dumps(account))
    return path


@contextlib.contextmanager
def gcs_server(program, tls=False):
    """The variables for a command, while the server runs."""
    with Folder("gcs") as folder:
        log = folder / "gcsemu.log"
        certificates = make_certificate(folder / "certs") if tls else None
        scheme = "https" if tls else "http"
        metadata = 0
        account = write_service_account(folder, "")

        def launch(port):
            nonlocal metadata
            metadata = free_port()
            more = ["-cert", str(certificates / "public.crt"), "-key", str(certificates / "private.key")] if tls else []
            return start([program, "-addr", f"127.0.0.1:{port}", "-metadata-addr", f"127.0.0.1:{metadata}", "-token", TOKEN,
                          "-sa-key", str(account), "-buckets", BUCKET, *more], log)

        def is_ready(port):
            with connect(port, certificates) as connection:
                connection.request("GET", "/_health")
                status = connection.getresponse().status
                return None if status == 200 else f"HTTP {status}"

        server, port = start_on_free_port("gcsemu", launch, log, is_ready)
        try:
            base_url = f"{scheme}://127.0.0.1:{port}"
            service_account = json.loads(account.read_text())
            account.write_text(json.dumps({**service_account, "gcs_base_url": base_url}))
            yield dict(GCS_BASE_URL=base_url, GCS_BUCKET=BUCKET, GCS_TOKEN=TOKEN, GCS_SERVICE_ACCOUNT=str(account),
                       GCS_EXTERNAL_ACCOUNT=str(write_external_account(folder, base_url)),
                       GCS_METADATA_HOST=f"127.0.0.1:{metadata}", GCS_CA_FILE=str(certificates / "public.crt") if tls else "")
        finally:
            stop(server)


if __name__ == "__main__":
    sys.exit(wrap(__doc__, "LANCEFS_SKIP_GCS", find_program("LANCEFS_GCSEMU", "gcsemu"),
                  "no gcsemu binary: run tests/servers/install_gcsemu.sh, or set LANCEFS_GCSEMU", gcs_server))
