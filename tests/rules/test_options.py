# SPDX-License-Identifier: Apache-2.0
"""Every row of docs/configuration.md has a test that sees its effect; those of the mount that no other suite is about are here."""
import json
import os
import pathlib
import re

import lance
import pyarrow as pa
import pytest

from mounts import Mount
from test_rules import ROOT, exists


def table():
    lines = pathlib.Path(__file__).with_name("options.tsv").read_text(encoding="utf-8").splitlines()
    return dict(line.split("\t") for line in lines if not line.startswith("#"))


def documented():
    lines = (ROOT / "docs/configuration.md").read_text(encoding="utf-8").splitlines()
    keys = [re.search(r"`([^`]+)`", line).group(1) for line in lines if line.startswith("| `")]
    return [key for key in keys if "://" not in key and not key.startswith("--")]


def test_every_row_has_its_tests():
    rows = documented()
    assert len(rows) > 60 and len(set(rows)) == len(rows)
    assert set(rows) == set(table())


@pytest.mark.parametrize("key,tests", table().items())
def test_row(key, tests):
    assert tests and not [test for test in tests.split(" ") if not exists(test)], key


@pytest.fixture(scope="module")
def uri(tmp_path_factory):
    path = tmp_path_factory.mktemp("options") / "t.lance"
    lance.write_dataset(pa.table({"id": pa.array(range(3_000_000), pa.int64())}), str(path))
    return path


def test_large(uri):
    """Unfiltered results of more stored bytes stream: the file that was opened has no exact size yet."""
    for option, exact in (("large=1", False), ("large=1GiB", True)):
        with Mount(uri, option, "open-budget=20s") as mount, open(mount.path / "rows.jsonl", "rb") as file:
            first = file.read(100)
            assert first.startswith(b'{"id":0}')
            size = os.stat(mount.path / "rows.jsonl").st_size
            assert (size % 4096 != 0) == exact, size


def test_what_the_kernel_is_told(uri):
    def told(*options):
        with Mount(uri, *options) as mount, open("/proc/self/mountinfo", encoding="utf-8") as lines:
            return next(line for line in lines if str(mount.path) in line)

    assert "default_permissions" in told() and "allow_other" not in told()
    line = told("allow-other", "default_permissions=off")
    assert "allow_other" in line and "default_permissions" not in line


def test_where_state_and_log_go(uri, tmp_path):
    with Mount(uri, f"log-file={tmp_path}/log", "log-level=info", state=tmp_path / "state") as mount:
        (mount.path / "append/x.jsonl").write_text('{"id": 1}\n')
        config = json.loads((mount.path / "status/config.json").read_text())
        assert config["state-dir"] == str(tmp_path / "state")
    assert [path for path in (tmp_path / "state").rglob("*") if path.is_dir() and path.name == "spool"]
    assert "event=mounted" in (tmp_path / "log").read_text()
    assert "event=mounted" not in mount.last_log.decode()


def test_debug(uri):
    for option, traced in (("debug=on", True), ("debug=off", False)):
        with Mount(uri, option) as mount:
            (mount.path / "count").read_text()
        assert (b"LOOKUP" in mount.last_log) == traced
