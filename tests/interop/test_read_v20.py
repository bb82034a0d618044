# SPDX-License-Identifier: Apache-2.0
"""Data files of version 2.0 that pylance wrote, read by the engine (file_probe), against pylance's own reading.

Needs a build (environment LANCEFS_BUILD, default <repository>/build) and pylance. Files of older pylance versions are
tested where the environment names a collection of datasets (LANCEFS_SHARED, default ../shared next to the repository).
"""
import decimal
import itertools
import os
import pathlib
import random
import subprocess

import lance
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

REPO = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("LANCEFS_BUILD", REPO / "build"))
PROBE = BUILD / "tests/engine/format/file_probe"
SHARED = pathlib.Path(os.environ.get("LANCEFS_SHARED", REPO.parent / "shared"))
SIZES = [1, 5000, 70000]
NULLS = ["none", "some", "all"]

pytestmark = pytest.mark.skipif(not PROBE.exists(), reason=f"{PROBE} is not built")


def probe(file, tmp_path, *options):
    out = tmp_path / "probe.arrows"
    with open(out, "wb") as stdout:
        done = subprocess.run([PROBE, file, *map(str, options)], stdout=stdout, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0, done.stderr
    with pa.OSFile(str(out)) as source:
        return pa.ipc.open_stream(source).read_all()


def plain(array):
    """Dictionaries and views decoded, one chunk, so that equals() compares values only."""
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays([plain(chunk) for chunk in array.chunks]) if array.num_chunks else pa.array([], array.type)
    if pa.types.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    return array


def same(got, want):
    got, want = plain(got), plain(want)
    if got.type.equals(want.type) and got.equals(want):
        return True
    # NaN differs from itself, and metadata inside nested types may differ: compare as Python values.
    return repr(got.to_pylist()) == repr(want.to_pylist())


def data_files(path):
    return sorted((pathlib.Path(path) / "data").glob("*.lance"))


def ranges_of(rows, seed):
    rng = random.Random(seed)
    picks = sorted(rng.sample(range(rows + 1), min(rows + 1, 2 * rng.choice([1, 3, 20]))))
    picks = picks[: len(picks) // 2 * 2]
    return [(a, b) for a, b in zip(picks[::2], picks[1::2]) if b > a]


def check(table, tmp_path, **options):
    path = tmp_path / "t.lance"
    lance.write_dataset(table, path, data_storage_version="2.0", max_rows_per_file=10**9, max_rows_per_group=10**9, **options)
    want = lance.dataset(path).to_table()
    (file,) = data_files(path)
    check_file(file, want, tmp_path)


def check_file(file, want, tmp_path):
    rows = want.num_rows
    assert_tables(probe(file, tmp_path), want, "whole")
    assert_tables(probe(file, tmp_path, "--batch", max(1, rows // 7)), want, "batches")
    for seed in range(3):
        ranges = ranges_of(rows, seed)
        if ranges:
            text = ",".join(f"{a}-{b}" for a, b in ranges)
            indices = list(itertools.chain.from_iterable(range(a, b) for a, b in ranges))
            assert_tables(probe(file, tmp_path, "--rows", text), want.take(indices), text[:200])


def assert_tables(got, want, what):
    assert got.num_rows == want.num_rows, what
    for name in got.column_names:
        assert same(got.column(name), want.column(name)), f"column {name}, {what}"


def with_nulls(values, nulls, seed=0):
    if nulls == "none":
        return list(values)
    if nulls == "all":
        return [None] * len(values)
    rng = random.Random(seed)
    return [None if rng.random() < 0.2 else value for value in values]


def spread(n, low, high, seed=0):
    return [int(x) for x in np.random.default_rng(seed).integers(low, high, n, endpoint=True)]


FIXED = {
    "bool": (pa.bool_(), lambda n: [bool(x) for x in spread(n, 0, 1)]),
    "int8": (pa.int8(), lambda n: spread(n, -128, 127)),
    "uint16": (pa.uint16(), lambda n: spread(n, 0, 65535)),
    "int32": (pa.int32(), lambda n: spread(n, -(2**31), 2**31 - 1)),
    "uint64": (pa.uint64(), lambda n: [2**64 - 1 - i * 977 for i in range(n)]),
    "int64": (pa.int64(), lambda n: spread(n, -(2**62), 2**62)),
    "half": (pa.float16(), lambda n: [np.float16(x) for x in spread(n, -1000, 1000)]),
    "float": (pa.float32(), lambda n: [x / 8 for x in spread(n, -1000, 1000)]),
    "double": (pa.float64(), lambda n: [x / 7 for x in spread(n, -1000, 1000)]),
    "date32": (pa.date32(), lambda n: spread(n, 0, 30000)),
    "date64": (pa.date64(), lambda n: [86400000 * x for x in spread(n, 0, 30000)]),
    "time32": (pa.time32("ms"), lambda n: spread(n, 0, 86399999)),
    "time64": (pa.time64("ns"), lambda n: spread(n, 0, 86399999999999)),
    "timestamp": (pa.timestamp("us", "Europe/Berlin"), lambda n: spread(n, 0, 2**50)),
    "duration": (pa.duration("s"), lambda n: spread(n, 0, 2**30)),
    "decimal128": (pa.decimal128(30, 4), lambda n: [decimal.Decimal(x) / 16 for x in spread(n, -(10**15), 10**15)]),
    "decimal256": (pa.decimal256(50, 4), lambda n: [decimal.Decimal(x) / 16 for x in spread(n, -(10**15), 10**15)]),
    "fsb": (pa.binary(7), lambda n: [x.to_bytes(7, "big") for x in spread(n, 0, 2**50)]),
    "fsb16": (pa.binary(16), lambda n: [x.to_bytes(16, "big") for x in spread(n, 0, 2**60)]),
    "null": (pa.null(), lambda n: [None] * n),
}


@pytest.mark.parametrize("rows", SIZES)
@pytest.mark.parametrize("nulls", NULLS)
def test_fixed_width(rows, nulls, tmp_path):
    columns = {}
    for name, (kind, make) in FIXED.items():
        columns[name] = pa.array(with_nulls(make(rows), nulls), kind)
        columns[name + "_constant"] = pa.array(with_nulls(make(1) * rows, nulls), kind)
    check(pa.table(columns), tmp_path)


TEXTS = {
    "random": lambda n: [f"value {x} äöü" for x in spread(n, 0, 10**9)],
    "constant": lambda n: ["always the same"] * n,
    "few": lambda n: [["", "a", "bb", "ccc", "a value of more than sixteen bytes"][x] for x in spread(n, 0, 4)],
    "long": lambda n: ["x" * (x % 4000) for x in spread(min(n, 3000), 0, 10**6)] + ["y"] * max(0, n - 3000),
    "empty": lambda n: [""] * n,
}
TEXT_TYPES = {"utf8": pa.utf8(), "large": pa.large_utf8(), "binary": pa.binary(), "large_binary": pa.large_binary()}


@pytest.mark.parametrize("rows", SIZES)
@pytest.mark.parametrize("nulls", NULLS)
@pytest.mark.parametrize("text", list(TEXTS))
def test_strings(rows, nulls, text, tmp_path):
    values = with_nulls(TEXTS[text](rows), nulls)
    check(pa.table({name: pa.array(values, kind) for name, kind in TEXT_TYPES.items()}), tmp_path)


@pytest.mark.parametrize("scheme", ["zstd", "lz4", "fsst", "none"])
@pytest.mark.parametrize("nulls", NULLS)
@pytest.mark.parametrize("rows", SIZES)
def test_compressed_strings(rows, nulls, scheme, tmp_path):
    if scheme == "fsst" and nulls == "all":
        pytest.skip("pylance's writer panics")
    metadata = {"lance-encoding:compression": scheme}
    fields, arrays = [], []
    for text, (name, kind) in itertools.product(["random", "constant", "long"], TEXT_TYPES.items()):
        if scheme == "fsst" and name != "utf8":
            continue
        fields.append(pa.field(f"{text}_{name}", kind, metadata=metadata))
        arrays.append(pa.array(with_nulls(TEXTS[text](rows), nulls), kind))
    check(pa.table(arrays, schema=pa.schema(fields)), tmp_path)


@pytest.mark.parametrize("rows", SIZES)
@pytest.mark.parametrize("nulls", NULLS)
@pytest.mark.parametrize("index", ["int8", "uint8", "int16", "int32", "uint32", "int64"])
def test_dictionaries(rows, nulls, index, tmp_path):
    values = with_nulls([["red", "green", "", "blue"][x] for x in spread(rows, 0, 3)], nulls)
    kind = pa.dictionary(pa.type_for_alias(index), pa.utf8())
    large = pa.dictionary(pa.type_for_alias(index), pa.large_utf8())
    columns = {"text": pa.array(values, pa.utf8()).dictionary_encode().cast(kind)}
    if nulls != "all":
        columns["large"] = pa.array(values, pa.large_utf8()).dictionary_encode().cast(large)
    check(pa.table(columns), tmp_path)


@pytest.mark.parametrize("dictionary", [["a", None, "b"], [None, "a", "b"], ["a", "b", None], ["a", "a", "b"]])
def test_dictionaries_with_null_or_repeated_items(dictionary, tmp_path):
    keys = pa.array([0, 1, 2, None, 2, 1, 0] * 300, pa.int16())
    check(pa.table({"d": pa.DictionaryArray.from_arrays(keys, pa.array(dictionary))}), tmp_path)


def test_dictionaries_of_several_pages(tmp_path):
    # Separate appends make separate pages with different dictionaries in one file.
    kind = pa.dictionary(pa.int16(), pa.utf8())
    batches = []
    for start in (0, 3, 7):
        values = [None if i % 13 == 0 else f"v{start + i % 9}" for i in range(6000)]
        batches.append(pa.record_batch({"d": pa.array(values).dictionary_encode().cast(kind)}))
    path = tmp_path / "p.lance"
    with lance.file.LanceFileWriter(str(path), schema=batches[0].schema, version="2.0", data_cache_bytes=1) as writer:
        for batch in batches:
            writer.write_batch(batch)
    check_file(path, pa.Table.from_batches(batches), tmp_path)


def many_pages(table, tmp_path, batch):
    path = tmp_path / "pages.lance"
    with lance.file.LanceFileWriter(str(path), schema=table.schema, version="2.0", data_cache_bytes=1) as writer:
        for part in table.to_batches(max_chunksize=batch):
            writer.write_batch(part)
    check_file(path, table, tmp_path)


@pytest.mark.parametrize("batch", [1, 700, 4096])
def test_many_pages(batch, tmp_path):
    n = 60 if batch == 1 else 9000
    nested = [None if i % 11 == 0 else [["x" * (i % 5), None, "y"][: j % 4] for j in range(i % 4)] for i in range(n)]
    many_pages(
        pa.table(
            {
                "i": pa.array(range(n), pa.int32()),
                "n": pa.array([None if (i // batch) % 3 == 1 or i % 5 == 0 else i for i in range(n)], pa.int64()),
                "b": pa.array([i % 3 == 0 for i in range(n)]),
                "s": pa.array([None if (i // batch) % 3 == 1 else f"t{i}" for i in range(n)]),
                "few": pa.array([["a", "b", None][(i * 7) % 3] for i in range(n)]),
                "l": pa.array([None if i % 7 == 0 else list(range(i % 6)) for i in range(n)], pa.list_(pa.int16())),
                "ll": pa.array(nested, pa.list_(pa.list_(pa.utf8()))),
                "f": pa.array([None if i % 4 == 0 else [i, None, i + 1] for i in range(n)], pa.list_(pa.int32(), 3)),
            }
        ),
        tmp_path,
        batch,
    )


def nested_columns(n, nulls):
    lists = [list(range(x)) for x in spread(n, 0, 5)]
    texts = [[None if k == 3 else "t" * k for k in range(x)] for x in spread(n, 0, 6, 1)]
    deep = [[[k] * (k % 3) for k in range(x)] for x in spread(n, 0, 4, 2)]
    deeper = [[None if k == 2 else [["a", None], [], None, ["b"]][: k + 1] for k in range(x)] for x in spread(n, 0, 3, 3)]
    point = pa.struct([pa.field("x", pa.int32()), pa.field("s", pa.utf8()), pa.field("l", pa.list_(pa.float32()))])
    points = [[{"x": k, "s": None if k == 1 else str(k), "l": [1.5] * k} for k in range(x)] for x in spread(n, 0, 3, 4)]
    return {
        "list": pa.array(with_nulls(lists, nulls), pa.list_(pa.int32())),
        "large_list": pa.array(with_nulls(lists, nulls), pa.large_list(pa.int64())),
        "texts": pa.array(with_nulls(texts, nulls), pa.list_(pa.utf8())),
        "bools": pa.array(with_nulls([[k % 2 == 0 for k in x] for x in lists], nulls), pa.list_(pa.bool_())),
        "deep": pa.array(with_nulls(deep, nulls), pa.list_(pa.list_(pa.int16()))),
        "deeper": pa.array(with_nulls(deeper, nulls), pa.list_(pa.list_(pa.list_(pa.utf8())))),
        "points": pa.array(with_nulls(points, nulls), pa.list_(point)),
        "vectors": pa.array(with_nulls([[[1, 2], None, [3, None]][:x] for x in spread(n, 0, 3, 5)], nulls), pa.list_(pa.list_(pa.int8(), 2))),
        "struct": pa.array([{"x": i, "s": str(i), "l": [float(i)] * (i % 3)} for i in range(n)], point),
        "inner": pa.array(
            [{"a": {"b": {"c": None if nulls != "none" and i % 3 == 0 else i}, "d": [i % 2 == 0]}} for i in range(n)],
            pa.struct([pa.field("a", pa.struct([pa.field("b", pa.struct([pa.field("c", pa.int64())])), pa.field("d", pa.list_(pa.bool_()))]))]),
        ),
    }


@pytest.mark.parametrize("rows", SIZES)
@pytest.mark.parametrize("nulls", NULLS)
def test_nested(rows, nulls, tmp_path):
    check(pa.table(nested_columns(rows, nulls)), tmp_path)


@pytest.mark.parametrize("rows", SIZES)
@pytest.mark.parametrize("nulls", NULLS)
def test_fixed_size_lists(rows, nulls, tmp_path):
    columns = {}
    for name, item in {"f32": pa.float32(), "i8": pa.int8(), "bool": pa.bool_(), "f16": pa.float16(), "d": pa.float64()}.items():
        for inner in (False, True):
            values = [[None if inner and (i + k) % 4 == 0 else (i + k) % 2 if name != "bool" else (i + k) % 3 == 0 for k in range(5)] for i in range(rows)]
            if name == "f16":
                values = [[None if v is None else np.float16(v) for v in row] for row in values]
            columns[f"{name}_{inner}"] = pa.array(with_nulls(values, nulls), pa.list_(item, 5))
    square = [[[i, None], None if i % 3 == 0 else [i, i + 1]] for i in range(rows)]
    columns["square"] = pa.array(with_nulls(square, nulls), pa.list_(pa.list_(pa.int32(), 2), 2))
    check(pa.table(columns), tmp_path)


@pytest.mark.parametrize("rows", SIZES)
def test_packed_structs(rows, tmp_path):
    kind = pa.struct([pa.field("a", pa.int32()), pa.field("b", pa.float64()), pa.field("c", pa.list_(pa.int16(), 3)), pa.field("d", pa.uint8())])
    values = pa.array([{"a": i, "b": i / 3, "c": [i % 100, 1, 2], "d": i % 256} for i in range(rows)], kind)
    field = pa.field("p", kind, metadata={"packed": "true"})
    check(pa.table([values, pa.array(range(rows))], schema=pa.schema([field, pa.field("i", pa.int64())])), tmp_path)


def test_lists_of_packed_structs_and_wide_rows(tmp_path):
    kind = pa.struct([pa.field("a", pa.int32()), pa.field("b", pa.int64())])
    rows = 3000
    lists = pa.array([None if i % 5 == 0 else [{"a": i, "b": k} for k in range(i % 4)] for i in range(rows)], pa.list_(pa.field("item", kind, metadata={"packed": "true"})))
    wide = pa.array([[float(i)] * 1536 for i in range(rows)], pa.list_(pa.float32(), 1536))
    check(pa.table({"l": lists, "w": wide}), tmp_path)


def test_blobs(tmp_path):
    values = [b"abc", None, b"", b"z" * 100_000] + [bytes([i % 256]) * (i % 50) for i in range(2000)]
    field = pa.field("b", pa.large_binary(), metadata={"lance-encoding:blob": "true"})
    table = pa.table([pa.array(values, pa.large_binary()), pa.array(range(len(values)))], schema=pa.schema([field, pa.field("i", pa.int64())]))
    lance.write_dataset(table, tmp_path / "t.lance", data_storage_version="2.0")
    check_file(data_files(tmp_path / "t.lance")[0], table, tmp_path)


def test_page_cuts(tmp_path):
    # Arrays above 32 MiB are cut into several pages.
    n = 1_200_000
    table = pa.table({"i": pa.array(range(n), pa.int64()) , "s": pa.array([f"{i:040d}" for i in range(n)]),
                      "l": pa.array([[i] * (i % 12) for i in range(n)], pa.list_(pa.int64()))})
    path = tmp_path / "t.lance"
    lance.write_dataset(table, path, data_storage_version="2.0", max_rows_per_file=10**9, max_rows_per_group=10**9)
    (file,) = data_files(path)
    got = probe(file, tmp_path)
    assert got.equals(table)
    got = probe(file, tmp_path, "--batch", 100_003)
    assert plain(got.column("l")).equals(plain(table.column("l"))) and plain(got.column("s")).equals(plain(table.column("s")))


def test_some_columns(tmp_path):
    table = pa.table({"a": [1, 2, 3], "b": ["x", None, "z"], "c": [[1], [], None]})
    path = tmp_path / "t.lance"
    lance.write_dataset(table, path, data_storage_version="2.0")
    got = probe(data_files(path)[0], tmp_path, "--columns", "c,a")
    assert got.column_names == ["a", "c"] and got.equals(table.select(["a", "c"]))


def old_files():
    root = SHARED / "corpora/open/datasets"
    if not root.is_dir():
        return []
    found = []
    for file in sorted(root.glob("*/data/*.lance")):
        with open(file, "rb") as stream:
            stream.seek(0, 2)
            if stream.tell() < 40:
                continue
            stream.seek(-8, 2)
            tail = stream.read()
        if tail[4:] == b"LANC" and tail[:4] in (b"\0\0\3\0", b"\2\0\0\0"):
            found.append(file)
    return found


@pytest.mark.parametrize("file", old_files(), ids=lambda file: f"{file.parts[-3]}-{file.stem[:8]}")
def test_files_of_other_writers(file, tmp_path):
    reader = lance.file.LanceFileReader(str(file))
    try:
        want = reader.read_all().to_table()
    except Exception as error:  # the judge itself cannot read it
        pytest.skip(f"pylance: {error}")
    check_file(file, want, tmp_path)


def test_fixed_size_lists_of_nulls(tmp_path):
    kind = pa.list_(pa.null(), 4)
    check(pa.table({"f": pa.FixedSizeListArray.from_arrays(pa.nulls(400), type=kind, mask=pa.array([i % 3 == 0 for i in range(100)])), "i": range(100)}), tmp_path)
