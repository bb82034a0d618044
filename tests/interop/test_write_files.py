# SPDX-License-Identifier: Apache-2.0
"""Data files written by lancefs, read by pylance: every type, null pattern, size, shape, version and
batching must come back exactly. Needs the build folder in LANCEFS_BUILD."""
import json
import os
import subprocess

import lance
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from lance.file import LanceFileReader

import write_cases

PROBE = os.path.join(os.environ.get("LANCEFS_BUILD", "build"), "tests/engine/format/write_probe")
CASES = write_cases.cases()

# All sizes with LANCEFS_FULL=1: half an hour on two cores.
FULL = os.environ.get("LANCEFS_FULL") == "1"
SIZES = [0, 1, 2, 1000, 5000, 70000] if FULL else [1, 5000]


def probe(table, path, version, batch=0, chunk=None, extra=()):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=chunk)
    command = [PROBE, str(path), "--version", version, "--batch", str(batch), *extra]
    return subprocess.run(command, input=sink.getvalue().to_pybytes(), capture_output=True)


def write(table, path, version, **kw):
    done = probe(table, path, version, **kw)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def base_type(t):
    if pa.types.is_string_view(t):
        return pa.string()
    return pa.binary() if pa.types.is_binary_view(t) else t


def plain(column):
    """One array without dictionaries or views, for exact comparison."""
    if isinstance(column, pa.ChunkedArray) and pa.types.is_dictionary(column.type):
        column = pa.chunked_array([c.dictionary_decode() for c in column.chunks], column.type.value_type)
    column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(column, pa.ChunkedArray):
        column = column.chunk(0) if column.num_chunks else pa.array([], column.type)
    if base_type(column.type) != column.type:
        column = column.cast(base_type(column.type))
    if pa.types.is_dictionary(column.type):
        return column.dictionary_decode()
    return column


def assert_same(got, want):
    got, want = plain(got), plain(want)
    assert len(got) == len(want)
    if got.equals(want):
        return
    a, b = got.to_pylist(), want.to_pylist()
    if repr(a) == repr(b):
        return
    row = next(i for i, (x, y) in enumerate(zip(a, b)) if repr(x) != repr(y))
    raise AssertionError(f"row {row}: got {a[row]!r:.300}, want {b[row]!r:.300}")


