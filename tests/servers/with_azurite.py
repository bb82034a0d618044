#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs a command against an Azurite server (Azure Blob storage) of its own.

    with_azurite.py [--tls] COMMAND [ARGUMENT...]

Starts Azurite on a free loopback port with an empty temporary data directory, waits until it answers, creates the container
"lancefs-test" and runs COMMAND with AZ_ENDPOINT (with the account in its path), AZURITE_BLOB_STORAGE_URL, AZ_ACCOUNT, AZ_KEY,
AZ_CONTAINER, AZ_SAS (a service SAS of the container) and AZ_SAS_EXPIRED in its environment. The server is stopped and its data
removed whatever happens; the exit status is that of COMMAND. With --tls it serves HTTPS with a certificate of its own, which
AZ_CA_FILE names (needs the openssl program), and takes bearer tokens, of which AZ_TOKEN is one and AZ_TOKEN_EXPIRED another.

The server is $LANCEFS_AZURITE, or what tests/servers/install_azurite.sh installed, run by node. Without one the run fails, unless
LANCEFS_SKIP_AZURE=1.
"""
import base64
import contextlib
import datetime
import hashlib
import hmac
import json
import os
import pathlib
import shutil
import sys
import time
import urllib.parse

from running import DEPS, Folder, connect, make_certificate, start, start_on_free_port, stop, wrap

ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
CONTAINER = "lancefs-test"
VERSION = "2023-11-03"


def hmac_base64(text):
    return base64.b64encode(hmac.new(base64.b64decode(KEY), text.encode(), hashlib.sha256).digest()).decode()


def create_container(port, certificates):
    """A signer of its own, so that it shares no mistake with the tested one."""
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%a, %d %b %Y %H:%M:%S GMT")
    text = f"PUT\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:{now}\nx-ms-version:{VERSION}\n/{ACCOUNT}/{ACCOUNT}/{CONTAINER}\nrestype:container"
    headers = {"x-ms-date": now, "x-ms-version": VERSION, "Content-Length": "0", "Authorization": f"SharedKey {ACCOUNT}:{hmac_base64(text)}"}
    with connect(port, certificates) as connection:
        connection.request("PUT", f"/{ACCOUNT}/{CONTAINER}?restype=container", headers=headers)
        return connection.getresponse().status


def make_sas(hours):
    """A service SAS of the container that ends in so many hours."""
    end = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")
    # sp, st, se, resource, si, sip, spr, sv, sr, snapshot, ses, rscc, rscd, rsce, rscl, rsct
    text = "\n".join(["racwdl", "", end, f"/blob/{ACCOUNT}/{CONTAINER}", "", "", "", VERSION, "c", "", "", "", "", "", "", ""])
    return urllib.parse.urlencode({"sp": "racwdl", "se": end, "sv": VERSION, "sr": "c", "sig": hmac_base64(text)})


def make_token(seconds):
    """A token as Microsoft Entra's, as far as Azurite looks at it (not at the signature)."""
    now = int(time.time())
    claims = {"aud": "https://storage.azure.com", "iss": "https://sts.windows.net/00000000-0000-0000-0000-000000000000/",
              "iat": now - 7200, "nbf": now - 7200, "exp": now + seconds}
    parts = [{"alg": "RS256", "typ": "JWT"}, claims]
    text = ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
    return text + ".c2lnbmF0dXJl"


def find_azurite():
    named = os.environ.get("LANCEFS_AZURITE")
    program = pathlib.Path(named) if named else DEPS / "azurite/node_modules/azurite/dist/src/blob/main.js"
    return program if program.is_file() and shutil.which("node") else None


def launch(program, directory, port, log, certificates):
    tls = []
    if certificates:
        tls = ["--oauth", "basic", "--cert", str(certificates / "public.crt"), "--key", str(certificates / "private.key")]
    return start(["node", str(program), "-l", str(directory / "data"), "--blobHost", "127.0.0.1", "--blobPort", str(port),
                  "--disableTelemetry", "--skipApiVersionCheck", "--silent", *tls], log)


def variables(port, certificates):
    origin = f"{'https' if certificates else 'http'}://127.0.0.1:{port}"
    return dict(
        AZ_ENDPOINT=f"{origin}/{ACCOUNT}",
        AZURITE_BLOB_STORAGE_URL=origin,
        AZ_CA_FILE=str(certificates / "public.crt") if certificates else "",
        AZ_ACCOUNT=ACCOUNT,
        AZ_KEY=KEY,
        AZ_CONTAINER=CONTAINER,
        AZ_SAS=make_sas(24),
        AZ_SAS_EXPIRED=make_sas(-1),
        AZ_TOKEN=make_token(86400),
        AZ_TOKEN_EXPIRED=make_token(-3600),
    )


@contextlib.contextmanager
def azurite_server(azurite, tls=False):
    """The variables for a command, while the server runs."""
    with Folder("azurite") as directory:
        (directory / "data").mkdir()
        log = directory / "azurite.log"
        certificates = make_certificate(directory / "certs") if tls else None

        def has_container(port):  # creating it needs all that the tests need
            status = create_container(port, certificates)
            return None if status in (201, 409) else f"HTTP {status}"

        server, port = start_on_free_port(
            "Azurite", lambda port: launch(azurite, directory, port, log, certificates), log, has_container)
        try:
            yield variables(port, certificates)
        finally:
            stop(server)


if __name__ == "__main__":
    sys.exit(wrap(__doc__, "LANCEFS_SKIP_AZURE", find_azurite(),
                  "no Azurite, or no node: run tests/servers/install_azurite.sh, or set LANCEFS_AZURITE", azurite_server))
