# SPDX-License-Identifier: Apache-2.0
"""Tables of data version 0.1 (pylance: data_storage_version="legacy") that pylance wrote, read by us: every type, several
files and row groups, deletions, columns spread over several files, old manifests; always against pylance's own reading."""
import datetime
import decimal
import random
import struct

import lance
import numpy as np
import pyarrow as pa
import pytest

import canonical
from manifests import rewrite_manifest
from programs import Adapter, Refused, lancefs

ROWS = 700


@pytest.fixture(scope="module")
def adapter():
    adapter = Adapter()
    yield adapter
    adapter.close()


def write(path, table, **options):
    lance.write_dataset(table, path, data_storage_version="legacy", max_rows_per_group=100, max_rows_per_file=300, **options)
    return lance.dataset(path)  # the writer's own keeps dictionaries as they were before writing


def expected(dataset, **query):
    return canonical.jsonl(dataset.scanner(**query).to_table())


def some(rng, make, nulls=0.2):
    """Values with nulls, which 0.1 does not keep."""
    return [None if rng.random() < nulls else make() for _ in range(ROWS)]


def columns():
    rng = random.Random(1)
    text = lambda: rng.choice(["", "a", "ä", "longer text " * rng.randint(1, 20), str(rng.random())])
    plain = {
        "bool": (pa.bool_(), lambda: rng.random() < 0.5),
        "f32": (pa.float32(), lambda: struct.unpack("f", struct.pack("f", rng.uniform(-1e6, 1e6)))[0]),
        "f64": (pa.float64(), lambda: rng.choice([float("nan"), float("inf"), -0.0, rng.uniform(-1, 1)])),
        "date32": (pa.date32(), lambda: datetime.date(1950, 1, 1) + datetime.timedelta(days=rng.randint(0, 40000))),
        "date64": (pa.date64(), lambda: datetime.date(1950, 1, 1) + datetime.timedelta(days=rng.randint(0, 40000))),
        "dec": (pa.decimal128(20, 4), lambda: decimal.Decimal(rng.randint(-10**15, 10**15)).scaleb(-4)),
        "dec256": (pa.decimal256(50, 2), lambda: decimal.Decimal(rng.randint(-10**30, 10**30)).scaleb(-2)),
        "string": (pa.string(), text),
        "large_string": (pa.large_string(), text),
        "binary": (pa.binary(), lambda: rng.randbytes(rng.randint(0, 30))),
        "large_binary": (pa.large_binary(), lambda: rng.randbytes(rng.randint(0, 30))),
        "fsb": (pa.binary(5), lambda: rng.randbytes(5)),
        "list": (pa.list_(pa.int32()), lambda: [rng.randint(-9, 9) for _ in range(rng.randint(0, 5))]),
        "large_list": (pa.large_list(pa.string()), lambda: [text() for _ in range(rng.randint(0, 5))]),
        "list_bool": (pa.list_(pa.bool_()), lambda: [rng.random() < 0.5 for _ in range(rng.randint(0, 20))]),
        "list_list": (pa.list_(pa.list_(pa.int64())), lambda: [[rng.randint(0, 9)] * rng.randint(0, 3) for _ in range(rng.randint(0, 4))]),
        "list_struct": (pa.list_(pa.struct([("a", pa.int32()), ("b", pa.string())])),
                        lambda: [{"a": rng.randint(0, 9), "b": text()} for _ in range(rng.randint(0, 4))]),
        "fsl": (pa.list_(pa.float32(), 4), lambda: [float(rng.randint(0, 9))] * 4),
        "fsl_fsl": (pa.list_(pa.list_(pa.int16(), 2), 2), lambda: [[1, rng.randint(0, 9)], [rng.randint(0, 9), 4]]),
        "list_fsl": (pa.list_(pa.list_(pa.int8(), 3)), lambda: [[1, 2, rng.randint(0, 9)]] * rng.randint(0, 3)),
    }
    out = {name: pa.array(some(rng, make), type) for name, (type, make) in plain.items()}
    # Fixed-size lists of nulls and structs of nulls have no values to write.
    for name in ("fsl", "fsl_fsl"):
        out[name] = pa.array(some(rng, plain[name][1], 0), plain[name][0])
    for bits in (8, 16, 32, 64):
        for kind in ("int", "uint"):
            low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if kind == "int" else (0, 2**bits - 1)
            out[f"{kind}{bits}"] = pa.array(some(rng, lambda low=low, high=high: rng.choice([low, high, 0, rng.randint(low, high)])),
                                            pa.type_for_alias(f"{kind}{bits}"))
    out["f16"] = pa.array(np.array([rng.uniform(-10, 10) for _ in range(ROWS)], np.float16))
    numbers = pa.array([rng.randint(0, 86399) for _ in range(ROWS)], pa.int64())
    for type in (pa.timestamp("s"), pa.timestamp("ms", "UTC"), pa.timestamp("us"), pa.timestamp("ns", "Europe/Berlin"), pa.duration("s"),
                 pa.duration("us"), pa.time64("us"), pa.time64("ns")):
        out[str(type)] = numbers.cast(type)
    for type in (pa.time32("s"), pa.time32("ms")):
        out[str(type)] = numbers.cast(pa.int32()).cast(type)
    inner = pa.StructArray.from_arrays([out["int32"], out["string"]], ["n", "s"])
    out["struct"] = pa.StructArray.from_arrays([inner, out["bool"], out["list"]], ["inner", "b", "l"])
    words = ["red", "green", "", "blue", "ä" * 40]
    out["dict8"] = pa.DictionaryArray.from_arrays(pa.array([rng.randrange(5) for _ in range(ROWS)], pa.int8()), pa.array(words))
    out["dict32"] = pa.DictionaryArray.from_arrays(pa.array(some(rng, lambda: rng.randrange(5)), pa.int32()), pa.array(words, pa.large_string()))
    out["dict_int"] = pa.DictionaryArray.from_arrays(pa.array([rng.randrange(3) for _ in range(ROWS)], pa.uint16()), pa.array([7, 8, 9], pa.int64()))
    out["null"] = pa.nulls(ROWS)
    return out


