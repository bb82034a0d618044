# SPDX-License-Identifier: Apache-2.0
"""Planar pages of 2.3 files: what pylance writes sparsely (and densely) is read by file_probe, all rows and random takes,
and compared line by line with what pylance itself reads. The types of 2.1 and 2.2 run with 2.3 in test_read_structural.py."""
import random
import subprocess

import numpy as np
import pyarrow as pa
import pytest
from lance.file import LanceFileReader

import canonical
from data_files import PROBE, probe, write


def plain(table):
    """Dictionaries are their values, at the top level and inside lists of theirs."""
    columns = [c.cast(c.type.value_type) if pa.types.is_dictionary(c.type) else c for c in table.combine_chunks().columns]
    return pa.table(columns, names=table.column_names)


def same(got, want, what):
    assert got.num_rows == want.num_rows, what
    got, want = plain(got), plain(want)
    for name in want.column_names:
        if got.column(name).equals(want.column(name)):
            continue
        # NaN, or a difference, which the lines show.
        have, expect = canonical.lines(got.select([name])), canonical.lines(want.select([name]))
        for row, (a, b) in enumerate(zip(have, expect)):
            assert a == b, f"{what} row {row}: {a[:200]} instead of {b[:200]}"


def check(tmp_path, table, batch=None, seed=1, pylance_reads=True):
    path = tmp_path / "file.lance"
    write(path, table, "2.3", batch)
    want = table
    if pylance_reads:
        want = LanceFileReader(str(path)).read_all().to_table()
        same(want, table, "pylance")  # else the judge is wrong
    same(probe(path), want, "whole")
    rng = random.Random(seed)
    rows = table.num_rows
    same(probe(path, "--batch", str(max(1, rows // 7))), want, "batches")
    for count in (1, 30, 300):
        picked = sorted(rng.sample(range(rows), min(rows, count)))
        taken = LanceFileReader(str(path)).take_rows(picked).to_table() if pylance_reads else want.take(picked)
        same(probe(path, "--rows", ",".join(f"{i}-{i + 1}" for i in picked)), taken, f"take {picked[:10]}")
    for _ in range(2):
        cuts = sorted(rng.sample(range(rows + 1), min(6, (rows + 1) // 2 * 2)))
        ranges = list(zip(cuts[::2], cuts[1::2]))
        expect = pa.concat_tables([want.slice(a, b - a) for a, b in ranges])
        same(probe(path, "--rows", ",".join(f"{a}-{b}" for a, b in ranges)), expect, f"ranges {ranges}")


def field(name, type_, **keys):
    return pa.field(name, type_, True, {"lance-encoding:" + k.replace("_", "-"): v for k, v in keys.items()})


def holes(n, share, rng):
    return rng.random(n) < share


VALUES = {
    "int32": lambda n, r: pa.array(r.integers(-1000, 1000, n), pa.int32()),
    "int64_range": lambda n, r: pa.array(np.arange(n) * 3 + 7),
    "double": lambda n, r: pa.array(r.random(n)),
    "bool": lambda n, r: pa.array(r.random(n) < 0.5),
    "half": lambda n, r: pa.array(r.random(n).astype(np.float16)),
    "decimal": lambda n, r: pa.array(r.integers(0, 10**9, n)).cast(pa.decimal128(22, 0)),
    "string": lambda n, r: pa.array([f"value {i}" for i in r.integers(0, 10**9, n)]),
    "few_strings": lambda n, r: pa.array([f"value {i}" for i in r.integers(0, 20, n)]),
    "long_string": lambda n, r: pa.array([f"{i} " * 150 for i in r.integers(0, 10**9, n)]),
    "few_long_strings": lambda n, r: pa.array([f"{i} " * (1000 + i) for i in r.integers(0, 60, n)]),
    "large_binary": lambda n, r: pa.array([bytes([i % 256]) * (i % 700) for i in range(n)], pa.large_binary()),
    "constant": lambda n, r: pa.array(np.full(n, 42)),
    "constant_bool": lambda n, r: pa.array([True] * n),
    "constant_string": lambda n, r: pa.array(["always the same text"] * n),
    "fsb300": lambda n, r: pa.array([bytes(r.integers(0, 256, 300, np.uint8)) for _ in range(n)], pa.binary(300)),
    "vector": lambda n, r: pa.FixedSizeListArray.from_arrays(pa.array(r.random(n * 128, np.float32)), 128),
    "few_vectors": lambda n, r: pa.FixedSizeListArray.from_arrays(pa.array(np.repeat(np.arange(n) % 5, 16).astype(np.float32)), 16),
    "few_vectors_with_holes": lambda n, r: pa.FixedSizeListArray.from_arrays(
        pa.array(np.repeat(np.arange(n) % 5, 16).astype(np.float32), mask=np.tile(np.arange(16) % 7 == 0, n)), 16),
    "small_vector": lambda n, r: pa.FixedSizeListArray.from_arrays(pa.array(r.integers(0, 9, n * 3), pa.int16()), 3),
    "dictionary": lambda n, r: pa.array([f"k{i}" for i in r.integers(0, 50, n)]).dictionary_encode(),
    "timestamp": lambda n, r: pa.array(r.integers(0, 2**50, n)).view(pa.timestamp("us", "UTC")),
}


def with_holes(array, mask):
    return array.take(pa.array(np.arange(len(array)), mask=mask))


@pytest.mark.parametrize("encoding", [None, "sparse", "miniblock", "fullzip"])
@pytest.mark.parametrize("name", VALUES)
def test_flat_with_nulls(tmp_path, name, encoding):
    if encoding == "fullzip" and name == "dictionary":
        pytest.skip("no full-zip pages for dictionaries")
    rng = np.random.default_rng(len(name))
    n = 3000
    keys = {"structural_encoding": encoding} if encoding else {}
    values = VALUES[name](n, rng)
    columns, fields = [], []
    for label, mask in [("none", None), ("some", holes(n, 0.2, rng)), ("most", holes(n, 0.97, rng)), ("half", np.arange(n) % 2 == 1),
                        ("tail", np.arange(n) >= 100), ("one", np.arange(n) == 1234), ("all", np.full(n, True)), ("but_one", np.arange(n) != 77)]:
        array = values if mask is None else with_holes(values, mask)
        columns.append(array)
        fields.append(field(label, array.type, **keys))
    check(tmp_path, pa.table(columns, pa.schema(fields)))


@pytest.mark.parametrize("rows", [1, 2, 3, 5, 100, 1025])
@pytest.mark.parametrize("encoding", [None, "sparse"])
def test_few_rows(tmp_path, rows, encoding):
    rng = np.random.default_rng(rows)
    keys = {"structural_encoding": encoding} if encoding else {}
    columns, fields = [], []
    for name, make in VALUES.items():
        for share in (0.0, 0.3, 1.0):
            array = with_holes(make(rows, rng), holes(rows, share, rng))
            columns.append(array)
            fields.append(field(f"{name}_{int(share * 100)}", array.type, **keys))
    check(tmp_path, pa.table(columns, pa.schema(fields)))


def lists(values, sizes, mask=None, large=False):
    """Lists of these sizes over the values, null where the mask says so."""
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    kind = pa.LargeListArray if large else pa.ListArray
    width = pa.int64() if large else pa.int32()
    null_at = np.zeros(len(offsets), bool) if mask is None else np.concatenate([mask, [False]])
    return kind.from_arrays(pa.array(offsets, width, mask=null_at), values)


@pytest.mark.parametrize("name", VALUES)
def test_long_columns_of_almost_empty_lists(tmp_path, name):
    rng = np.random.default_rng(5)
    rows = 90000
    sizes = np.where(rng.random(rows) < 0.01, rng.integers(1, 5, rows), 0)
    mask = holes(rows, 0.1, rng) & (sizes == 0)
    values = VALUES[name](int(sizes.sum()), rng)
    columns = {
        "list": lists(values, sizes, mask),
        "list_without_nulls": lists(values, sizes),
        "null_items": lists(with_holes(values, holes(len(values), 0.5, rng)), sizes, mask, large=True),
    }
    check(tmp_path, pa.table(columns))


@pytest.mark.parametrize("encoding", [None, "sparse", "miniblock", "fullzip"])
@pytest.mark.parametrize("shape", ["regular", "random", "nulls", "huge_row", "all_empty", "all_null"])
def test_lists(tmp_path, shape, encoding):
    rng = np.random.default_rng(3)
    rows = 2000
    keys = {"structural_encoding": encoding} if encoding else {}
    sizes = {"regular": np.full(rows, 3), "random": rng.integers(0, 6, rows), "nulls": rng.integers(0, 6, rows),
             "huge_row": np.where(np.arange(rows) == 999, 70000, rng.integers(0, 2, rows)), "all_empty": np.zeros(rows, int),
             "all_null": np.zeros(rows, int)}[shape]
    mask = {"nulls": holes(rows, 0.3, rng), "all_null": np.full(rows, True)}.get(shape)
    if mask is not None:
        sizes = np.where(mask, 0, sizes)
    columns, fields = [], []
    for name in ("int32", "string", "few_strings", "long_string", "constant", "bool", "vector", "dictionary"):
        if encoding == "fullzip" and name == "dictionary" or shape == "huge_row" and name in ("long_string", "vector"):
            continue
        values = VALUES[name](int(sizes.sum()), rng)
        for label, items in (("", values), ("_holes", with_holes(values, holes(len(values), 0.4, rng)))):
            array = lists(items, sizes, mask)
            columns.append(array)
            fields.append(field(name + label, array.type, **keys))
    check(tmp_path, pa.table(columns, pa.schema(fields)))


@pytest.mark.parametrize("encoding", [None, "sparse"])
@pytest.mark.parametrize("rows", [7, 1500])
def test_fixed_size_lists_of_structs(tmp_path, rows, encoding):
    """Structural fixed-size lists, alone, in lists, and with lists in them."""
    r = random.Random(rows)
    keys = {"structural_encoding": encoding} if encoding else {}
    maybe = lambda make, p=0.15: None if r.random() < p else make()
    pair = pa.struct([("a", pa.int32()), ("b", pa.string())])
    rich = pa.struct([("n", pa.int64()), ("l", pa.list_(pa.int16())), ("m", pa.map_(pa.string(), pa.float64()))])
    make_pair = lambda: {"a": maybe(lambda: r.randint(0, 9)), "b": maybe(lambda: "x" * r.randint(0, 8))}
    make_rich = lambda: {"n": maybe(lambda: r.randint(0, 10**12)), "l": maybe(lambda: [maybe(lambda: r.randint(0, 9)) for _ in range(r.randint(0, 3))]),
                         "m": [(f"k{i}", r.random()) for i in range(r.randint(0, 2))]}
    columns = {
        "fsl": ([maybe(lambda: [maybe(make_pair) for _ in range(3)]) for _ in range(rows)], pa.list_(pair, 3)),
        "fsl_rich": ([maybe(lambda: [maybe(make_rich) for _ in range(2)]) for _ in range(rows)], pa.list_(rich, 2)),
        "list_fsl": ([maybe(lambda: [maybe(lambda: [make_pair() for _ in range(2)]) for _ in range(r.randint(0, 3))]) for _ in range(rows)],
                     pa.list_(pa.list_(pair, 2))),
        "struct_fsl": ([maybe(lambda: {"f": maybe(lambda: [make_pair() for _ in range(4)])}) for _ in range(rows)], pa.struct([("f", pa.list_(pair, 4))])),
    }
    for name, (values, type_) in columns.items():
        array = pa.array(values, type_)
        # The reference's file reader counts rows of these columns in items, and gives up on siblings of different layouts.
        check(tmp_path, pa.table([array], pa.schema([field(name, array.type, **keys)])), pylance_reads=False)


@pytest.mark.parametrize("keys", [{"compression": "zstd"}, {"compression": "lz4"}, {"compression": "fsst"}, {"compression": "none"}, {"rle_threshold": "1.0"},
                                  {"rle_threshold": "1.0", "compression": "zstd"}, {"compression": "zstd", "bss": "on"}, {"compression": "lz4", "bss": "on"},
                                  {"minichunk_size": "16384"}, {"dict_divisor": "1", "dict_size_ratio": "1.0"}, {"dict_values_compression": "zstd"}],
                         ids=lambda keys: "_".join(f"{k}={v}" for k, v in keys.items()))
@pytest.mark.parametrize("encoding", [None, "sparse"])
def test_encodings(tmp_path, keys, encoding):
    rng = np.random.default_rng(9)
    n = 6000
    keys = dict(keys, **({"structural_encoding": encoding} if encoding else {}))
    patterns = {
        "runs": np.repeat(rng.integers(0, 2**40, n // 100), 100),
        "long_runs": np.repeat(rng.integers(0, 2**40, 6), 1000),
        "very_long_run": np.where(np.arange(n) < 5900, 5, np.arange(n)),
        "sorted": np.sort(rng.integers(0, 2**50, n)),
        "steps": np.arange(n) * 1000,
        "few": rng.choice(rng.integers(0, 2**60, 10), n),
        "small": rng.integers(0, 50, n),
    }
    columns, fields = [], []
    for pattern, numbers in patterns.items():
        arrays = {
            "i8": pa.array((numbers % 100).astype(np.int8)), "i16": pa.array((numbers % 30000).astype(np.int16)), "i32": pa.array((numbers % 2**31).astype(np.int32)),
            "i64": pa.array(numbers), "f32": pa.array((numbers % 1000 / 8).astype(np.float32)), "f64": pa.array(numbers / 8),
            "text": pa.array([f"text {i}" for i in numbers]), "equal_lengths": pa.array(["%016d" % (i % 10**16) for i in numbers]),
            "lengths": pa.array(["y" * (i % 40) for i in numbers], pa.large_string()),
        }
        for name, array in arrays.items():
            for label, mask in (("", None), ("_some", holes(n, 0.1, rng)), ("_most", holes(n, 0.9, rng))):
                columns.append(array if mask is None else with_holes(array, mask))
                fields.append(field(f"{pattern}_{name}{label}", array.type, **keys))
    check(tmp_path, pa.table(columns, pa.schema(fields)))


@pytest.mark.parametrize("names", ["ab", "abv", "abt", "t", "wide"])
@pytest.mark.parametrize("encoding", [None, "sparse", "fullzip"])
def test_packed_structs(tmp_path, names, encoding):
    rng = np.random.default_rng(2)
    n = 3000
    children = {"a": pa.array(rng.integers(0, 100, n), pa.int32()), "b": pa.array(rng.random(n)), "v": VALUES["small_vector"](n, rng),
                "t": VALUES["string"](n, rng)}
    parts = {"x": VALUES["vector"](n, rng), "a": children["a"]} if names == "wide" else {k: children[k] for k in names}
    columns, fields = [], []
    keys = {"structural_encoding": encoding} if encoding else {}
    for label, mask in (("none", None), ("some", holes(n, 0.2, rng)), ("most", holes(n, 0.95, rng))):
        array = pa.StructArray.from_arrays(list(parts.values()), names=list(parts), mask=None if mask is None else pa.array(mask))
        columns.append(array)
        fields.append(field(label, array.type, packed="true", **keys))
    check(tmp_path, pa.table(columns, pa.schema(fields)))


def test_pages_of_all_kinds_in_one_column(tmp_path):
    """A column whose pages are dense, sparse, constant and null by turns, cut by small batches."""
    parts = []
    rng = np.random.default_rng(4)
    for k in range(12):
        n = 40000
        numbers = {0: rng.integers(0, 10**6, n), 1: np.full(n, 7), 2: np.arange(n), 3: rng.integers(0, 5, n)}[k % 4]
        share = {0: 0.0, 1: 0.3, 2: 1.0, 3: 0.99, 4: 0.5}[k % 5]
        array = with_holes(pa.array(numbers), holes(n, share, rng))
        text = with_holes(pa.array([f"{i} " * 60 for i in numbers]), holes(n, max(share, 0.8), rng))
        parts.append(pa.table({"number": array, "text": text, "list": lists(array, np.full(n, 1))}))
    path_table = pa.concat_tables(parts)
    check(tmp_path, path_table, batch=40000)


def io_of(path, rows):
    run = subprocess.run([PROBE, str(path), "--rows", rows, "--io", "stderr"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert run.returncode == 0, run.stderr.decode()
    words = run.stderr.decode().split()
    return int(words[words.index("bytes") + 1]), int(words[words.index("requests") + 1])


@pytest.mark.parametrize("kind", ["chunked", "zipped", "indexed", "lists"])
def test_takes_read_a_part_of_the_page(tmp_path, kind):
    """A row of a sparse page costs its structure and the values' table, and one chunk or value; never the values."""
    rng = np.random.default_rng(6)
    n = 60000
    if kind == "chunked":
        array = with_holes(pa.array(rng.integers(0, 2**62, n)), holes(n, 0.3, rng))
    elif kind == "zipped":
        array = with_holes(pa.array([rng.bytes(1000) for _ in range(n)], pa.binary()), holes(n, 0.9, rng))
    elif kind == "indexed":
        items = [rng.bytes(20000) for _ in range(50)]
        array = with_holes(pa.array([items[i] for i in rng.integers(0, 50, 5000)], pa.binary()), holes(5000, 0.2, rng))
    else:
        sizes = np.where(rng.random(n) < 0.2, 30, 0)
        array = lists(pa.array(rng.integers(0, 2**62, int(sizes.sum()))), sizes)
    path = tmp_path / "take.lance"
    write(path, pa.table([array], pa.schema([field("c", array.type, structural_encoding="sparse")])), "2.3")
    size = path.stat().st_size
    row = next(i for i in range(len(array) // 2, len(array)) if array[i].is_valid and len(array[i].as_py() if kind == "lists" else "x") > 0)
    few, requests = io_of(path, f"{row}-{row + 1}")
    everything, _ = io_of(path, f"0-{len(array)}")
    assert everything > size * 0.9
    assert few < {"chunked": 0.35, "zipped": 0.1, "indexed": 0.1, "lists": 0.1}[kind] * size, (few, size)
    assert requests <= 8
