# SPDX-License-Identifier: Apache-2.0
import os
import pathlib
import sys

import pytest

sys.path[:0] = [str(pathlib.Path(__file__).parent / folder) for folder in ("lib", "servers")]


def shared_folder():
    """The corpora and tool lists that the tests may use when they are there."""
    root = pathlib.Path(__file__).resolve().parents[1]
    path = pathlib.Path(os.environ.get("LANCEFS_SHARED", root.parent / "shared"))
    return path if (path / "corpora").is_dir() else None


@pytest.fixture(scope="session")
def shared():
    path = shared_folder()
    if path is None:
        pytest.skip("the shared corpora are not here")
    return path


class Place:
    """Where a test's datasets lie: local disk or the S3 server of with_minio.py."""

    def __init__(self, kind, base):
        self.kind = kind
        self.base = base
        self.storage_options = None
        self.env = {}
        if kind == "s3":
            self.storage_options = {
                "aws_access_key_id": os.environ["S3_ACCESS_KEY"],
                "aws_secret_access_key": os.environ["S3_SECRET_KEY"],
                "aws_region": os.environ["S3_REGION"],
                "aws_endpoint": os.environ["S3_ENDPOINT"],
                "allow_http": "true",
            }
            self.env = {key.upper() if key.startswith("aws") else "AWS_ALLOW_HTTP": value for key, value in self.storage_options.items()}

    def uri(self, name):
        return f"{self.base}/{name}"


@pytest.fixture(scope="module", params=["local", "s3"])
def place(request, tmp_path_factory):
    if request.param == "local":
        return Place("local", tmp_path_factory.mktemp("datasets"))
    if "S3_ENDPOINT" not in os.environ:
        if os.environ.get("LANCEFS_SKIP_S3") == "1":
            pytest.skip("no S3 server")
        pytest.fail("no S3 server; run through tests/servers/with_minio.py or set LANCEFS_SKIP_S3=1")
    return Place("s3", f"s3://{os.environ['S3_BUCKET']}/{request.node.name.replace('.py', '')}-{os.getpid()}")