COLUMNS = columns()


def with_id(**more):
    return pa.table({"id": pa.array(range(ROWS), pa.int64()), **more})


def check(adapter, dataset, name):
    """Whole, parts, and rows far from each other, of a column."""
    uri = dataset.uri
    assert adapter.read(uri, select=[name]) == expected(dataset, columns=[name])
    for offset, limit in ((0, 1), (99, 2), (299, 300), (650, 50), (123, 456)):
        assert adapter.read(uri, select=["id", name], offset=offset, limit=limit) == expected(dataset, columns=["id", name], offset=offset, limit=limit)
    rng = random.Random(name)
    for count in (1, 7, 60):
        ids = ", ".join(map(str, sorted(rng.sample(range(ROWS), count))))
        assert adapter.read(uri, select=["id", name], filter=f"id IN ({ids})") == expected(dataset, columns=["id", name], filter=f"id IN ({ids})")


@pytest.mark.parametrize("name", COLUMNS)
def test_type(adapter, tmp_path, name):
    dataset = write(tmp_path / "t.lance", with_id(**{name: COLUMNS[name]}))
    assert len(dataset.get_fragments()) == 3
    check(adapter, dataset, name)


@pytest.mark.parametrize("name", ["string", "large_binary", "list", "struct", "int64"])
def test_not_nullable(adapter, tmp_path, name):
    values = COLUMNS[name].drop_null()
    values = pa.concat_arrays([values, values])[:ROWS]
    schema = pa.schema([pa.field("id", pa.int64()), pa.field(name, values.type, nullable=False)])
    dataset = write(tmp_path / "t.lance", pa.table([pa.array(range(ROWS), pa.int64()), values], schema=schema))
    check(adapter, dataset, name)


def test_all_types_together(adapter, tmp_path):
    table = with_id(**{name: values for name, values in COLUMNS.items()})
    dataset = write(tmp_path / "t.lance", table)
    assert adapter.read(dataset.uri) == expected(dataset)
    names = ["struct", "id", "dict8", "list_struct", "string"]
    assert adapter.read(dataset.uri, select=names) == expected(dataset, columns=names)
    assert lancefs("verify", dataset.uri)


