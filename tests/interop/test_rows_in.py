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


def sample():
    import datetime
    return pa.table({
        "id": pa.array([1, 2, 9007199254740993], pa.int64()),
        "name": pa.array(["a", None, 'q"u,o\nte ü'], pa.utf8()),
        "price": pa.array([1.5, None, -0.1], pa.float64()),
        "ok": pa.array([True, False, None], pa.bool_()),
        "day": pa.array([datetime.date(2020, 2, 29), None, datetime.date(1969, 12, 31)], pa.date32()),
    })


def write_csv_pandas(t, path): t.to_pandas(types_mapper={pa.int64(): __import__("pandas").Int64Dtype()}.get).to_csv(path, index=False)
def write_csv_pyarrow(t, path): pcsv.write_csv(t, path)
def write_csv_polars(t, path): __import__("polars").from_arrow(t).write_csv(path)
def write_jsonl_polars(t, path): __import__("polars").from_arrow(t).write_ndjson(path)
def write_arrow_polars(t, path): __import__("polars").from_arrow(t).write_ipc(path)
def write_arrows_polars(t, path): __import__("polars").from_arrow(t).write_ipc_stream(path)
def write_parquet_polars(t, path): __import__("polars").from_arrow(t).write_parquet(path)
def write_feather_pyarrow(t, path): pyarrow.feather.write_feather(t, str(path), compression="lz4")
def write_parquet_pandas(t, path): t.to_pandas().to_parquet(path)


def duckdb_copy(t, path, options):
    duckdb = pytest.importorskip("duckdb")
    con = duckdb.connect()
    con.register("t", t)
    con.execute(f"COPY t TO '{path}' ({options})")


def write_csv_duckdb(t, path): duckdb_copy(t, path, "FORMAT csv, HEADER")
def write_tsv_duckdb(t, path): duckdb_copy(t, path, "FORMAT csv, HEADER, DELIMITER '\t'")
def write_ndjson_duckdb(t, path): duckdb_copy(t, path, "FORMAT json")
def write_json_duckdb(t, path): duckdb_copy(t, path, "FORMAT json, ARRAY true")
def write_parquet_duckdb(t, path): duckdb_copy(t, path, "FORMAT parquet, COMPRESSION zstd")


WRITERS = [f for name, f in sorted(globals().items()) if name.startswith("write_")]


@pytest.mark.parametrize("writer", WRITERS, ids=lambda f: f.__name__)
def test_files_of_common_tools(writer, tmp_path):
    _, suffix, tool = writer.__name__.split("_")
    if tool != "pyarrow":
        pytest.importorskip(tool)
    table = sample()
    path = tmp_path / f"rows.{suffix}"
    writer(table, path)
    got = read(tmp_path, table.schema, path)
    assert not isinstance(got, str), got
    assert got.to_pylist() == table.to_pylist()


@pytest.mark.parametrize("writer", [write_csv_pyarrow, write_csv_polars, write_csv_duckdb], ids=lambda f: f.__name__)
def test_inferred_schema(writer, tmp_path):
    table = sample()
    writer(table, tmp_path / "rows.csv")
    got = read(tmp_path, None, tmp_path / "rows.csv")
    assert not isinstance(got, str), got
    assert [str(t) for t in got.schema.types] == ["int64", "string", "double", "bool", "string"]
    assert got.drop_columns(["day"]).to_pylist() == table.drop_columns(["day"]).to_pylist()
