# SPDX-License-Identifier: Apache-2.0
"""Data files of 2.1 to 2.3 written by pylance, read by file_probe, compared exactly with what was written.

LANCEFS_BUILD names the build folder. With a folder of foreign data sets (LANCEFS_SHARED/corpora/open/datasets)
all their files of these versions are read too and compared with pylance."""
import os
import pathlib
import random
import struct
import subprocess

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from lance.file import LanceFileReader

from data_files import PROBE, probe, write

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHARED = pathlib.Path(os.environ.get("LANCEFS_SHARED", ROOT.parent / "shared"))
VERSIONS = ["2.1", "2.2", "2.3"]
PATTERNS = ["random", "constant", "few", "runs", "sorted"]


def comparable(array):
    """NaN equals NaN, and dictionaries are their values."""
    array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    if pa.types.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    views = {pa.float16(): pa.int16(), pa.float32(): pa.int32(), pa.float64(): pa.int64()}
    return array.view(views[array.type]) if array.type in views else array


def equal(a, b):
    """Nested NaNs are equal too; as text every float stands exactly."""
    a, b = comparable(a), comparable(b)
    return a.equals(b) or (a.type == b.type and str(a.to_pylist()) == str(b.to_pylist()))


def assert_same(got, want, what):
    assert got.num_rows == want.num_rows, what
    for name in want.column_names:
        have, expect = got.column(name), want.column(name)
        assert have.type == expect.type, f"{what} {name}: {have.type} instead of {expect.type}"
        a, b = comparable(have), comparable(expect)
        if not equal(a, b):
            bad = next((i for i in range(len(a)) if not a[i].equals(b[i])), None)
            raise AssertionError(f"{what} {name}: row {bad}: {a[bad] if bad is not None else len(a)} instead of {b[bad] if bad is not None else len(b)}")