def test_versions_deletions_and_row_ids(adapter, tmp_path):
    path = tmp_path / "t.lance"
    write(path, with_id(s=COLUMNS["string"], l=COLUMNS["large_list"], d=COLUMNS["dict_int"]))
    dataset = lance.dataset(path)
    dataset.delete("id % 3 = 1 OR (id > 290 AND id < 420)")
    dataset.delete("id = 699")
    write(path, with_id(s=COLUMNS["string"], l=COLUMNS["large_list"], d=COLUMNS["dict_int"]), mode="append")
    for version in (1, 2, 3, 4):
        dataset = lance.dataset(path, version=version)
        assert adapter.read(path, version=version) == expected(dataset)
        assert adapter.read(path, version=version, with_row_id=True, select=["id"]) == expected(dataset, columns=["id"], with_row_id=True)
        assert adapter.read(path, version=version, filter="id % 97 = 3") == expected(dataset, filter="id % 97 = 3")
        assert adapter.read(path, version=version, offset=200, limit=250, select=["s"]) == expected(dataset, columns=["s"], offset=200, limit=250)
        assert int(lancefs("cat", path, f"versions/{version}/count")) == dataset.count_rows()
    assert lancefs("verify", path)


def test_columns_in_several_files(adapter, tmp_path):
    path = tmp_path / "t.lance"
    write(path, with_id(st=COLUMNS["struct"], s=COLUMNS["string"]))
    dataset = lance.dataset(path)
    full = {name: COLUMNS[source].drop_null() for name, source in (("extra", "list_struct"), ("more", "f64"))}  # pylance refuses nulls here
    full = {name: pa.concat_arrays([values, values])[:ROWS] for name, values in full.items()}
    dataset.merge(pa.table({"key": pa.array(range(ROWS), pa.int64()), **full}), left_on="id", right_on="key")
    assert adapter.read(path) == expected(dataset)
    dataset.drop_columns(["s"])
    assert adapter.read(path) == expected(dataset)
    dataset.add_columns({"twice": "id * 2"})
    dataset.alter_columns({"path": "more", "name": "renamed"})
    dataset.delete("id < 20")
    assert adapter.read(path) == expected(dataset)
    for names in (["twice"], ["extra", "id"], ["renamed", "twice", "st"]):
        assert adapter.read(path, select=names) == expected(dataset, columns=names)
        assert adapter.read(path, select=names, filter="id IN (21, 400, 401, 690)") == expected(dataset, columns=names, filter="id IN (21, 400, 401, 690)")
    assert lancefs("verify", path)


def test_compacted(adapter, tmp_path):
    path = tmp_path / "t.lance"
    dataset = write(path, with_id(st=COLUMNS["struct"], s=COLUMNS["string"], b=COLUMNS["bool"]))
    dataset.delete("id % 2 = 0")
    dataset.optimize.compact_files()
    assert adapter.read(path) == expected(lance.dataset(path))


def test_bfloat16(adapter, tmp_path):
    storage = pa.array([bytes([i % 256, 0x40]) for i in range(ROWS * 4)], pa.binary(2))
    field = pa.field("item", pa.binary(2), metadata={"ARROW:extension:name": "lance.bfloat16"})
    vectors = pa.FixedSizeListArray.from_arrays(storage, type=pa.list_(field, 4))
    dataset = write(tmp_path / "t.lance", with_id(v=vectors))
    numbers = [struct.unpack("<f", b"\0\0" + value)[0] for value in storage.to_pylist()]
    want = [f'{{"v":[{",".join(map(canonical.single, numbers[i:i + 4]))}]}}'.encode() for i in range(0, len(numbers), 4)]
    assert adapter.read(dataset.uri, select=["v"]).splitlines() == want
    assert adapter.read(dataset.uri, select=["v"], filter="id = 123").splitlines() == want[123:124]


def test_wide_rows_keep_memory_small(tmp_path):
    """Pages do not tell their sizes; a scan of long strings must not take them for short ones."""
    table = pa.table({"s": pa.array(["x" * 200_000] * 1000)})
    lance.write_dataset(table, tmp_path / "t.lance", data_storage_version="legacy", max_rows_per_group=64)
    assert lancefs("cat", tmp_path / "t.lance", "query/select=length(s) AS n/offset=998/rows.jsonl") == b'{"n":200000}\n{"n":200000}\n'


