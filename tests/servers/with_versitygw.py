#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs a command against a versitygw server of its own: S3 over a folder, by other people than MinIO's.

    with_versitygw.py [--tls] COMMAND [ARGUMENT...]

The environment of COMMAND is that of with_minio.py. The server binary is $LANCEFS_VERSITYGW, .deps/bin/versitygw of the repository
(tests/servers/install_versitygw.sh) or versitygw on PATH. Without one nothing is run (status 77): the suite passes with one server,
and a second one is minutes of building.
"""
import sys

from running import find_program, start, wrap
from with_minio import ACCESS_KEY, REGION, SECRET_KEY, s3_server


def launch(versitygw, directory, port, log, certificates):
    command = [versitygw, "--quiet", "--keep-alive", "--port", f"127.0.0.1:{port}", "--region", REGION, "--access", ACCESS_KEY, "--secret", SECRET_KEY,
               "--virtual-domain", f"localhost:{port}"]
    if certificates:
        command += ["--cert", str(certificates / "public.crt"), "--key", str(certificates / "private.key")]
    return start([*command, "posix", str(directory / "data")], log)


def versitygw_server(versitygw, tls=False):
    return s3_server("versitygw", lambda *place: launch(versitygw, *place), tls)


if __name__ == "__main__":
    program = find_program("LANCEFS_VERSITYGW", "versitygw")
    if program is None:
        print("no versitygw binary: tests/servers/install_versitygw.sh makes one", file=sys.stderr)
        sys.exit(77)
    sys.exit(wrap(__doc__, "LANCEFS_SKIP_S3", program, "", versitygw_server))
