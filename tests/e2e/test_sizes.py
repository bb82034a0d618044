# SPDX-License-Identifier: Apache-2.0
"""What fstat tells of a result that is streamed: never less than there is, whatever the values and however they are packed (RULES 15),
and for ordinary tables so little more that programs which allocate it in one piece (Python, Node, Java) can read the file.

LANCEFS_FULL=1 takes larger tables."""
import datetime
import decimal
import os

import lance
import numpy as np
import pyarrow as pa
import pytest

FULL = os.environ.get("LANCEFS_FULL") == "1"
VERSIONS = ["2.0", "2.1", "2.2"]
FORMATS = ["jsonl", "csv", "tsv", "arrows"] if FULL else ["jsonl", "csv", "arrows"]
ROWS = 1_000_000 if FULL else 120_000


def told_and_true(path):
    """The size that is told once the file is open, and the bytes, as Python reads them: fstat's size in one piece."""
    with open(path, "rb") as file:
        told = os.fstat(file.fileno()).st_size
        data = file.read()
    return told, data


def told_and_long(path):
    """The same with the number of bytes, whatever was told."""
    with open(path, "rb") as file:
        told = os.fstat(file.fileno()).st_size
        return told, sum(len(piece) for piece in iter(lambda: file.read(1 << 20), b""))


def ordinary():
    random = np.random.default_rng(7)
    words = pa.array([f"word {i}" for i in range(5000)])
    return pa.table({
        "year": pa.array(np.full(ROWS, 2013)),
        "delay": pa.array(random.integers(-20, 900, ROWS), mask=random.random(ROWS) < 0.02),
        "distance": pa.array(random.integers(17, 5000, ROWS), pa.int32()),
        "fare": pa.array(random.integers(500, 90000, ROWS) / 100),
        "hour": pa.array(1_357_000_000_000_000 + np.arange(ROWS) * 1_000_000, pa.timestamp("us")),
        "carrier": pa.array([f"{i:02d}" for i in range(16)]).take(pa.array(random.integers(0, 16, ROWS))),
        "tail": pa.array([f"N{i:05d}" for i in range(4000)]).take(pa.array(random.integers(0, 4000, ROWS), mask=random.random(ROWS) < 0.01)),
        "note": pa.array([" ".join(t) for t in zip(*(words.take(pa.array(random.integers(0, 5000, ROWS))).to_pylist() for _ in range(3)))]),
    })


@pytest.fixture(scope="module")
def ordinary_table():
    return ordinary()


