# SPDX-License-Identifier: Apache-2.0
"""A bucket of a Google Cloud Storage server (tests/servers/with_gcs.py), and how pylance and the program reach it."""
import contextlib
import json
import os
import subprocess
import urllib.parse
import urllib.request

import lance
import pytest

from programs import LANCEFS, environment_without
from running import find_program
from with_gcs import gcs_server


class Bucket:
    """with Bucket.serve() as bucket: a server of its own. `options` are pylance's, `environment` is for programs."""

    def __init__(self, variables):
        self.variables = variables
        self.base_url = variables["GCS_BASE_URL"]
        self.options = {"google_base_url": self.base_url, "google_storage_token": variables["GCS_TOKEN"], "allow_http": "true"}
        self.environment = environment_without("GOOGLE_", "GCE_", "AWS_")
        self.environment.update(GOOGLE_BASE_URL=self.base_url, GOOGLE_STORAGE_TOKEN=variables["GCS_TOKEN"], GOOGLE_ALLOW_HTTP="true")

    @staticmethod
    @contextlib.contextmanager
    def serve(**options):
        if os.environ.get("LANCEFS_SKIP_GCS") == "1":
            pytest.skip("LANCEFS_SKIP_GCS=1")
        program = find_program("LANCEFS_GCSEMU", "gcsemu")
        if program is None:
            pytest.fail("no gcsemu: run tests/servers/install_gcsemu.sh or set LANCEFS_SKIP_GCS=1")
        with gcs_server(program, **options) as variables:
            yield Bucket(variables)

    def uri(self, name):
        return f"gs://{self.variables['GCS_BUCKET']}/{name}"

    def write(self, name, table, **options):
        lance.write_dataset(table, self.uri(name), storage_options=self.options, **options)
        return self.uri(name)

    def lancefs(self, *arguments, environment=None):
        done = subprocess.run([LANCEFS, *map(str, arguments)], env=environment or self.environment, capture_output=True, timeout=180)
        assert done.returncode == 0, done.stderr.decode(errors="replace")
        return done.stdout

    def stats(self):
        with urllib.request.urlopen(self.base_url + "/_stats", timeout=10) as answer:
            return json.load(answer)

    def set(self, **values):
        """How the server behaves from now on: life and claim of tokens (seconds), delay of every GET ("60ms")."""
        request = urllib.request.Request(f"{self.base_url}/_set?{urllib.parse.urlencode(values)}", method="POST")
        urllib.request.urlopen(request, timeout=10).close()
