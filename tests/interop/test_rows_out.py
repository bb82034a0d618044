# SPDX-License-Identifier: Apache-2.0
"""What we write, read by others: every type and edge as JSON Lines, JSON, CSV, TSV, Arrow and Parquet."""
import json
import subprocess

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import rows_cases

CASES = rows_cases.columns()


def write_ipc(path, table, rows_per_batch=None):
    with pa.ipc.new_file(path, table.schema, options=pa.ipc.IpcWriteOptions(unify_dictionaries=True)) as writer:
        writer.write_table(table, max_chunksize=rows_per_batch)


@pytest.fixture(scope="session")
def rows(build_dir, tmp_path_factory):
    """rows(format, table) -> the bytes that we write."""
    probe = build_dir / "tests/engine/rows/rows_probe"
    if not probe.exists():
        pytest.skip(f"{probe} is not built")
    folder = tmp_path_factory.mktemp("rows")

    def run(fmt, table, rows_per_batch=None, fails=False):
        path = folder / "in.arrow"
        write_ipc(path, table, rows_per_batch)
        done = subprocess.run([probe, fmt, path], capture_output=True)
        if fails:
            assert done.returncode == 1
            return done.stderr.decode()
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    return run


def lines(data):
    return data.decode("utf-8").split("\n")[:-1]


@pytest.mark.parametrize("name", CASES)
def test_jsonl(rows, name):
    table = rows_cases.table_of(name, CASES[name])
    assert lines(rows("jsonl", table)) == rows_cases.jsonl(table)


@pytest.mark.parametrize("name", CASES)
def test_json(rows, name):
    table = rows_cases.table_of(name, CASES[name])
    text = rows("json", table, rows_per_batch=2).decode()
    assert text == "[\n" + ",\n".join(rows_cases.jsonl(table)) + "\n]\n"
    assert len(json.loads(text)) == table.num_rows


def test_json_of_no_rows(rows):
    assert rows("json", pa.table({"a": pa.array([], pa.int32())})) == b"[]\n"


@pytest.mark.parametrize("fmt,separator", [("csv", ","), ("tsv", "\t")])
@pytest.mark.parametrize("name", CASES)
def test_csv(rows, name, fmt, separator):
    table = rows_cases.table_of(name, CASES[name])
    assert rows(fmt, table).decode() == rows_cases.csv(table, separator)


@pytest.mark.parametrize("fmt", ["arrow", "arrows"])
@pytest.mark.parametrize("name", CASES)
def test_arrow(rows, name, fmt):
    table = rows_cases.table_of(name, CASES[name])
    data = rows(fmt, table, rows_per_batch=3)
    got = (pa.ipc.open_file if fmt == "arrow" else pa.ipc.open_stream)(data).read_all()
    assert got.schema.equals(table.schema, check_metadata=True)
    assert rows_cases.jsonl(got) == rows_cases.jsonl(table)


# What Parquet cannot hold comes back as the nearest type that it can (docs/formats.md).
PARQUET_TYPES = {
    "decimal128_neg": pa.decimal128(7, 0),
    "date64": pa.date32(),
    "time32s": pa.time32("ms"),
    "timestamp_s": pa.timestamp("ms"),
    "timestamp_s_tz": pa.timestamp("ms", "Europe/Berlin"),
    "fixed_list0": pa.list_(pa.int8()),
    "dict_date": pa.date32(),
    "ree": pa.string(),
}


def without_fraction(lines):
    return [line.replace('.000"', '"').replace('.000Z"', 'Z"') for line in lines]


@pytest.mark.parametrize("name", CASES)
def test_parquet(rows, name):
    table = rows_cases.table_of(name, CASES[name])
    if name.startswith("timestamp_s"):
        assert f"column '{name}'" in rows("parquet", table, fails=True)  # beyond what milliseconds hold
        table = table.filter(pa.array([i % 2 == 1 or i < 8 for i in range(table.num_rows)]))
    got = pq.read_table(pa.BufferReader(rows("parquet", table, rows_per_batch=3)))
    want = rows_cases.jsonl(table)
    assert (without_fraction(rows_cases.jsonl(got)) if name in ("time32s", "timestamp_s", "timestamp_s_tz") else rows_cases.jsonl(got)) == want
    # Names inside maps are Parquet's own.
    if not pa.types.is_map(table.schema[0].type) and name != "deep":
        assert got.schema[0].type == PARQUET_TYPES.get(name, table.schema[0].type)
    assert rows_cases.extension_of(got.schema[0]) == rows_cases.extension_of(table.schema[0])


def test_parquet_refuses_by_name(rows):
    table = pa.table({"gap": pa.array([pa.MonthDayNano([1, 2, 3])])})
    assert "month_day_nano_interval" in rows("parquet", table, fails=True)
    for fmt in ("jsonl", "csv"):
        message = rows(fmt, table, fails=True)
        assert "'gap'" in message and "month_day_nano_interval" in message