@pytest.mark.parametrize("version", VERSIONS)
def test_python_reads_what_is_streamed(mounts, tmp_path, ordinary_table, version):
    uri = tmp_path / "ordinary.lance"
    lance.write_dataset(ordinary_table, uri, data_storage_version=version, max_rows_per_file=ROWS // 3)
    mount = mounts(uri, "open-budget=1ms", "sizes=stream")
    for name, lines in (("jsonl", ROWS), ("csv", ROWS + 1), ("tsv", ROWS + 1)):
        told, data = told_and_true(mount.path / f"rows.{name}")
        assert data.count(b"\n") == lines
        assert told % 4096 == 0 and len(data) <= told <= 8 * len(data), (name, told, len(data))
    told, data = told_and_true(mount.path / "rows.arrows")
    assert pa.ipc.open_stream(data).read_all().num_rows == ROWS
    assert len(data) <= told <= 8 * len(data), (told, len(data))
    late = ROWS * 9 // 10
    told, data = told_and_true(mount.path / "query/filter=delay > 890/rows.jsonl")
    assert data.count(b"\n") == lance.dataset(uri).count_rows("delay > 890")
    assert len(data) <= told <= 8 * os.stat(mount.path / "rows.jsonl").st_size
    told, data = told_and_true(mount.path / f"query/offset={late}/select=note,upper(tail) as t/rows.csv")
    assert data.count(b"\n") == ROWS - late + 1 and len(data) <= told


def text(*parts):
    """Strings with metadata for how they are packed."""
    compression, values = parts
    metadata = {} if compression is None else {"lance-encoding:compression": compression}
    return pa.field("v", values.type, metadata=metadata), values


def mixed(rows, seed=3):
    """Of every length, with what JSON and CSV escape."""
    random = np.random.default_rng(seed)
    alphabet = list("abcdefgh \"\\\n\r,\t\x01\x1f\x7fäö€😀")
    return pa.array([None if i % 17 == 5 else "".join(random.choice(alphabet, i % 90)) for i in range(rows)])


def control(rows, length):
    return pa.array([chr(1 + i % 7) * length for i in range(rows)])


many = 20_000
STRUCT = pa.struct([("a", pa.int64()), ("na\"me\x01", pa.string()), ("deep", pa.struct([("l", pa.list_(pa.string()))]))])


def structs(rows):
    return pa.array([None if i % 9 == 4 else {"a": i, "na\"me\x01": "x\"" * (i % 5), "deep": {"l": ["y"] * (i % 4)} if i % 3 else None}
                     for i in range(rows)], STRUCT)


CASES = {
    "equal strings": lambda: text(None, pa.array(["x" * 10_000] * 3_000)),
    "equal strings, zstd": lambda: text("zstd", pa.array(["x" * 10_000] * 3_000)),
    "equal strings, lz4": lambda: text("lz4", pa.array(["x" * 10_000] * 3_000)),
    "equal strings, fsst": lambda: text("fsst", pa.array(["abcdefgh" * 1250] * 3_000)),
    "equal strings, unpacked": lambda: text("none", pa.array(["x" * 10_000] * 1_000)),
    "equal short strings": lambda: text(None, pa.array(["\x01\""] * 200_000)),
    "equal large strings": lambda: text(None, pa.array(["x" * 10_000] * 1_000, pa.large_string())),
    "equal long strings": lambda: text(None, pa.array(["y" * 100_000] * 200)),
    "long texts": lambda: text(None, pa.array([None if i % 10 == 3 else " ".join(map(str, np.random.default_rng(i).integers(0, 10**6, 20_000)))
                                               for i in range(150)])),
    "equal binary": lambda: text(None, pa.array([b"\0" * 10_000] * 2_000)),
    "few long strings": lambda: text(None, pa.array([c * 5_000 for c in "abc\x02"]).take(pa.array(np.arange(4_000) % 4))),
    "one long among short ones": lambda: text(None, pa.array(["s"] * 50_000 + ["\x03" * 2_000_000] + ["t"] * 50_000)),
    "long runs": lambda: text(None, pa.array([chr(97 + i // 10_000) * 300 for i in range(50_000)])),
    "repetitive, fsst": lambda: text(None, pa.array([f"{i} " + "the same words " * 20 for i in range(many)])),
    "control characters": lambda: text(None, control(many, 50)),
    "control characters, fsst": lambda: text("fsst", control(many, 50)),
    "quotes": lambda: text(None, pa.array(['"' * (i % 60) for i in range(many)])),
    "mixed": lambda: text(None, mixed(many)),
    "mixed, zstd": lambda: text("zstd", mixed(many)),
    "mixed, large": lambda: text(None, mixed(many).cast(pa.large_string())),
    "short": lambda: text(None, pa.array([str(i % 7) for i in range(200_000)])),
    "empty and null": lambda: text(None, pa.array([None if i % 2 else "" for i in range(200_000)])),
    "nulls": lambda: text(None, pa.nulls(200_000, pa.string())),
    "null type": lambda: text(None, pa.nulls(200_000)),
    "binary": lambda: text(None, pa.array([bytes(range(i % 200)) for i in range(many)])),
    "uuids": lambda: text(None, pa.array([bytes([i % 256]) * 16 for i in range(many)], pa.binary(16))),
    "dictionary": lambda: text(None, mixed(500).drop_null().unique().take(pa.array(np.arange(many) % 300)).dictionary_encode()),
    "equal lists": lambda: text(None, pa.array([list(range(1_000))] * 2_000)),
    "lists of equal bools": lambda: text(None, pa.array([[False] * 5_000] * 400)),
    "lists of nulls": lambda: text(None, pa.array([[None] * 2_000] * 500, pa.list_(pa.int64()))),
    "lists of null strings": lambda: text(None, pa.array([[None] * 2_000] * 500, pa.list_(pa.string()))),
    "lists of equal strings": lambda: text(None, pa.array([["word \x01"] * 50] * 5_000)),
    "empty lists": lambda: text(None, pa.array([[] if i % 3 else None for i in range(200_000)], pa.list_(pa.int32()))),
    "lists of empty lists": lambda: text(None, pa.array([[[]] * 40, [None] * 30, [[1]]] * 1_000, pa.list_(pa.list_(pa.int32())))),
    "lists of lists": lambda: text(None, pa.array([[[i % 3] * (i % 5)] * (i % 7) for i in range(many)], pa.list_(pa.list_(pa.int32())))),
    "large lists": lambda: text(None, pa.array([["a"] * (i % 9) for i in range(many)], pa.large_list(pa.large_string()))),
    "lists of structs": lambda: text(None, pa.ListArray.from_arrays(pa.array(np.arange(0, many + 1, 4), pa.int32()), structs(many))),
    "structs": lambda: text(None, structs(many)),
    "vectors": lambda: text(None, pa.FixedSizeListArray.from_arrays(pa.array(-np.random.default_rng(1).random(many * 8) * 1e-30, pa.float32()), 8)),
    "zero vectors": lambda: text(None, pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(400_000, np.float32)), 200)),
    "numbers": lambda: text(None, pa.array(np.full(200_000, -(2**63)))),
    "floats": lambda: text(None, pa.array([-1.7976931348623157e308, 5e-324, None, float("nan"), float("-inf")] * many)),
    "decimals": lambda: text(None, pa.array([decimal.Decimal("-" + "9" * 38)] * many, pa.decimal128(38, 0))),
    "dates": lambda: text(None, pa.array([datetime.date(9999, 12, 31), None] * many)),
    "times": lambda: text(None, pa.array([2**62, -(2**63)] * many, pa.timestamp("ns", "UTC"))),
    "maps": lambda: text(None, pa.array([[("k\"" + str(i % 5), "v" * (i % 8))] * (i % 4) for i in range(many)], pa.map_(pa.string(), pa.string()))),
    "json": lambda: text(None, pa.array(['{"a": "\\u0001\\u0002", "b": [1.5, {}, [], null, true], "c\\"": %d}' % i for i in range(many)], pa.json_())),
    "packed structs": lambda: (pa.field("v", pa.struct([("x", pa.int32()), ("s", pa.string())]), metadata={"lance-encoding:packed": "true"}),
                               pa.array([{"x": i, "s": "\x01" * (i % 9)} for i in range(many)])),
    "blobs": lambda: (pa.field("v", pa.large_binary(), metadata={"lance-encoding:blob": "true"}), pa.array([b"b" * 20_000] * 100, pa.large_binary())),
}
# What a version does not have.
MISSING = {"2.0": {"structs", "lists of structs", "maps", "null type", "packed structs"}, "2.1": {"maps", "packed structs"}, "2.2": {"blobs"}}


@pytest.mark.parametrize("version", VERSIONS)
def test_never_less_than_there_is(mounts, tmp_path, version):
    names = {}
    for i, (name, make) in enumerate(CASES.items()):
        if name in MISSING[version]:
            continue
        field, values = make()
        table = pa.Table.from_arrays([pa.array(np.arange(len(values))), values], schema=pa.schema([pa.field("i", pa.int64()), field]))
        uri = tmp_path / f"t{i}.lance"
        lance.write_dataset(table, uri, data_storage_version=version, max_rows_per_file=len(table) * 2 // 3 + 1)
        names[f"t{i}"] = name
    mount = mounts(tmp_path, "sizes=stream")
    wrong = []
    for table, name in names.items():
        for suffix in FORMATS:
            told, size = told_and_long(mount.path / table / f"rows.{suffix}")
            print(f"{version} {name}: {suffix} {told / size:.1f} ({size})")
            if told < size or told % 4096 != 0:
                wrong.append((name, suffix, told, size))
    assert not wrong


@pytest.mark.parametrize("version", VERSIONS)
def test_deletions_and_columns_that_came_later(mounts, tmp_path, version):
    uri = tmp_path / "t.lance"
    table = pa.table({"i": np.arange(many), "s": mixed(many)})
    dataset = lance.write_dataset(table, uri, data_storage_version=version, max_rows_per_file=many // 3)
    dataset.delete("i % 3 = 1")
    dataset.add_columns({"t": "concat(s, s)", "n": "i * 2"})
    lance.write_dataset(table.slice(0, 100), uri, mode="append")
    dataset = lance.dataset(uri)
    dataset.add_columns(pa.field("later", pa.list_(pa.string())))
    mount = mounts(uri, "sizes=stream")
    for suffix in FORMATS:
        for path in ("", "query/select=t,later,s/", "query/filter=n > 7/", "fragments/1/", "query/limit=500/"):
            told, size = told_and_long(mount.path / f"{path}rows.{suffix}")
            assert size <= told and told % 4096 == 0, (suffix, path, told, size)


def test_many_small_batches(mounts, tmp_path):
    """Every batch of an Arrow stream has a header of its own."""
    uri = tmp_path / "t.lance"
    rows = 900
    lance.write_dataset(pa.table({"i": np.arange(rows, dtype=np.int8), "j": np.arange(rows)}), uri, max_rows_per_file=1)
    mount = mounts(uri, "sizes=stream")
    for path in ("rows.arrows", "query/select=i/rows.arrows", "query/filter=j % 7 = 0/rows.arrows"):
        told, size = told_and_long(mount.path / path)
        assert size <= told, (path, told, size)