def check(table, path, takes=True):
    reader = LanceFileReader(str(path))
    got = reader.read_all(batch_size=1024).to_table()
    got.validate(full=True)
    assert reader.metadata().num_rows == table.num_rows
    for name in table.column_names:
        want_type = base_type(table.schema.field(name).type)
        if not pa.types.is_dictionary(want_type):
            assert got.schema.field(name).type == want_type or got.schema.field(name).type.equals(want_type)
        assert got.schema.field(name).nullable == table.schema.field(name).nullable
        assert_same(got[name], table[name])
    rows = table.num_rows
    if takes and rows > 2:
        rng = np.random.default_rng(3)
        indices = sorted(set([0, rows - 1, rows // 2] + list(rng.integers(0, rows, 20))))
        taken = reader.take_rows([int(i) for i in indices]).to_table()
        for name in table.column_names:
            assert_same(taken[name], plain(table[name]).take(pa.array(indices)))
        begin = rows // 3
        part = reader.read_range(begin, min(100, rows - begin)).to_table()
        for name in table.column_names:
            assert_same(part[name], table[name].slice(begin, 100))


@pytest.mark.parametrize("version", ["2.0", "2.1", "2.2"])
@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_case(case, version, tmp_path):
    if version not in case.versions:
        pytest.skip("not stored in this version")
    for n in SIZES:
        table = case.table(n)
        if table.num_rows < n and n == SIZES[-1] and n > 5000:
            continue
        path = tmp_path / f"{n}.lance"
        written = write(table, path, version)
        assert written["rows"] == table.num_rows
        assert written["bytes"] == os.path.getsize(path)
        if table.num_rows:
            check(table, path)


@pytest.mark.parametrize("version", ["2.0", "2.1", "2.2"])
@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_batchings(case, version, tmp_path):
    """Small slices of one batch, separate small batches, and tiny pages give the same rows."""
    if version not in case.versions:
        pytest.skip("not stored in this version")
    table = case.table(5000)
    for i, kw in enumerate([{"batch": 333}, {"chunk": 700}, {"chunk": 1000, "batch": 77, "extra": ("--page-bytes", "3000")}]):
        path = tmp_path / f"{i}.lance"
        write(table, path, version, **kw)
        check(table, path)


@pytest.mark.parametrize("case", [c for c in CASES if c.refused], ids=lambda c: c.name)
def test_refused(case, tmp_path):
    for version in case.refused:
        done = probe(case.table(100), tmp_path / "x.lance", version)
        assert done.returncode == 1
        assert "column 'c" in done.stderr.decode()
        assert not (tmp_path / "x.lance").exists()


@pytest.mark.parametrize("version", ["2.0", "2.1", "2.2"])
def test_nulls_in_required_columns(version, tmp_path):
    array = pa.array([1, 2, None, 4])
    table = pa.Table.from_arrays([array], schema=pa.schema([pa.field("n", pa.int64(), False)]))
    done = probe(table, tmp_path / "x.lance", version)
    assert done.returncode == 1
    message = done.stderr.decode()
    assert "'n'" in message and "row 2" in message
    nested = pa.StructArray.from_arrays([array], fields=[pa.field("x", pa.int64(), False)])
    done = probe(pa.table({"s": nested}), tmp_path / "x.lance", version)
    assert done.returncode == 1 and "'s.x'" in done.stderr.decode() and "row 2" in done.stderr.decode()


@pytest.mark.parametrize("version", ["2.1", "2.2"])
def test_nulls_hidden_by_parents(version, tmp_path):
    child = pa.array([1, None, 3])
    nested = pa.StructArray.from_arrays([child], fields=[pa.field("x", pa.int64(), False)], mask=pa.array([False, True, False]))
    table = pa.table({"s": nested})
    write(table, tmp_path / "x.lance", version)
    check(table, tmp_path / "x.lance")


@pytest.mark.parametrize("version", ["2.0", "2.1", "2.2"])
def test_different_dictionaries(version, tmp_path):
    """Every batch has its own dictionary; together they outgrow int8."""
    rng = np.random.default_rng(5)
    parts = []
    for i in range(20):
        values = pa.array([f"batch {i} value {k}" for k in range(40)])
        keys = pa.array(rng.integers(0, 40, 500), pa.int8(), mask=rng.random(500) < 0.1)
        parts.append(pa.DictionaryArray.from_arrays(keys, values))
    table = pa.Table.from_batches([pa.record_batch({"d": p}) for p in parts])
    write(table, tmp_path / "x.lance", version)
    got = LanceFileReader(str(tmp_path / "x.lance")).read_all(batch_size=500).to_table()
    rows = [r for chunk in got["d"].chunks for r in chunk.dictionary_decode().to_pylist()]
    assert rows == [r for p in parts for r in p.to_pylist()]


@pytest.mark.parametrize("version", ["2.0", "2.1", "2.2"])
def test_as_dataset(version, tmp_path):
    """The file under a manifest: scan, filter, take, count, validate."""
    names = ["int64-random-some", "string-words-some", "list-int-nulls", "list-string", "float64-random", "bool-random-some",
             "fsl4-float-some", "struct", "dict-string-some", "string-few", "timestamp-random"]
    cases = {c.name: c for c in CASES}
    columns = {name: cases[name].table(70000 if FULL else 7000)["c"] for name in names}
    table = pa.table(columns)
    table = table.append_column("id", pa.array(range(table.num_rows)))
    uri = str(tmp_path / "ds.lance")
    lance.write_dataset(table, uri, data_storage_version=version)
    name = os.listdir(os.path.join(uri, "data"))[0]
    path = os.path.join(uri, "data", name)
    old = lance.dataset(uri).get_fragments()[0].data_files()[0]
    written = write(table, path, version)
    assert written["fields"] == list(old.fields)
    assert written["column_indices"] == list(old.column_indices)
    # Same field ids and columns; only the file's size is new, so it is left open.
    fragment = lance.dataset(uri).get_fragments()[0].metadata.to_json()
    fragment["files"][0]["file_size_bytes"] = None
    from lance.fragment import FragmentMetadata
    operation = lance.LanceOperation.Overwrite(lance.dataset(uri).schema, [FragmentMetadata.from_json(json.dumps(fragment))])
    dataset = lance.LanceDataset.commit(uri, operation)
    dataset.validate()
    got = dataset.to_table()
    for column in table.column_names:
        assert_same(got[column], table[column])
    some = dataset.to_table(filter="id % 1000 = 7", columns=["id", "list-string", "string-words-some"])
    want = table.filter(pc.equal(pc.bit_wise_and(table["id"], 0), 0)).take(pa.array([i for i in range(table.num_rows) if i % 1000 == 7]))
    assert_same(some["list-string"], want["list-string"])
    rows = [5, 77, 6999, 3]
    taken = dataset.take(rows)
    for column in table.column_names:
        assert_same(taken[column], table[column].take(pa.array(rows)))
