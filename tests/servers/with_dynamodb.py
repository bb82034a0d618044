#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs a command against a DynamoDB Local of its own.

    with_dynamodb.py COMMAND [ARGUMENT...]

Starts it in memory on a free loopback port and runs COMMAND with DYNAMODB_TEST_ENDPOINT in its environment. It checks no
signatures (tests/lib/sigv4.py does, in a proxy). Its jars are in $LANCEFS_DYNAMODB or where tests/servers/install_dynamodb.sh
has put them. Without them the run fails, unless LANCEFS_SKIP_DYNAMODB=1.
"""
import contextlib
import http.client
import os
import pathlib
import sys

from running import DEPS, Folder, run, start, start_on_free_port, stop


def find_jars():
    named = os.environ.get("LANCEFS_DYNAMODB")
    folders = [pathlib.Path(named)] if named else sorted(DEPS.glob("dynamodb-*"))
    return next((folder for folder in folders if list(folder.glob("DynamoDBLocal-*.jar"))), None)


@contextlib.contextmanager
def serve(folder):
    """The endpoint of a running server, whose log is kept in `folder`."""
    jars = find_jars()
    if jars is None:
        raise RuntimeError("no DynamoDB Local: run tests/servers/install_dynamodb.sh, or set LANCEFS_DYNAMODB or LANCEFS_SKIP_DYNAMODB=1")
    log = pathlib.Path(folder) / "dynamodb.log"

    def launch(port):
        # The serial collector and one compiler tier: it starts faster, and nothing here needs more.
        return start(["java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", f"-Djava.library.path={jars}", "-cp", f"{jars}/*",
                      "com.amazonaws.services.dynamodbv2.local.main.ServerRunner", "-inMemory", "-sharedDb", "-disableTelemetry",
                      "-port", str(port)], log)

    def answers(port):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/")
            connection.getresponse()  # HTTP 400: nobody may ask it so
        finally:
            connection.close()

    server, port = start_on_free_port("DynamoDB Local", launch, log, answers)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        stop(server)


def main():
    if not sys.argv[1:]:
        sys.exit(__doc__)
    if os.environ.get("LANCEFS_SKIP_DYNAMODB") == "1":
        print("LANCEFS_SKIP_DYNAMODB=1: not run", file=sys.stderr)
        return 77  # "skipped" to ctest
    try:
        with Folder("dynamodb") as folder, serve(folder) as endpoint:
            return run(sys.argv[1:], {"DYNAMODB_TEST_ENDPOINT": endpoint})
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