def random_ranges(rng, rows, count):
    cuts = sorted(rng.sample(range(rows + 1), min(2 * count, (rows + 1) // 2 * 2)))
    return [(a, b) for a, b in zip(cuts[::2], cuts[1::2])]


def check(path, table, what, seed=0):
    """All rows, batches, ranges, single rows."""
    assert_same(probe(path), table, f"{what} whole")
    rows = table.num_rows
    if rows > 1:
        assert_same(probe(path, "--batch", str(1000 if rows < 20000 else 9973)), table, f"{what} batches")
        rng = random.Random(seed)
        for count in (1, 5, 40):
            ranges = random_ranges(rng, rows, count)
            if not ranges:
                continue
            want = pa.concat_tables([table.slice(a, b - a) for a, b in ranges])
            assert_same(probe(path, "--rows", ",".join(f"{a}-{b}" for a, b in ranges)), want, f"{what} rows {ranges}")
        singles = sorted(rng.sample(range(rows), min(rows, 100)))
        want = table.take(pa.array(singles))
        assert_same(probe(path, "--rows", ",".join(f"{i}-{i + 1}" for i in singles)), want, f"{what} rows {singles}")


def numbers(pattern, n, rng):
    if pattern == "random":
        return rng.integers(-(2**62), 2**62, n)
    if pattern == "constant":
        return np.full(n, 12345)
    if pattern == "few":
        return rng.choice(rng.integers(-(2**60), 2**60, 20), n)
    if pattern == "runs":
        return np.repeat(rng.integers(0, 2**40, n // 50 + 1), 50)[:n]
    return np.arange(n) + 1000


def fixed(idx, width):
    rows = b"".join(struct.pack("<q", int(i)) * (width // 8 + 1) for i in idx)
    step = 8 * (width // 8 + 1)
    return pa.array([rows[k * step:k * step + width] for k in range(len(idx))], pa.binary(width))


def texts(idx, length):
    filler = "Straße→€ abcdefg " * (length // 17 + 1)
    return [(f"{i}:" + filler)[:length] if length else "" for i in idx]


def flat_columns(pattern, n, rng):
    """One array a type, all from the same pattern of numbers."""
    idx = numbers(pattern, n, rng)
    out = {}
    for type_ in (pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()):
        out[str(type_)] = pa.array(idx.astype(type_.to_pandas_dtype()), type_)
    out["small"] = pa.array((idx % 1000).astype(np.int32))
    out["small64"] = pa.array(idx % 1000)
    with np.errstate(over="ignore"):
        out["half"] = pa.array((idx % 1000).astype(np.float16))
    out["float"] = pa.array((idx / 7.0).astype(np.float32))
    out["unit"] = pa.array(((idx % 1000) / 1000.0).astype(np.float32))
    out["double"] = pa.array(idx / 7.0)
    out["nan"] = pa.array(np.where(idx % 3 == 0, np.nan, idx / 7.0))
    out["bool"] = pa.array(idx % 3 == 0)
    narrow = pa.array((idx % 80000).astype(np.int32))
    wide = pa.array(idx)
    out["date32"] = narrow.view(pa.date32())
    out["date64"] = pa.array(idx % 80000 * 86400000).view(pa.date64())
    out["time32"] = narrow.view(pa.time32("s"))
    out["time64"] = pa.array(idx % 86400000000).view(pa.time64("us"))
    out["timestamp"] = wide.view(pa.timestamp("us", "Europe/Berlin"))
    out["timestamp_ns"] = wide.view(pa.timestamp("ns"))
    out["duration"] = wide.view(pa.duration("ms"))
    out["decimal128"] = pa.array(idx % 10**12).cast(pa.decimal128(22, 0))
    out["decimal256"] = pa.array(idx % 10**12).cast(pa.decimal256(50, 3))
    out["fsb7"] = fixed(idx, 7)
    out["fsb16"] = fixed(idx, 16)
    out["fsb300"] = fixed(idx, 300)
    short = texts(idx, 12)
    out["string"] = pa.array(short)
    out["large_string"] = pa.array(short, pa.large_string())
    out["binary"] = pa.array([t.encode() for t in short], pa.binary())
    out["large_binary"] = pa.array([t.encode() for t in short], pa.large_binary())
    out["empty"] = pa.array([""] * n)
    out["mixed"] = pa.array(["" if i % 3 == 0 else "x" * int(i % 40) for i in idx], pa.string())
    out["dict8"] = pa.array([f"k{i % 100}" for i in idx]).dictionary_encode().cast(pa.dictionary(pa.int8(), pa.string()))
    out["dict32"] = pa.array(short).dictionary_encode()
    items = np.concatenate([idx, idx + 1, idx + 2, idx + 3])
    out["fsl"] = pa.FixedSizeListArray.from_arrays(pa.array((items % 97).astype(np.float32)), 4)
    out["fsl_int8"] = pa.FixedSizeListArray.from_arrays(pa.array((items % 97).astype(np.int8)), 2).slice(0, n)
    out["fsl_bool"] = pa.FixedSizeListArray.from_arrays(pa.array(items % 3 == 0), 4)
    holes = pa.array((items % 97).astype(np.float32), mask=items % 5 == 0)
    out["fsl_holes"] = pa.FixedSizeListArray.from_arrays(holes, 4)
    out["fsl_fsl"] = pa.FixedSizeListArray.from_arrays(pa.FixedSizeListArray.from_arrays(holes, 2), 2)
    return out


def with_nulls(array, how, rng):
    if how == "none":
        return array
    if how == "all":
        return array.take(pa.nulls(len(array), pa.int64())) if len(array) else array
    return array.take(pa.array(np.arange(len(array)), mask=rng.random(len(array)) < 0.2))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("rows", [0, 1, 5000])
def test_flat(tmp_path, version, pattern, rows):
    rng = np.random.default_rng(rows + len(pattern))
    columns = {}
    for name, array in flat_columns(pattern, rows, rng).items():
        for how in ("none", "some", "all"):
            columns[f"{name}_{how}"] = with_nulls(array, how, rng)
    columns["null"] = pa.nulls(rows)
    table = pa.table(columns)
    path = tmp_path / "flat.lance"
    write(path, table, version)
    check(path, table, f"{version} {pattern} {rows}")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("pattern", PATTERNS)
def test_many_rows(tmp_path, version, pattern):
    rng = np.random.default_rng(7)
    rows = 70000
    names = ("int8", "int16", "int32", "int64", "small", "small64", "unit", "double", "bool", "decimal128", "fsb16", "string", "large_string", "binary",
             "mixed", "dict32", "fsl", "fsl_holes")
    everything = flat_columns(pattern, rows, rng)
    table = pa.table({f"{name}_{how}": with_nulls(everything[name], how, rng) for name in names for how in ("none", "some")})
    for batch in (None, 9000):
        path = tmp_path / f"many{batch}.lance"
        write(path, table, version, batch)
        check(path, table, f"{version} {pattern} batch {batch}")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("length,rows", [(300, 5000), (3000, 2000), (40000, 200)])
def test_long_values(tmp_path, version, length, rows):
    rng = np.random.default_rng(length)
    columns = {}
    for pattern in PATTERNS:
        values = texts(numbers(pattern, rows, rng), length)
        for how in ("none", "some", "all"):
            columns[f"text_{pattern}_{how}"] = with_nulls(pa.array(values), how, rng)
            columns[f"large_{pattern}_{how}"] = with_nulls(pa.array(values, pa.large_string()), how, rng)
    noise = pa.array([rng.bytes(int(rng.integers(0, length))) for _ in range(rows)], pa.binary())
    columns["noise"] = noise
    columns["noise_some"] = with_nulls(noise, "some", rng)
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(rng.random(rows * 128, np.float32)), 128)
    columns["vector"] = vectors
    columns["vector_some"] = with_nulls(vectors, "some", rng)
    holes = pa.FixedSizeListArray.from_arrays(pa.array(rng.random(rows * 128, np.float32), mask=rng.random(rows * 128) < 0.01), 128)
    columns["vector_holes"] = with_nulls(holes, "some", rng)
    table = pa.table(columns)
    path = tmp_path / "long.lance"
    write(path, table, version)
    check(path, table, f"{version} length {length}")


class Nested:
    """Random nested values with nulls and empties at every level."""

    def __init__(self, seed, nulls=0.1, empties=0.15, longest=4):
        self.r, self.nulls, self.empties, self.longest = random.Random(seed), nulls, empties, longest

    def maybe(self, make):
        return None if self.r.random() < self.nulls else make()

    def list(self, make):
        if self.r.random() < self.empties:
            return []
        return [self.maybe(make) for _ in range(self.r.randint(1, self.longest))]

    def number(self):
        return self.r.randint(0, 1000)

    def text(self):
        return "t" * self.r.randint(0, 9) + str(self.r.randint(0, 30))

    def record(self):
        return {"a": self.maybe(self.number), "b": self.maybe(self.text), "c": self.maybe(lambda: self.list(self.number))}

    def map(self):
        return [(f"k{i}", self.maybe(self.number)) for i in range(self.r.randint(0, 3))]


RECORD = pa.struct([("a", pa.int32()), ("b", pa.string()), ("c", pa.list_(pa.int16()))])


def nested_columns(g, n, version):
    def column(make, type_):
        return pa.array([g.maybe(make) for _ in range(n)], type_)

    out = {
        "list": column(lambda: g.list(g.number), pa.list_(pa.int32())),
        "large_list": column(lambda: g.list(g.number), pa.large_list(pa.int64())),
        "list_text": column(lambda: g.list(g.text), pa.list_(pa.string())),
        "list_list": column(lambda: g.list(lambda: g.list(g.text)), pa.list_(pa.large_list(pa.large_string()))),
        "list3": column(lambda: g.list(lambda: g.list(lambda: g.list(g.number))), pa.list_(pa.list_(pa.list_(pa.int32())))),
        "struct": column(g.record, RECORD),
        "struct2": column(lambda: {"x": g.maybe(g.record), "y": g.maybe(g.number)}, pa.struct([("x", RECORD), ("y", pa.int64())])),
        "list_struct": column(lambda: g.list(g.record), pa.list_(RECORD)),
        "struct_list_struct": column(lambda: {"z": g.maybe(lambda: g.list(g.record))}, pa.struct([("z", pa.list_(RECORD))])),
        "list_list_struct": column(lambda: g.list(lambda: g.list(g.record)), pa.list_(pa.list_(RECORD))),
        "list_constant": column(lambda: g.list(lambda: 7), pa.list_(pa.int32())),
        "list_constant_text": column(lambda: g.list(lambda: "a constant text of more than 32 bytes"), pa.list_(pa.string())),
        "list_bool": column(lambda: g.list(lambda: g.r.random() < 0.5), pa.list_(pa.bool_())),
        "list_null": column(lambda: g.list(lambda: None), pa.list_(pa.null())),
        "list_empty": column(list, pa.list_(pa.int32())),
        "list_fsl": column(lambda: g.list(lambda: [g.maybe(g.number) for _ in range(3)]), pa.list_(pa.list_(pa.int32(), 3))),
        "list_wide": column(lambda: g.list(lambda: "w" * g.r.randint(0, 600)), pa.list_(pa.string())),
        "list_vector": column(lambda: g.list(lambda: [float(g.number())] * 80), pa.list_(pa.list_(pa.float32(), 80))),
        "struct_wide": column(lambda: {"w": g.maybe(lambda: "w" * g.r.randint(0, 600))}, pa.struct([("w", pa.string())])),
        "struct_null": column(lambda: {"n": None, "a": g.number()}, pa.struct([("n", pa.null()), ("a", pa.int32())])),
        "empty_struct": pa.array([{}] * n, pa.struct([])),
    }
    if version != "2.1":
        pair = pa.struct([("a", pa.int32()), ("b", pa.string())])
        out["map"] = column(g.map, pa.map_(pa.string(), pa.int32()))
        out["list_map"] = column(lambda: g.list(g.map), pa.list_(pa.map_(pa.string(), pa.int32())))
        out["map_list"] = column(lambda: [(k, g.list(g.number)) for k, _ in g.map()], pa.map_(pa.string(), pa.list_(pa.int32())))
        out["fsl_struct"] = column(lambda: [{"a": g.maybe(g.number), "b": g.text()} for _ in range(3)], pa.list_(pair, 3))
    return out


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("rows", [1, 3, 3000, 20000])
@pytest.mark.parametrize("shape", ["mixed", "full", "sparse"])
def test_nested(tmp_path, version, rows, shape):
    settings = {"mixed": (0.1, 0.15, 4), "full": (0.0, 0.0, 3), "sparse": (0.6, 0.6, 5)}[shape]
    if rows == 20000 and shape != "mixed":
        pytest.skip("one shape is enough at this size")
    table = pa.table(nested_columns(Nested(rows, *settings), rows, version))
    path = tmp_path / "nested.lance"
    write(path, table, version)
    check(path, table, f"{version} {shape} {rows}")


@pytest.mark.parametrize("version", VERSIONS)
def test_lists_longer_than_chunks(tmp_path, version):
    r = random.Random(5)
    sizes = [0, 1, 200000, 0, 5000, 1, 1, 30000] + [r.choice([0, 1, 10, 3000]) for _ in range(300)]
    table = pa.table({
        "numbers": pa.array([None if s == 10 else list(range(s)) for s in sizes], pa.list_(pa.int32())),
        "texts": pa.array([[str(k) for k in range(s % 7001)] for s in sizes], pa.list_(pa.string())),
        "inner": pa.array([[list(range(s)), [], None, [1]] for s in sizes], pa.list_(pa.list_(pa.int64()))),
        "records": pa.array([[{"a": k, "b": str(k)} for k in range(s % 4001)] for s in sizes], pa.list_(pa.struct([("a", pa.int32()), ("b", pa.string())]))),
    })
    path = tmp_path / "long_lists.lance"
    write(path, table, version)
    check(path, table, version)


METADATA = [
    {"compression": "zstd"}, {"compression": "zstd", "compression-level": "9"}, {"compression": "lz4"}, {"compression": "fsst"}, {"compression": "none"},
    {"rle-threshold": "1.0"}, {"rle-threshold": "0.0"}, {"compression": "zstd", "bss": "on"}, {"compression": "lz4", "bss": "on"}, {"minichunk-size": "1024"},
    {"structural-encoding": "fullzip"}, {"structural-encoding": "miniblock"}, {"dict-divisor": "1", "dict-size-ratio": "1.0"},
    {"dict-values-compression": "zstd"}, {"dict-values-compression": "none"}, {"structural-encoding": "fullzip", "compression": "zstd"},
]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("keys", METADATA, ids=lambda keys: "_".join(f"{k}={v}" for k, v in keys.items()))
def test_field_metadata(tmp_path, version, keys):
    rng = np.random.default_rng(3)
    metadata = {f"lance-encoding:{k}": v for k, v in keys.items()}
    fields, arrays = [], []
    for pattern in PATTERNS:
        for name, array in flat_columns(pattern, 3000, rng).items():
            # pylance's writer gives up on fixed-size lists of bool outside miniblock.
            if name in ("null", "fsl_bool", "fsb300") or (keys.get("structural-encoding") == "fullzip" and name.startswith("dict")):
                continue
            for how in ("none", "some"):
                fields.append(pa.field(f"{name}_{pattern}_{how}", array.type, True, metadata))
                arrays.append(with_nulls(array, how, rng))
    table = pa.table(arrays, pa.schema(fields))
    path = tmp_path / "metadata.lance"
    write(path, table, version)
    assert_same(probe(path), table, f"{version} {keys}")
    ranges = random_ranges(random.Random(1), 3000, 30)
    want = pa.concat_tables([table.slice(a, b - a) for a, b in ranges])
    assert_same(probe(path, "--rows", ",".join(f"{a}-{b}" for a, b in ranges)), want, f"{version} {keys} ranges")


@pytest.mark.parametrize("version,names", [("2.1", "ab"), ("2.2", "ab"), ("2.2", "abv"), ("2.2", "abt"), ("2.2", "tabv"), ("2.2", "t"), ("2.3", "ab"), ("2.3", "tabv")])
@pytest.mark.parametrize("nulls", [False, True])
def test_packed_struct(tmp_path, version, names, nulls):
    rng = np.random.default_rng(3)
    n = 5000
    children = {"a": pa.array(rng.integers(0, 100, n), pa.int32()), "b": pa.array(rng.random(n)),
                "v": pa.FixedSizeListArray.from_arrays(pa.array(rng.random(2 * n)), 2), "t": pa.array(texts(range(n), 20))}
    mask = pa.array(rng.random(n) < 0.2) if nulls else None
    array = pa.StructArray.from_arrays([children[k] for k in names], names=list(names), mask=mask)
    table = pa.table([array], pa.schema([pa.field("p", array.type, True, {"lance-encoding:packed": "true"})]))
    path = tmp_path / "packed.lance"
    write(path, table, version)
    check(path, table, version)


def test_blobs_are_refused_by_name(tmp_path):
    field = pa.field("payload", pa.large_binary(), True, {"lance-encoding:blob": "true"})
    table = pa.table([pa.array([b"one", None, b"three"], pa.large_binary())], pa.schema([field]))
    path = tmp_path / "blob.lance"
    write(path, table, "2.1")
    with open(tmp_path / "out", "wb") as sink:
        run = subprocess.run([PROBE, str(path)], stdout=sink, stderr=subprocess.PIPE)
    assert run.returncode != 0
    assert b"payload" in run.stderr and b"blob" in run.stderr


def foreign_files():
    folder = SHARED / "corpora/open/datasets"
    files = []
    for path in sorted(folder.glob("*/**/*.lance")) if folder.is_dir() else []:
        if not path.is_file() or path.stat().st_size < 40:
            continue
        with open(path, "rb") as source:
            source.seek(-8, 2)
            major, minor, magic = struct.unpack("<HH4s", source.read(8))
        if magic == b"LANC" and (major, minor) in ((2, 1), (2, 2), (2, 3)) and "_indices" not in path.parts:
            files.append(path)
    return files


@pytest.mark.parametrize("path", foreign_files(), ids=lambda p: "/".join(p.parts[-3:]))
def test_foreign_files(tmp_path, path):
    try:
        want = LanceFileReader(str(path)).read_all().to_table()
    except Exception as error:  # pylance itself cannot read it
        pytest.skip(f"pylance: {error}"[:100])
    names = [f.name for f in want.schema]
    refused = []
    for name in names:
        out = tmp_path / "column.arrows"
        with open(out, "wb") as sink:
            run = subprocess.run([PROBE, str(path), "--columns", name], stdout=sink, stderr=subprocess.PIPE)
        if run.returncode != 0:
            assert b"blob" in run.stderr, run.stderr.decode()
            refused.append(name)
            continue
        with open(out, "rb") as source:
            got = pa.ipc.open_stream(source).read_all()
        have, expect = comparable(got.column(name)), comparable(want.column(name))
        if have.type != expect.type:
            have = have.cast(expect.type)
        assert equal(have, expect), f"{path} {name}"


@pytest.mark.parametrize("version", ["2.1", "2.2"])  # the writer of 2.3 panics
def test_types_that_no_page_can_hold_are_null(version, tmp_path):
    """The writer takes packed structs of lists and fixed-size lists of strings as long as all rows are null."""
    lists = pa.struct([pa.field("l", pa.list_(pa.int16())), pa.field("i", pa.int64())])
    table = pa.table(
        [pa.nulls(5, lists), pa.array(range(5))],
        schema=pa.schema([pa.field("p", lists, metadata={"packed": "true"}), pa.field("i", pa.int64())]))
    write(tmp_path / "packed.lance", table, version)
    check(tmp_path / "packed.lance", table, "packed struct with a list")
    if version == "2.2":
        texts = pa.list_(pa.list_(pa.large_utf8(), 5))
        table = pa.table({"f": pa.nulls(5, texts), "i": range(5)})
        write(tmp_path / "texts.lance", table, version)
        check(tmp_path / "texts.lance", table, "fixed-size lists of texts")
        # Rows that are not null, of items that are: the page has their validity and no values.
        items = pa.FixedSizeListArray.from_arrays(pa.nulls(15, pa.utf8()), type=pa.list_(pa.utf8(), 3), mask=pa.array([False, True] * 2 + [False]))
        write(tmp_path / "items.lance", pa.table({"s": pa.StructArray.from_arrays([items], ["f"])}), version)
        check(tmp_path / "items.lance", pa.table({"s": pa.StructArray.from_arrays([items], ["f"])}), "fixed-size lists of null texts")


@pytest.mark.parametrize("version", VERSIONS)
def test_structs_without_fields(version, tmp_path):
    """They are not null where what is around them is not; packed ones are null, as pylance reads them."""
    empty = pa.struct([])
    inner = pa.StructArray.from_arrays([pa.array([1, None, 3, 4]), pa.nulls(4, empty)], ["x", "e"], mask=pa.array([False, True, False, True]))
    write(tmp_path / "t.lance", pa.table({"s": inner}), version)
    want = LanceFileReader(str(tmp_path / "t.lance")).read_all().to_table()
    assert want.column("s").to_pylist() == [{"x": 1, "e": {}}, None, {"x": 3, "e": {}}, None]
    check(tmp_path / "t.lance", want, "empty structs")
    alone = pa.StructArray.from_arrays([pa.nulls(4, empty)], ["e"], mask=pa.array([True, True, False, True]))
    write(tmp_path / "a.lance", pa.table({"s": alone}), version)
    want = LanceFileReader(str(tmp_path / "a.lance")).read_all().to_table()
    assert want.column("s").null_count == 0  # the reference's way
    check(tmp_path / "a.lance", want, "a struct of an empty struct")
    write(tmp_path / "p.lance", pa.table([pa.array([{}] * 4, empty)], schema=pa.schema([pa.field("p", empty, metadata={"packed": "true"})])), version)
    check(tmp_path / "p.lance", pa.table({"p": pa.nulls(4, empty)}), "packed empty structs")
    fields = [pa.field("x", pa.int8()), pa.field("e", empty, metadata={"packed": "true"})]
    for name, empties, mask in (("v", pa.array([{}] * 4, empty), None), ("n", pa.nulls(4, empty), pa.array([False, True, False, True]))):
        inner = pa.StructArray.from_arrays([pa.array([1, 2, None, 4], pa.int8()), empties], fields=fields, mask=mask)
        write(tmp_path / f"{name}.lance", pa.table({"s": inner}), version)
        want = LanceFileReader(str(tmp_path / f"{name}.lance")).read_all().to_table()
        assert want.column("s").to_pylist()[0] == {"x": 1, "e": None}
        check(tmp_path / f"{name}.lance", want, "packed empty structs in structs")


def test_fixed_size_lists_whose_lists_are_null(tmp_path):
    """The page's encoding ends where all is null: the lists of the inner kind do not show in it."""
    inner, kind = pa.list_(pa.int32(), 4), pa.list_(pa.list_(pa.int32(), 4), 3)
    some = pa.FixedSizeListArray.from_arrays(pa.nulls(60, inner), type=kind, mask=pa.array([i % 3 == 0 for i in range(20)]))
    values = pa.array([[[1, 2, 3, 4], None, [5, None, 7, 8]]] * 20, kind)
    for name, version, array in (("a", "2.1", some), ("b", "2.2", some), ("c", "2.2", pa.concat_arrays([some, values]))):
        wide = {"wide": pa.FixedSizeListArray.from_arrays(pa.nulls(400 * len(array), inner), 400)} if name == "b" else {}
        write(tmp_path / f"{name}.lance", pa.table({"f": array} | wide), version)
        check(tmp_path / f"{name}.lance", pa.table({"f": array} | wide), f"lists of null lists {version}")


def test_fixed_size_lists_of_one_struct_with_lists(tmp_path):
    """pylance writes lists inside fixed-size lists of structs and reads few of them again; of one item, we read all."""
    kind = pa.struct([("l", pa.list_(pa.int16())), ("x", pa.int8())])
    items = pa.array([{"l": None if i % 5 == 0 else [i] * (i % 3), "x": i % 7} for i in range(500)], kind)
    array = pa.FixedSizeListArray.from_arrays(items, type=pa.list_(kind, 1))
    write(tmp_path / "t.lance", pa.table({"f": array}), "2.2")
    check(tmp_path / "t.lance", pa.table({"f": array}), "one struct with a list")