def test_append_is_refused_before_anything_is_written(adapter, tmp_path):
    path = tmp_path / "t.lance"
    write(path, with_id(s=COLUMNS["string"]))
    before = sorted(path.rglob("*"))
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"id":1,"s":"a"}\n')
    result = lancefs("append", path, rows, check=False)
    assert result.returncode != 0 and b"data version 0.1" in result.stderr
    with pytest.raises(Refused, match="data version 0.1"):
        adapter.ask("append", path, file=str(rows))
    assert sorted(path.rglob("*")) == before
    result = lancefs("create", tmp_path / "new.lance", rows, "--data-version", "0.1", check=False)
    assert result.returncode != 0 and b"0.1" in result.stderr and not (tmp_path / "new.lance").exists()


@pytest.mark.parametrize("version", ["legacy", "2.0", "2.1", "2.2"])
def test_unknown_counts_are_found_out(adapter, tmp_path, version):
    """Manifests without physical_rows (fragment field 4) and num_deleted_rows (deletion file field 4) are read all the same."""
    path = tmp_path / "t.lance"
    lance.write_dataset(with_id(s=COLUMNS["string"]), path, data_storage_version=version, max_rows_per_file=300)
    lance.dataset(path).delete("id % 7 = 2 AND id < 500")
    want = expected(lance.dataset(path))

    def forget(manifest):
        for fragment in manifest.fragments:
            fragment.clear("physical_rows")
            if fragment.has("deletion_file"):
                fragment.deletion_file.clear("num_deleted_rows")
    rewrite_manifest(path, 2, forget)
    assert expected(lance.dataset(path)) == want
    assert adapter.read(path) == want
    assert adapter.read(path, offset=250, limit=100) == b"".join(want.splitlines(True)[250:350])
    assert int(lancefs("cat", path, "count")) == lance.dataset(path).count_rows() == want.count(b"\n")
    assert lancefs("verify", path)


def test_wrong_counts_of_nameless_writers(adapter, tmp_path):
    """Before writers left their name in the manifest (field 13), physical_rows could be wrong."""
    path = tmp_path / "t.lance"
    write(path, with_id(s=COLUMNS["string"]))
    want = expected(lance.dataset(path))

    def shrink(manifest):
        manifest.clear("writer_version")
        for fragment in manifest.fragments:
            fragment.physical_rows = 17
    rewrite_manifest(path, 1, shrink)
    assert expected(lance.dataset(path)) == want
    assert adapter.read(path) == want
    assert int(lancefs("cat", path, "count")) == ROWS


# Left out: pylance gives up its statistics for the whole filter where one has %, || or bits of columns, and takes a batch whose least
# and greatest value are the same for that value alone, nulls included.
NULL_FILTERS = [
    "{c} IS NULL", "{c} IS NOT NULL", "NOT ({c} IS NULL)", "id < 350 AND {c} IS NULL", "{c} IS NULL OR id = 650", "{c} = {v}", "{c} <> {v}", "NOT ({c} = {v})",
    "{c} = {v} OR {c} IS NULL", "{c} IN ({v})", "({c} = {v}) IS NULL", "({c} = {v}) IS NOT TRUE",
]


def test_filters_know_of_nulls(adapter, tmp_path):
    """Pages keep no nulls, the statistics count them: batches of nothing but nulls, without nulls, with some."""
    def mixed(value, other, empty, type):
        return pa.array([None] * 150 + [value, other] * 75 + [value, other, None, empty] * 50 + [empty] * 100 + [value, other] * 25 + [empty] * 50, type)
    i, s, b = mixed(7, 8, 0, pa.int32()), mixed("x", "y", "", pa.string()), mixed(True, False, False, pa.bool_())
    table = with_id(i=i, s=s, b=b, d=mixed(datetime.date(2020, 1, 1), datetime.date(2021, 1, 1), datetime.date(1970, 1, 1), pa.date32()),
                    st=pa.StructArray.from_arrays([i, s], ["i", "s"]))
    path = tmp_path / "t.lance"
    write(path, table)
    dataset = lance.dataset(path)
    dataset.delete("id % 11 = 5")
    failures = []
    for column, value in (("i", "7"), ("i", "0"), ("s", "'x'"), ("b", "true"), ("d", "date '2020-01-01'"), ("st.i", "7"), ("st.s", "'x'")):
        for template in NULL_FILTERS:
            query = template.format(c=column, v=value)
            want, got = expected(dataset, columns=["id"], filter=query), adapter.read(path, select=["id"], filter=query)
            if want != got:
                failures.append((query, want.count(b"\n"), got.count(b"\n")))
    assert not failures