def test_parquet_row_groups_are_bounded(rows):
    big = pa.table({"x": pa.array(range(300000), pa.int64())})
    meta = pq.ParquetFile(pa.BufferReader(rows("parquet", big))).metadata
    assert [meta.row_group(i).num_rows for i in range(meta.num_row_groups)] == [131072, 131072, 37856]
    wide = pa.table({"b": pa.array([bytes([i % 251]) * 1000000 for i in range(200)])})
    meta = pq.ParquetFile(pa.BufferReader(rows("parquet", wide))).metadata
    assert meta.num_rows == 200 and 3 <= meta.num_row_groups <= 6


@pytest.mark.parametrize("fmt", ["jsonl", "json", "csv", "tsv", "arrow", "arrows", "parquet"])
def test_no_rows(rows, fmt):
    table = pa.table({"a": pa.array([], pa.int32()), "b,c": pa.array([], pa.list_(pa.string()))})
    data = rows(fmt, table)
    if fmt in ("arrow", "arrows"):
        assert (pa.ipc.open_file if fmt == "arrow" else pa.ipc.open_stream)(data).read_all().equals(table)
    elif fmt == "parquet":
        assert pq.read_table(pa.BufferReader(data)).equals(table)
    else:
        assert data == {"jsonl": b"", "json": b"[]\n", "csv": b'a,"b,c"\n', "tsv": b"a\tb,c\n"}[fmt]


