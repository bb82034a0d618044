# SPDX-License-Identifier: Apache-2.0
"""Rows in: every append case of the shared corpus, and files that common tools write."""
import hashlib
import json
import os
import pathlib
import subprocess
import sys

import pytest

pa = pytest.importorskip("pyarrow")
import pyarrow.csv as pcsv
import pyarrow.feather
import pyarrow.ipc as ipc
import pyarrow.parquet as pq

REPO = pathlib.Path(__file__).resolve().parents[2]
PROBE = pathlib.Path(os.environ.get("LANCEFS_BUILD", REPO / "build")) / "tests/engine/rows_in/rows_in_probe"
SHARED = next((p for p in (pathlib.Path(os.environ.get("LANCEFS_SHARED", "/nonexistent")), REPO.parent / "shared",
                           REPO.parent.parent / "shared") if (p / "corpora/open").is_dir()), None)
CORPUS = SHARED / "corpora/open" if SHARED else None

pytestmark = pytest.mark.skipif(not PROBE.exists(), reason="rows_in_probe is not built")


def read(tmp_path, schema, source, *options):
    """The table that the reader makes of `source`, or the text of its refusal."""
    target, out = tmp_path / "schema.arrows", tmp_path / "out.arrow"
    if schema is not None:
        with ipc.new_stream(str(target), schema):
            pass
    out.unlink(missing_ok=True)
    run = subprocess.run([str(PROBE), *options, str(target) if schema is not None else "-", str(source), str(out)],
                         capture_output=True, text=True)
    if run.returncode == 1:
        return run.stderr.strip()
    assert run.returncode == 0, run.stderr
    return ipc.open_file(str(out)).read_all()


def append_cases():
    if CORPUS is None:
        return []
    return json.loads((CORPUS / "expected/append_cases.json").read_text())["cases"]


def canonical(table):
    sys.path.insert(0, str(SHARED / "corpora/tools"))
    import fixlib
    return fixlib.jsonl(table)


@pytest.mark.parametrize("batch_bytes", [0, 16, 300])
@pytest.mark.parametrize("case", append_cases(), ids=lambda c: c["id"])
def test_append_case(case, batch_bytes, tmp_path):
    lance = pytest.importorskip("lance")
    schema = lance.dataset(str(CORPUS / "datasets" / case["base"])).schema
    got = read(tmp_path, schema, CORPUS / case["file"], *([f"--batch-bytes={batch_bytes}"] if batch_bytes else []))
    refused = isinstance(got, str)
    if case["expect"] == "refuse":
        assert refused, got
        return
    if case["expect"] == "noop":
        assert refused or got.num_rows == 0
        return
    if case["expect"] == "either" and refused:
        return
    assert not refused, got
    assert got.schema.equals(schema)
    lines = canonical(got)
    if "rows_sha256" in case:
        assert hashlib.sha256("".join(x + "\n" for x in lines).encode()).hexdigest() == case["rows_sha256"]
    else:
        assert lines in (case["rows_any"] if "rows_any" in case else [case["rows"]])