@pytest.mark.parametrize("size", [1, 3, 7])
def test_slices_and_batches(rows, size):
    """All columns side by side, from an odd row on: offsets of every kind."""
    rows_wanted = 11
    length = rows_wanted + 5
    table = pa.table({name: pa.concat_arrays([array] * (length // len(array) + 1)).slice(0, length) for name, array in CASES.items()
                      if not pa.types.is_run_end_encoded(array.type)})
    sliced = table.slice(3, rows_wanted)
    assert lines(rows("jsonl", sliced, rows_per_batch=size)) == rows_cases.jsonl(sliced)
    assert rows("csv", sliced, rows_per_batch=size).decode() == rows_cases.csv(sliced, ",")


# --- other readers; the options are those of docs/formats.md ---

def reader_table():
    strings = [s for s in rows_cases.STR if "\0" not in s and s != "x" * 5000]
    n = len(strings)
    return pa.table({
        "i": pa.array([None if k % 5 == 4 else k * (2**53 + 1) % 2**62 for k in range(n)], pa.int64()),
        "f": pa.array([(0.1, -0.0, 1e16, 5e-324, None)[k % 5] for k in range(n)], pa.float64()),
        "s": pa.array(strings, pa.string()),
        "n": pa.array([None if k % 3 else strings[k] for k in range(n)], pa.string()),
        "b": pa.array([(True, False, None)[k % 3] for k in range(n)]),
        "d": pa.array([(0, None, 18292, 11016)[k % 4] for k in range(n)], pa.int32()).view(pa.date32()),
        "t": pa.array([(0, None, 1580428800123456, -1)[k % 4] for k in range(n)], pa.int64()).view(pa.timestamp("us")),
        "l": pa.array([([1, None], None, [], [k])[k % 4] for k in range(n)], pa.list_(pa.int64())),
    })


def wanted(table):
    """Column -> values, nested ones as their JSON text."""
    out = {name: table[name].to_pylist() for name in table.column_names}
    out["l"] = [None if v is None else json.dumps(v, separators=(",", ":")) for v in out["l"]]
    return out


@pytest.mark.parametrize("fmt,separator", [("csv", ","), ("tsv", "\t")])
def test_pyarrow_reads_csv(rows, fmt, separator):
    from pyarrow import csv
    table = reader_table()
    got = csv.read_csv(
        pa.BufferReader(rows(fmt, table)),
        parse_options=csv.ParseOptions(delimiter=separator, newlines_in_values=True, ignore_empty_lines=False),
        convert_options=csv.ConvertOptions(null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False,
                                           column_types={"s": pa.string(), "n": pa.string(), "f": pa.float64(), "l": pa.string(),
                                                         "t": pa.timestamp("us"), "d": pa.date32()}))
    assert got.to_pydict() == wanted(table)


@pytest.mark.parametrize("fmt,separator", [("csv", ","), ("tsv", "\t")])
def test_duckdb_reads_csv(rows, tmp_path, fmt, separator):
    duckdb = pytest.importorskip("duckdb")
    table = reader_table()
    path = tmp_path / f"rows.{fmt}"
    path.write_bytes(rows(fmt, table))
    got = duckdb.execute(
        """SELECT * FROM read_csv(?, auto_detect = false, delim = ?, quote = '"', escape = '"', header = true, new_line = '\\n',
             nullstr = '', allow_quoted_nulls = false, max_line_size = 67108864,
             columns = {i: 'BIGINT', f: 'DOUBLE', s: 'VARCHAR', n: 'VARCHAR', b: 'BOOLEAN', d: 'DATE', t: 'TIMESTAMP', l: 'VARCHAR'})""",
        [str(path), separator]).fetchall()
    want = wanted(table)
    assert {name: [row[i] for row in got] for i, name in enumerate(want)} == want


@pytest.mark.parametrize("fmt,separator", [("csv", ","), ("tsv", "\t")])
def test_polars_reads_csv(rows, fmt, separator):
    pl = pytest.importorskip("polars")
    table = reader_table()
    got = pl.read_csv(rows(fmt, table), separator=separator, empty_string_is_null=True,
                      schema={"i": pl.Int64, "f": pl.Float64, "s": pl.String, "n": pl.String, "b": pl.Boolean, "d": pl.Date,
                              "t": pl.Datetime("us"), "l": pl.String})
    assert got.to_dict(as_series=False) == wanted(table)


@pytest.mark.parametrize("fmt,separator", [("csv", ","), ("tsv", "\t")])
def test_pandas_reads_csv(rows, fmt, separator):
    pd = pytest.importorskip("pandas")
    import io
    table = reader_table()
    got = pd.read_csv(io.BytesIO(rows(fmt, table)), sep=separator, keep_default_na=False, lineterminator="\n", skip_blank_lines=False,
                      na_values={c: [""] for c in "ifbdtl"}, float_precision="round_trip",
                      dtype={"i": "Int64", "f": "float64", "s": "string", "n": "string", "b": "boolean", "l": "string"},
                      parse_dates=["d", "t"])
    want = wanted(table)
    # pandas cannot tell an empty cell from "": null strings arrive empty.
    want["n"] = ["" if v is None else v for v in want["n"]]
    assert [None if pd.isna(v) else int(v) for v in got["i"]] == want["i"]
    assert [None if pd.isna(v) else v for v in got["f"]] == want["f"]
    assert got["s"].tolist() == want["s"]
    assert got["n"].tolist() == want["n"]
    assert [None if pd.isna(v) else bool(v) for v in got["b"]] == want["b"]
    assert [None if pd.isna(v) else v.date() for v in got["d"]] == want["d"]
    assert [None if pd.isna(v) else v.to_pydatetime() for v in got["t"]] == want["t"]
    assert [None if pd.isna(v) else v for v in got["l"]] == want["l"]


def test_null_rows_of_one_column(rows):
    from pyarrow import csv
    table = pa.table({"s": pa.array(["a", None, "", None])})
    data = rows("csv", table)
    assert data == b's\na\n\n""\n\n'
    got = csv.read_csv(pa.BufferReader(data), parse_options=csv.ParseOptions(ignore_empty_lines=False),
                       convert_options=csv.ConvertOptions(null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False))
    assert got.to_pydict() == table.to_pydict()


@pytest.mark.parametrize("fmt", ["arrow", "parquet"])
def test_polars_and_duckdb_read_binary_formats(rows, tmp_path, fmt):
    pl = pytest.importorskip("polars")
    duckdb = pytest.importorskip("duckdb")
    table = reader_table()
    path = tmp_path / f"rows.{fmt}"
    path.write_bytes(rows(fmt, table, rows_per_batch=5))
    frame = (pl.read_ipc if fmt == "arrow" else pl.read_parquet)(path)
    assert frame.to_dict(as_series=False) == table.to_pydict()
    if fmt == "parquet":
        got = duckdb.execute("SELECT * FROM read_parquet(?)", [str(path)]).fetchall()
        assert {n: [row[i] for row in got] for i, n in enumerate(table.column_names)} == table.to_pydict()


def test_arrow_file_can_be_mapped(rows, tmp_path):
    table = reader_table()
    path = tmp_path / "rows.arrow"
    path.write_bytes(rows("arrow", table))
    with pa.memory_map(str(path)) as source:
        before = pa.total_allocated_bytes()
        assert pa.ipc.open_file(source).read_all().equals(table)
        assert pa.total_allocated_bytes() - before < 4096


@pytest.mark.parametrize("reader", ["duckdb", "polars", "pandas"])
def test_others_read_jsonl(rows, tmp_path, reader):
    module = pytest.importorskip(reader)
    table = reader_table().select(["i", "s", "n", "b", "l"])
    path = tmp_path / "rows.jsonl"
    path.write_bytes(rows("jsonl", table))
    if reader == "duckdb":
        got = module.execute("SELECT * FROM read_json(?, format = 'newline_delimited')", [str(path)]).fetchall()
        got = {n: [row[i] for row in got] for i, n in enumerate(table.column_names)}
    elif reader == "polars":
        got = module.read_ndjson(path).to_dict(as_series=False)
    else:
        frame = module.read_json(path, lines=True, dtype={"i": "Int64"}, convert_dates=False)
        got = {n: [None if not isinstance(v, list) and module.isna(v) else v for v in frame[n].tolist()] for n in table.column_names}
        assert got["s"] == table["s"].to_pylist()
        return
    assert got == table.to_pydict()
