# SPDX-License-Identifier: Apache-2.0
"""Every state that a table can be in: written by pylance and LanceDB, read here in every version, appended to here, read
back and validated by pylance. What a table is made of (names, flags, sections) is checked where it must survive."""
import json
import os
import pathlib
import shutil
import struct

import lance
import lancedb
import numpy as np
import pyarrow as pa
import pytest


import canonical
from manifests import read_manifest, rewrite_manifest, varint
from programs import Adapter, Refused, lancefs

LINEAGE = ["_row_created_at_version", "_row_last_updated_at_version"]


@pytest.fixture(scope="module")
def adapter():
    adapter = Adapter()
    yield adapter
    adapter.close()


def table(start=0, rows=10):
    ids = np.arange(start, start + rows)
    return pa.table({
        "id": pa.array(ids, pa.int64()),
        "name": pa.array([f"n{i}" if i % 4 else None for i in ids.tolist()]),
        "s": pa.array([{"a": i, "b": f"b{i}", "t": {"x": i * 0.5}} if i % 5 else None for i in ids.tolist()],
                      pa.struct([("a", pa.int32()), ("b", pa.string()), ("t", pa.struct([("x", pa.float64())]))])),
        "l": pa.array([[{"k": i, "v": str(i)}] * (i % 3) if i % 7 else None for i in ids.tolist()],
                      pa.list_(pa.struct([("k", pa.int32()), ("v", pa.string())]))),
    })


def filled(start=0, rows=10):
    """table() without null structs, which 2.0 files cannot hold."""
    wide = table(start, rows)
    structs = pa.array([{"a": i, "b": f"b{i}", "t": {"x": i * 0.5}} for i in range(start, start + rows)], wide.schema.field("s").type)
    return wide.set_column(2, "s", structs)


def simple(start=0, rows=10):
    return pa.table({"id": pa.array(range(start, start + rows), pa.int64()), "v": pa.array([f"v{i}" for i in range(start, start + rows)])})


def same_rows(adapter, uri, dataset, columns=None, **request):
    """One version: rows, their ids and addresses as pylance gives them."""
    want = canonical.jsonl(dataset.to_table(columns=columns))
    select = {"select": columns} if columns else {}
    assert adapter.read(uri, **select, **request) == want
    if dataset.count_rows() and dataset.schema.names:
        some = [dataset.schema.names[0]]
        want = canonical.jsonl(dataset.to_table(columns=some + ["_rowid", "_rowaddr"]))
        assert adapter.read(uri, select=some + ["_rowid", "_rowaddr"], **request) == want
        if dataset.has_stable_row_ids:
            want = canonical.jsonl(dataset.to_table(columns=some + LINEAGE))
            assert adapter.read(uri, select=some + LINEAGE, **request) == want


def same_versions(adapter, uri, dataset, **request):
    """Every version of the dataset (or of the branch that `request` names), and what info tells of them."""
    info = json.loads(adapter.ask("info", uri, **request))
    versions = [v["version"] for v in dataset.versions()]
    assert [v["version"] for v in info["versions"]] == versions
    for entry in info["versions"]:
        at = dataset.checkout_version(entry["version"])
        assert entry["rows"] == at.count_rows()
        same_rows(adapter, uri, at, version=entry["version"], **request)
    assert [f["id"] for f in info["fragments"]] == [f.fragment_id for f in dataset.get_fragments()]
    assert [f["deletions"] for f in info["fragments"]] == [f.num_deletions for f in dataset.get_fragments()]
    assert [(f["name"], f["nullable"]) for f in info["schema"]] == [(f.name, f.nullable) for f in dataset.schema]


def append(tmp_path, uri, rows, **open_options):
    """Appends the rows with lancefs and gives pylance's view of the new version, validated."""
    path = tmp_path / "more.arrow"
    with pa.ipc.new_file(path, rows.schema) as writer:
        writer.write_table(rows)
    before = lance.dataset(uri, **open_options)
    before_rows = before.to_table()
    lancefs("append", uri, path)
    after = lance.dataset(uri, **open_options)
    assert after.version == before.version + 1
    after.validate()
    got = after.to_table()
    assert got.slice(0, before_rows.num_rows) == before_rows
    assert got.num_rows == before_rows.num_rows + rows.num_rows
    for name in rows.column_names:
        assert got.slice(before_rows.num_rows).column(name).to_pylist() == rows.column(name).to_pylist(), name
    return after


def check(adapter, tmp_path, uri, rows=None):
    """The whole round: read all versions, append, read all again, and pylance appends to ours."""
    uri = str(uri)
    dataset = lance.dataset(uri)
    same_versions(adapter, uri, dataset)
    if rows is None:
        return dataset
    same_versions(adapter, uri, append(tmp_path, uri, rows))
    dataset = lance.write_dataset(rows, uri, mode="append")
    dataset.validate()
    same_versions(adapter, uri, dataset)
    return dataset


def manifest_names(uri):
    return sorted(p.name for p in (pathlib.Path(uri) / "_versions").glob("*.manifest"))


# ---- names, latest, hint ----

@pytest.mark.parametrize("v2", [False, True])
def test_manifest_names(adapter, tmp_path, v2):
    uri = tmp_path / "t.lance"
    for i in range(12):
        lance.write_dataset(simple(i * 10), uri, mode="append" if i else "create", enable_v2_manifest_paths=v2)
    dataset = check(adapter, tmp_path, uri, simple(500))
    assert dataset.version == 14
    # The scheme is kept: a folder with both is unreadable for pylance.
    lengths = {len(name) == 29 for name in manifest_names(uri)}
    assert lengths == {v2}


def test_migrated_names(adapter, tmp_path):
    uri = tmp_path / "t.lance"
    dataset = lance.write_dataset(simple(), uri, enable_v2_manifest_paths=False)
    lance.write_dataset(simple(10), uri, mode="append")
    dataset = lance.dataset(uri)
    dataset.migrate_manifest_paths_v2()
    check(adapter, tmp_path, uri, simple(20))
    assert all(len(name) == 29 for name in manifest_names(uri))


def test_detached_versions(adapter, tmp_path):
    uri = str(tmp_path / "t.lance")
    dataset = lance.write_dataset(simple(), uri)
    fragments = lance.fragment.write_fragments(simple(100, 5), uri)
    detached = lance.LanceDataset.commit(dataset, lance.LanceOperation.Append(fragments), read_version=1, detached=True)
    assert detached.version >> 63 == 1
    fragments = lance.fragment.write_fragments(simple(200, 5), uri)
    second = lance.LanceDataset.commit(detached, lance.LanceOperation.Append(fragments), read_version=detached.version, detached=True)
    # Readable by number, and on top of each other, but never the latest and never listed.
    same_rows(adapter, uri, detached, version=detached.version)
    same_rows(adapter, uri, second, version=second.version)
    assert json.loads(lancefs("info", uri, "--json"))["version"] == 1
    check(adapter, tmp_path, uri, simple(20))
    same_rows(adapter, uri, detached, version=detached.version)
    with pytest.raises(Refused, match="does not exist"):
        adapter.read(uri, version=detached.version ^ 1)


@pytest.mark.parametrize("hint", ["present", "stale", "missing", "garbage", "too new"])
def test_version_hint(adapter, tmp_path, hint):
    uri = tmp_path / "t.lance"
    for i in range(4):
        lance.write_dataset(simple(i * 10), uri, mode="append" if i else "create")
    path = uri / "_versions/latest_version_hint.json"
    assert json.loads(path.read_text()) == {"version": 4}
    texts = {"stale": '{"version":2}', "garbage": "{", "too new": '{"version":9}'}
    if hint == "missing":
        path.unlink()
    elif hint in texts:
        path.write_text(texts[hint])
    check(adapter, tmp_path, uri)
    append(tmp_path, str(uri), simple(40))
    assert json.loads(path.read_text()) == {"version": 5}
    assert lance.write_dataset(simple(50), uri, mode="append").version == 6
    check(adapter, tmp_path, uri)


def test_version_hint_switched_off(adapter, tmp_path):
    uri = tmp_path / "t.lance"
    lance.write_dataset(simple(), uri)
    path = uri / "_versions/latest_version_hint.json"
    path.unlink()
    rows = tmp_path / "more.jsonl"
    rows.write_text('{"id":1,"v":"x"}\n')
    for off in ("0", "false", "off", "FALSE"):
        lancefs("append", uri, rows, env={**os.environ, "LANCE_USE_VERSION_HINT": off})
        assert not path.exists(), off
    lancefs("append", uri, rows)
    assert json.loads(path.read_text()) == {"version": 6}


# ---- columns that came, went and changed ----

@pytest.mark.parametrize("version", ["0.1", "2.0", "2.1", "2.2", "2.3"])
def test_columns_added_in_files_of_their_own(adapter, tmp_path, version):
    uri = tmp_path / "t.lance"
    dataset = lance.write_dataset(simple(rows=25), uri, max_rows_per_file=10, data_storage_version=version)
    dataset.add_columns({"twice": "id * 2", "text": "concat(v, '!')"})
    dataset.delete("id % 3 = 1")
    dataset.add_columns({"third": "id * 3"})
    dataset.merge(pa.table({"id": pa.array([0, 2, 3, 100], pa.int64()), "joined": ["a", "b", None, "d"]}), "id")
    more = simple(30).append_column("twice", pa.array(range(10), pa.int64()))
    if version == "0.1":  # every file must have every column
        more = more.append_column("text", pa.array(["t"] * 10)).append_column("third", more["id"]).append_column("joined", pa.array(["j"] * 10))
    lance.write_dataset(more, uri, mode="append")
    rows = simple(50) if version not in ("0.1", "2.3") else None
    dataset = check(adapter, tmp_path, uri, rows)
    assert max(len(f.data_files()) for f in dataset.get_fragments()) >= 4


@pytest.mark.parametrize("version", ["2.0", "2.1", "2.2", "2.3"])
def test_columns_that_are_all_null(adapter, tmp_path, version):
    uri = tmp_path / "t.lance"
    rows = filled if version == "2.0" else table
    dataset = lance.write_dataset(rows(rows=25), uri, max_rows_per_file=10, data_storage_version=version)
    dataset.add_columns(pa.schema([("n", pa.int32()), ("deep", pa.struct([("p", pa.list_(pa.int8()))])), ("vec", pa.list_(pa.float32(), 4))]))
    more = rows(50).select(["id", "s"])
    if version == "2.0":
        more = more.append_column("deep", pa.array([{"p": [1, None]}] * 10, dataset.schema.field("deep").type))
    uri = str(uri)
    same_versions(adapter, uri, lance.dataset(uri))
    if version != "2.3":
        same_versions(adapter, uri, append(tmp_path, uri, more))


def test_lists_without_a_single_item(adapter, tmp_path):
    """2.0: a struct column wants its page even then."""
    inner = pa.struct([("k", pa.int32()), ("deep", pa.list_(pa.struct([("v", pa.string())])))])
    types = {"a": pa.list_(inner), "b": pa.large_list(pa.struct([("x", pa.int8())])), "c": pa.list_(pa.list_(pa.struct([("y", pa.bool_())]))), "d": pa.list_(pa.int16())}
    full = {"a": [{"k": 1, "deep": [{"v": "x"}]}], "b": [{"x": 1}], "c": [[{"y": True}]], "d": [5]}
    schema = pa.schema([("id", pa.int64())] + list(types.items()))
    uri = tmp_path / "t.lance"
    lance.write_dataset(pa.Table.from_pylist([{"id": 0, **full}], schema), uri, data_storage_version="2.0")
    for rows in ([[{"id": 1}], [{"id": 2, "a": [], "b": [], "c": [[]], "d": []}], [{"id": 3}, {"id": 4, **full}], [{"id": 5, "a": [{"k": 2, "deep": []}]}]]):
        append(tmp_path, str(uri), pa.Table.from_pylist(rows, schema))
    check(adapter, tmp_path, uri, pa.Table.from_pylist([{"id": 9}], schema))


def test_nested_fields_added(adapter, tmp_path):
    uri = tmp_path / "t.lance"
    dataset = lance.write_dataset(table(rows=25), uri, max_rows_per_file=10)
    dataset.add_columns(pa.schema([("s", pa.struct([("c", pa.int32()), ("t", pa.struct([("y", pa.string())]))]))]))
    dataset.add_columns(pa.schema([("l", pa.list_(pa.struct([("w", pa.list_(pa.int32()))])))]))
    check(adapter, tmp_path, uri)
    wide = table(30).to_pylist()
    for row in wide:
        if row["s"]:
            row["s"] |= {"c": row["id"], "t": {"x": 1.5, "y": "yes"}}
        for item in row["l"] or []:
            item["w"] = [1, row["id"]]
    dataset = lance.dataset(uri)
    check(adapter, tmp_path, uri, pa.Table.from_pylist(wide, dataset.schema))


def test_nested_fields_merged(adapter, tmp_path):
    """Members of one struct in several data files."""
    uri = tmp_path / "t.lance"
    dataset = lance.write_dataset(table(rows=25), uri, max_rows_per_file=10)
    added = pa.schema([("s", pa.struct([("c", pa.int32()), ("t", pa.struct([("y", pa.string())]))]))])

    @lance.batch_udf(output_schema=added)
    def members(batch):
        ids = batch["id"].to_pylist()
        return pa.RecordBatch.from_arrays(
            [pa.array([{"c": i, "t": {"y": f"y{i}"}} if i % 5 else None for i in ids], added.field(0).type)], schema=added)

    dataset.add_columns(members, read_columns=["id"])
    check(adapter, tmp_path, uri)


def test_members_of_listed_structs_merged(adapter, tmp_path):
    def rows(members):
        values = [[{n: f(i, k) for n, (_, f) in members.items()} if (i + k) % 6 else None for k in range(i % 4)] if i % 7 else None
                  for i in range(50)]
        return pa.array(values, pa.list_(pa.struct([(n, t) for n, (t, _) in members.items()])))

    first = rows({"a": (pa.int32(), lambda i, k: i * 10 + k), "b": (pa.string(), lambda i, k: f"b{i}.{k}")})
    second = rows({"c": (pa.float64(), lambda i, k: i / 2 + k), "d": (pa.list_(pa.int8()), lambda i, k: [k] * (i % 3))})
    uri = tmp_path / "t.lance"
    dataset = lance.write_dataset(pa.table({"id": range(50), "l": first}), uri, max_rows_per_file=20)
    added = pa.schema([("l", second.type)])

    @lance.batch_udf(output_schema=added)
    def members(batch):
        ids = batch["id"].to_pylist()
        return pa.RecordBatch.from_arrays([second.slice(ids[0], len(ids))], schema=added)

    dataset.add_columns(members, read_columns=["id"])
    assert len(lance.dataset(uri).schema.field("l").type.value_type) == 4
    check(adapter, tmp_path, uri)


def test_columns_dropped_renamed_cast_and_added_again(adapter, tmp_path):
    uri = tmp_path / "t.lance"
    dataset = lance.write_dataset(table(rows=25), uri, max_rows_per_file=10)
    dataset.drop_columns(["name"])
    dataset.add_columns({"name": "cast(id as string)"})  # a new field under the old name
    dataset.alter_columns({"path": "id", "name": "key"})
    dataset.alter_columns({"path": "s.a", "name": "alpha"}, {"path": "l.item.k", "name": "kappa"})
    dataset.alter_columns({"path": "key", "data_type": pa.int32()})
    dataset.alter_columns({"path": "s.t.x", "data_type": pa.float32()})
    dataset.alter_columns({"path": "name", "nullable": True})
    dataset.drop_columns(["s.b"])
    dataset.drop_columns(["l.item.v"])
    dataset.delete("key = 7")
    check(adapter, tmp_path, uri)
    rows = pa.Table.from_pylist([{"key": 77, "s": {"alpha": 1, "t": {"x": 2.5}}, "l": [{"kappa": 3}], "name": "seven"}], lance.dataset(uri).schema)
    check(adapter, tmp_path, uri, rows)


@pytest.mark.parametrize("version", ["2.0", "2.1", "2.2"])
def test_tombstoned_fields(adapter, tmp_path, version):
    """A column that was rewritten in place: the old file keeps it under the id -2."""
    uri = tmp_path / "t.lance"
    dataset = lance.write_dataset(simple(rows=25), uri, max_rows_per_file=10, data_storage_version=version)
    for round_ in range(3):
        fragment = lance.dataset(uri).get_fragments()[1]
        changed = pa.table({"_rowid": pa.array([(1 << 32) + 2, (1 << 32) + 5], pa.uint64()), "v": [f"new{round_}", None]})
        updated, fields = fragment.update_columns(changed, "_rowid", "_rowid")
        lance.LanceDataset.commit(uri, lance.LanceOperation.Update(updated_fragments=[updated], fields_modified=fields,
                                                                   update_mode="rewrite_columns"), read_version=round_ + 1)
    manifest, _, _ = read_manifest(uri, 4)
    assert -2 in manifest.fragments[1].files[0].fields
    check(adapter, tmp_path, uri, simple(50))
    manifest, _, _ = read_manifest(uri, 5)
    assert -2 in manifest.fragments[1].files[0].fields


def test_partial_merge_insert(adapter, tmp_path):
    uri = tmp_path / "t.lance"
    dataset = lance.write_dataset(simple(rows=25), uri, max_rows_per_file=10)
    dataset.create_scalar_index("id", "BTREE")
    dataset.merge_insert("id").when_matched_update_all().execute(pa.table({"v": ["x", "y"], "id": pa.array([3, 14], pa.int64())}))
    check(adapter, tmp_path, uri, simple(50))


# ---- deletions ----

@pytest.mark.parametrize("count", [1, 4000, 7000, 19998, 19999, 20000])
@pytest.mark.parametrize("stable", [False, True])
def test_deletion_files_of_both_kinds(adapter, tmp_path, count, stable):
    uri = tmp_path / "t.lance"
    dataset = lance.write_dataset(simple(rows=20000), uri, max_rows_per_file=20000 if count < 20000 else 10000, enable_stable_row_ids=stable)
    dataset.delete(f"id >= 0 and id < {count - 1}")
    dataset.delete(f"id >= {count - 1} and id < {count}")
    kinds = {p.suffix for p in (uri / "_deletions").iterdir()}
    assert kinds & {".bin", ".arrow"}
    check(adapter, tmp_path, uri, simple(30000))


@pytest.mark.parametrize("count", [3, 7000])
def test_deletion_files_of_unknown_count(adapter, tmp_path, count):
    uri = tmp_path / "t.lance"
    dataset = lance.write_dataset(simple(rows=20000), uri)
    dataset.delete(f"id < {count}")

    def forget(manifest):
        manifest.fragments[0].deletion_file.num_deleted_rows = 0

    rewrite_manifest(uri, 2, forget)
    assert json.loads(lancefs("info", uri, "--json"))["rows"] == 20000 - count
    same_rows(adapter, str(uri), lance.dataset(uri))
    append(tmp_path, str(uri), simple(30000))
    # The next commit knows, as pylance's would.
    manifest, _, _ = read_manifest(uri, 3)
    assert manifest.fragments[0].deletion_file.num_deleted_rows == count


def test_unknown_row_counts_and_sizes(adapter, tmp_path):
    uri = tmp_path / "t.lance"
    dataset = lance.write_dataset(simple(rows=25), uri, max_rows_per_file=10)
    dataset.delete("id = 3")

    def forget(manifest):
        for fragment in manifest.fragments:
            fragment.physical_rows = 0
            for file in fragment.files:
                file.size = 0

    rewrite_manifest(uri, 2, forget)
    assert json.loads(lancefs("info", uri, "--json"))["rows"] == 24
    same_rows(adapter, str(uri), lance.dataset(uri))
    append(tmp_path, str(uri), simple(30))
    manifest, _, _ = read_manifest(uri, 3)
    assert [f.physical_rows for f in manifest.fragments] == [10, 10, 5, 10]


# ---- stable row ids and lineage ----

def churn(uri, rounds=3, **options):
    dataset = lance.write_dataset(simple(rows=60), uri, max_rows_per_file=20, enable_stable_row_ids=True, **options)
    for i in range(rounds):
        dataset.update({"v": f"'u{i}'"}, where=f"id % 7 = {i}")
        dataset.merge_insert("id").when_matched_update_all().when_not_matched_insert_all().execute(simple(50 + 10 * i, 20))
        dataset.delete(f"id % 11 = {i}")
        lance.write_dataset(simple(1000 + 10 * i), uri, mode="append")
        dataset = lance.dataset(uri)
        if i == 1:
            dataset.optimize.compact_files(target_rows_per_fragment=1000)
            dataset = lance.dataset(uri)
    return dataset


@pytest.mark.parametrize("version", ["2.0", "2.1", "2.2"])
def test_stable_row_ids(adapter, tmp_path, version):
    uri = tmp_path / "t.lance"
    dataset = churn(uri, data_storage_version=version)
    dataset.add_columns({"w": "id + 1"})
    check(adapter, tmp_path, uri, simple(5000))
    lance.dataset(uri).restore() if lance.dataset(uri).version < 0 else lance.dataset(uri, version=3).restore()
    check(adapter, tmp_path, uri, simple(6000))


def test_lineage_columns_without_stable_row_ids(adapter, tmp_path):
    """pylance gives version 1 for every row of such a table."""
    uri = tmp_path / "t.lance"
    lance.write_dataset(simple(), uri)
    dataset = lance.write_dataset(simple(10), uri, mode="append")
    want = canonical.jsonl(dataset.to_table(columns=["id"] + LINEAGE))
    assert adapter.read(str(uri), select=["id"] + LINEAGE) == want


def test_lineage_columns_in_filters_and_expressions(adapter, tmp_path):
    uri = tmp_path / "t.lance"
    dataset = churn(uri)
    for where in ("_row_created_at_version > 3", "_row_last_updated_at_version = 2 or _row_created_at_version = 2", "_rowid > 70", "_rowid in (1, 2, 65)",
                  "id < 30 and _row_last_updated_at_version <> _row_created_at_version"):
        want = dataset.to_table(columns=["id", "_rowid"] + LINEAGE, filter=where)
        assert 0 < want.num_rows
        assert adapter.read(str(uri), select=["id", "_rowid"] + LINEAGE, filter=where) == canonical.jsonl(want)
    want = [b - a for a, b in zip(*(dataset.to_table(columns=LINEAGE)[name].to_pylist() for name in LINEAGE))]
    got = adapter.read(str(uri), select=["_row_last_updated_at_version - _row_created_at_version as age"])
    assert [json.loads(line)["age"] for line in got.splitlines()] == want and any(want)
    want = dataset.to_table(columns=["_rowoffset", "id"])
    assert adapter.read(str(uri), select=["_rowoffset", "id"]) == canonical.jsonl(want)


def sequence(*segments):
    """A RowIdSequence of the given segments (docs/lance/table.md 5.1)."""
    number = lambda field, n: bytes([field << 3]) + varint(n) if n else b""
    nested = lambda field, body: bytes([field << 3 | 2]) + varint(len(body)) + body

    def array(values, width):
        if width == 8:
            return nested(3, nested(2, b"".join(struct.pack("<Q", v) for v in values)))
        base = min(values)
        packed = b"".join(struct.pack("<H" if width == 2 else "<I", v - base) for v in values)
        return nested(1 if width == 2 else 2, number(1, base) + nested(2, packed))

    out = b""
    for kind, *args in segments:
        if kind == "range":
            body = nested(1, number(1, args[0]) + number(2, args[1]))
        elif kind == "holes":
            body = nested(2, number(1, args[0]) + number(2, args[1]) + nested(3, array(args[2], args[3])))
        elif kind == "bitmap":
            start, end, keep = args
            bits = bytearray((end - start + 7) // 8)
            for v in keep:
                bits[(v - start) // 8] |= 1 << (v - start) % 8
            body = nested(3, number(1, start) + number(2, end) + nested(3, bytes(bits)))
        else:
            body = nested(4 if kind == "sorted" else 5, array(*args))
        out += nested(1, body)
    return out


@pytest.mark.parametrize("width", [2, 4, 8])
def test_every_kind_of_row_id_segment(adapter, tmp_path, width):
    uri = tmp_path / "t.lance"
    lance.write_dataset(simple(rows=20), uri, enable_stable_row_ids=True)
    segments = [("range", 100, 103), ("holes", 200, 208, [201, 206], width), ("bitmap", 300, 310, [300, 301, 305, 309]),
                ("sorted", [400, 402, 60000], width), ("array", [9, 5, 7, 8], width)]

    def change(manifest):
        manifest.fragments[0].row_ids = sequence(*segments)
        manifest.next_row_id = 70000

    rewrite_manifest(uri, 1, change)
    dataset = lance.dataset(uri)
    ids = dataset.to_table(columns=["id"], with_row_id=True)["_rowid"].to_pylist()
    assert ids == [100, 101, 102, 200, 202, 203, 204, 205, 207, 300, 301, 305, 309, 400, 402, 60000, 9, 5, 7, 8]
    dataset = append(tmp_path, str(uri), simple(50))
    assert dataset.to_table(columns=["id"], with_row_id=True)["_rowid"].to_pylist()[-1] == 70009
    same_versions(adapter, str(uri), dataset)


def test_spilled_lineage(adapter, tmp_path):
    uri = tmp_path / "t.lance"
    dataset = lance.write_dataset(simple(rows=60), uri, max_rows_per_file=20, enable_stable_row_ids=True)
    dataset.update_config({"lance.row_lineage.spill": "true", "lance.row_lineage.inline_max_bytes": "0"})
    dataset.update({"v": "'x'"}, where="id % 7 = 0")
    dataset.delete("id % 11 = 1")
    dataset.optimize.compact_files(target_rows_per_fragment=1000)
    dataset = lance.dataset(uri)
    manifest, _, _ = read_manifest(uri, dataset.version)
    assert manifest.reader >> 11 & 1 and any(-3 in f.fields for f in manifest.fragments[0].files)
    assert {-4, -5} <= set(manifest.fragments[0].files[0].fields)
    check(adapter, tmp_path, uri, simple(5000))
    want = canonical.jsonl(lance.dataset(uri).to_table(columns=["id", "_rowid"] + LINEAGE, filter="_rowid > 20 and _row_created_at_version = 1"))
    assert adapter.read(str(uri), select=["id", "_rowid"] + LINEAGE, filter="_rowid > 20 and _row_created_at_version = 1") == want


# ---- transactions ----

@pytest.mark.parametrize("inline", [False, True])
@pytest.mark.parametrize("file", [False, True])
def test_transactions_inline_in_files_or_missing(adapter, tmp_path, inline, file):
    uri = tmp_path / "t.lance"
    lance.write_dataset(simple(), uri)
    lance.write_dataset(simple(10), uri, mode="append", commit_message="ten more")
    if not inline:
        rewrite_manifest(uri, 2, lambda m: None, transaction=False)
    if not file:
        shutil.rmtree(uri / "_transactions")
    check(adapter, tmp_path, uri)
    text = lancefs("cat", uri, "versions/2/transaction.json", check=False)
    if inline or file:
        assert json.loads(text.stdout)["operation"] == "append"
    append(tmp_path, str(uri), simple(20))
    assert lance.dataset(uri).read_transaction(3).operation.__class__.__name__ == "Append"
    check(adapter, tmp_path, uri)


# ---- tags, branches, clones, bases ----

def test_tags_and_branches(adapter, tmp_path):
    uri = str(tmp_path / "t.lance")
    dataset = lance.write_dataset(simple(), uri)
    lance.write_dataset(simple(10), uri, mode="append")
    dataset = lance.dataset(uri)
    dataset.tags.create("v1.0-rc_1", 1)
    one = dataset.create_branch("one", 2)
    lance.write_dataset(simple(100), one, mode="append")
    two = dataset.create_branch("deep/er/two", ("one", 3))
    lance.write_dataset(simple(200), two, mode="append")
    two = two.checkout_version(("deep/er/two", None))
    two.delete("id = 105")
    from_tag = dataset.create_branch("from-tag", "v1.0-rc_1")
    lance.write_dataset(simple(300), from_tag, mode="append")
    dataset.tags.create("on-branch", ("deep/er/two", 4))
    info = json.loads(adapter.ask("info", uri))
    assert set(info["branches"]) == {"one", "deep/er/two", "from-tag"} and set(info["tags"]) == {"v1.0-rc_1", "on-branch"}
    same_versions(adapter, uri, dataset)
    for branch in ("one", "deep/er/two", "from-tag"):
        at = dataset.checkout_version((branch, None))
        same_versions(adapter, uri, at, branch=branch)
        # A branch's folder is a dataset of its own, with the tags and branches of the whole.
        own = f"{uri}/tree/{branch}"
        same_versions(adapter, own, lance.dataset(own))
        assert set(json.loads(adapter.ask("info", own))["tags"]) == {"v1.0-rc_1", "on-branch"}
        append(tmp_path, own, simple(700))
        same_versions(adapter, uri, dataset.checkout_version((branch, None)), branch=branch)
    for tag in ("v1.0-rc_1", "on-branch"):
        same_rows(adapter, uri, dataset.checkout_version(tag), tag=tag)
    append(tmp_path, uri, simple(20))


def test_moved_branches(adapter, tmp_path):
    """A branch names its parent by absolute path: pylance does not find the parent's files after a move, and neither do we
    make up others; what the moved place itself has is read."""
    uri = str(tmp_path / "t.lance")
    dataset = lance.write_dataset(simple(), uri)
    lance.write_dataset(simple(100), dataset.create_branch("one"), mode="append")
    moved = str(tmp_path / "moved.lance")
    shutil.move(uri, moved)
    dataset = lance.dataset(moved)
    same_versions(adapter, moved, dataset)
    append(tmp_path, moved, simple(50))
    branch = dataset.checkout_version(("one", None))
    with pytest.raises(Exception):
        branch.to_table()
    with pytest.raises(Refused, match=r"t\.lance"):
        adapter.read(moved, branch="one")
    # Its manifest is readable all the same.
    assert json.loads(adapter.ask("info", moved))["branches"]["one"]["rows"] == branch.count_rows() == 20


def test_shallow_clones(adapter, tmp_path):
    uri = str(tmp_path / "src.lance")
    dataset = lance.write_dataset(simple(rows=25), uri, max_rows_per_file=10)
    dataset.delete("id = 3")
    dataset.create_scalar_index("id", "BTREE")
    clone = dataset.shallow_clone(str(tmp_path / "other/clone.lance"), 3)
    clone.delete("id = 4")
    clone.add_columns({"w": "id * 2"})
    second = lance.dataset(clone.uri).shallow_clone(str(tmp_path / "again.lance"), lance.dataset(clone.uri).version)
    second.delete("id = 15")
    lance.write_dataset(simple(30).append_column("w", pa.array(range(10), pa.int64())), second, mode="append")
    third = lance.dataset(second.uri)
    assert len(third.base_paths()) == 2 if callable(third.base_paths) else len(third.base_paths) == 2
    for place in (uri, clone.uri, second.uri):
        same_versions(adapter, place, lance.dataset(place))
    for place in (clone.uri, second.uri):
        check(adapter, tmp_path, place, simple(600))
        manifest, index, _ = read_manifest(place, lance.dataset(place).version)
        assert manifest.reader & manifest.writer & 16
    # The clone follows its source when that is gone: not at all, and says which.
    shutil.move(uri, uri + ".away")
    with pytest.raises(Refused, match=r"src\.lance"):
        adapter.read(second.uri)


def test_files_in_several_bases(adapter, tmp_path):
    uri = str(tmp_path / "t.lance")
    root, plain = tmp_path / "bases/root.lance", tmp_path / "bases/plain"
    for place in (root, plain):
        place.mkdir(parents=True)
    bases = [lance.DatasetBasePath(str(root), "r", True, 1), lance.DatasetBasePath(str(plain), "p", False, 2)]
    lance.write_dataset(simple(), uri, initial_bases=bases, target_bases=["r"])
    lance.write_dataset(simple(10), uri, mode="append", target_bases=["p"])
    lance.write_dataset(simple(20), uri, mode="append")
    dataset = lance.dataset(uri)
    assert list((root / "data").glob("*.lance")) and list(plain.glob("*.lance"))
    dataset.delete("id % 4 = 1")
    check(adapter, tmp_path, uri, simple(500))
    manifest, _, _ = read_manifest(uri, 5)
    assert {f.files[0].base_id for f in manifest.fragments if f.files[0].has("base_id")} == {1, 2}


def test_moved_datasets(adapter, tmp_path):
    uri, moved = tmp_path / "t.lance", tmp_path / "elsewhere/with space/t.lance"
    dataset = churn(uri)
    dataset.tags.create("here", 2)
    moved.parent.mkdir(parents=True)
    shutil.move(uri, moved)
    dataset = check(adapter, tmp_path, moved, simple(9000))
    same_rows(adapter, str(moved), dataset.checkout_version("here"), tag="here")


# ---- whole-table states ----

def test_empty_tables(adapter, tmp_path):
    uri = tmp_path / "t.lance"
    lance.write_dataset(table(rows=0), uri)
    check(adapter, tmp_path, uri, table().select(["id", "s"]))
    emptied = tmp_path / "emptied.lance"
    lance.write_dataset(table(), emptied).delete("true")
    check(adapter, tmp_path, emptied, table(20).select(["id", "s"]))
    declared = tmp_path / "declared.lance"
    lance.LanceDataset.commit(declared, lance.LanceOperation.Overwrite(simple().schema, []))
    check(adapter, tmp_path, declared, simple())


def test_overwritten_and_restored(adapter, tmp_path):
    uri = tmp_path / "t.lance"
    lance.write_dataset(simple(), uri)
    lance.write_dataset(simple(10), uri, mode="append")
    lance.write_dataset(table(), uri, mode="overwrite")
    lance.write_dataset(table(10), uri, mode="append")
    lance.dataset(uri, version=2).restore()
    dataset = check(adapter, tmp_path, uri, simple(20))
    manifest, _, _ = read_manifest(uri, dataset.version)
    # Fragment ids go on where the overwritten ones ended.
    assert sorted(f.id for f in manifest.fragments) == [0, 1, 4, 5]


def test_mixed_file_versions(adapter, tmp_path):
    uri = tmp_path / "t.lance"
    lance.write_dataset(filled(), uri, data_storage_version="2.1")
    for i, version in enumerate(("2.0", "2.2")):
        lance.write_dataset(filled(10 * i + 10), uri, mode="append", data_storage_version=version)
    manifest, _, _ = read_manifest(uri, 3)
    assert manifest.reader & manifest.writer & 256
    dataset = check(adapter, tmp_path, uri, filled(50))
    manifest, _, _ = read_manifest(uri, dataset.version)
    assert manifest.reader & manifest.writer & 256


def test_metadata_of_every_kind_is_kept(adapter, tmp_path):
    uri = tmp_path / "t.lance"
    rows = simple().replace_schema_metadata({"origin": "tests", "bytes": "\u00e9\u4e2d"})
    dataset = lance.write_dataset(rows, uri)
    dataset.update_config({"lance.auto_cleanup.interval": "1000", "mine": "yes"})
    dataset.update_metadata({"table": "metadata"})
    dataset.update_field_metadata({"v": {"unit": "letters"}})
    before = lance.dataset(uri)
    after = append(tmp_path, str(uri), simple(10))
    assert after.config() == before.config() and after.config()["mine"] == "yes"
    assert after.metadata() == before.metadata() == {"table": "metadata"} if callable(after.metadata) else after.metadata == before.metadata
    assert after.schema.metadata == before.schema.metadata
    assert after.schema.field("v").metadata == before.schema.field("v").metadata
    manifest, _, _ = read_manifest(uri, after.version)
    assert manifest.writer & 8
    check(adapter, tmp_path, uri)


def test_manifest_fields_of_a_later_time_are_kept(adapter, tmp_path):
    uri = tmp_path / "t.lance"
    lance.write_dataset(simple(), uri)

    def change(manifest):
        manifest.future = "kept"

    rewrite_manifest(uri, 1, change)
    append(tmp_path, str(uri), simple(10))
    manifest, _, _ = read_manifest(uri, 2)
    assert manifest.future == "kept"


def indexed(uri, **options):
    rows = 2000
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(np.random.default_rng(1).random(rows * 8, np.float32)), 8)
    dataset = lance.write_dataset(simple(rows=rows).append_column("vec", vectors), uri, max_rows_per_file=500, **options)
    dataset.create_scalar_index("id", "BTREE")
    dataset.create_scalar_index("v", "BITMAP" if rows < 10 else "BTREE")
    dataset.create_index("vec", "IVF_FLAT", num_partitions=2)
    return dataset


@pytest.mark.parametrize("stable", [False, True])
def test_index_sections_are_kept_byte_for_byte(adapter, tmp_path, stable):
    uri = tmp_path / "t.lance"
    dataset = indexed(uri, enable_stable_row_ids=stable)
    _, before, _ = read_manifest(uri, dataset.version)
    assert before
    more = dataset.to_table(limit=10)
    after = append(tmp_path, str(uri), more)
    _, kept, _ = read_manifest(uri, after.version)
    assert kept == before
    assert after.to_table(filter="id = 3").num_rows == 2  # the index, and the fragment that it does not cover
    assert [i["fragment_ids"] for i in after.list_indices()] == [{0, 1, 2, 3}] * 3
    after.optimize.optimize_indices()
    check(adapter, tmp_path, uri)


def test_a_fragment_reuse_index_is_kept(adapter, tmp_path):
    uri = tmp_path / "t.lance"
    dataset = indexed(uri)
    dataset.optimize.compact_files(target_rows_per_fragment=1000, defer_index_remap=True)
    dataset = lance.dataset(uri)
    _, before, _ = read_manifest(uri, dataset.version)
    assert b"__lance_frag_reuse" in before
    after = append(tmp_path, str(uri), dataset.to_table(limit=10))
    _, kept, _ = read_manifest(uri, after.version)
    assert kept == before
    assert after.to_table(filter="id = 3").num_rows == 2
    check(adapter, tmp_path, uri)


def test_a_memwal_entry_is_kept(adapter, tmp_path):
    uri = tmp_path / "t.lance"
    schema = pa.schema([pa.field("id", pa.int64(), False, {"lance-schema:unenforced-primary-key": "true"}), pa.field("v", pa.string())])
    dataset = lance.write_dataset(simple().cast(schema), uri)
    dataset.initialize_mem_wal()
    dataset = lance.dataset(uri)
    _, before, _ = read_manifest(uri, dataset.version)
    assert b"__lance_mem_wal" in before
    after = append(tmp_path, str(uri), simple(10).cast(schema))
    _, kept, _ = read_manifest(uri, after.version)
    assert kept == before
    check(adapter, tmp_path, uri)


# ---- flags ----

NAMES = {0: "deletion files", 1: "stable row ids", 2: "old v2 format", 3: "table config", 4: "base paths", 5: "inline transactions only",
         6: "data overlay files", 7: "covering index columns", 8: "mixed data file versions", 9: "stable row ids with a fragment reuse index",
         10: "tagged fragment reuse index", 11: "spilled row lineage", 12: "fragment tree", 13: "independent covering fields", 14: "managed blobs",
         15: "non-reusable field ids", 16: "zone write seeds", 17: "object metadata", 18: "unknown", 63: "unknown"}
PAIRED = {8, 10, 14, 16}


def opens(uri, write):
    """Whether pylance reads (or writes) such a table."""
    try:
        dataset = lance.dataset(uri)
        if write:
            lance.write_dataset(simple(), uri, mode="append")
        else:
            dataset.to_table()
        return True
    except Exception:  # noqa: BLE001
        return False


@pytest.mark.parametrize("bit", sorted(NAMES))
@pytest.mark.parametrize("words", ["reader", "writer", "both"])
def test_flags(adapter, tmp_path, bit, words):
    """What pylance refuses is refused here, with the bit and its name; what it takes is taken."""
    uri = tmp_path / "t.lance"
    lance.write_dataset(simple(), uri)

    def change(manifest):
        if words in ("reader", "both"):
            manifest.reader |= 1 << bit
        if words in ("writer", "both"):
            manifest.writer |= 1 << bit

    rewrite_manifest(uri, 1, change)
    copy = tmp_path / "copy.lance"
    shutil.copytree(uri, copy)
    rows = tmp_path / "more.jsonl"
    rows.write_text('{"id":1,"v":"x"}\n')
    for write in (False, True):
        result = lancefs("append", uri, rows, check=False) if write else lancefs("cat", uri, "rows.jsonl", check=False)
        assert (result.returncode == 0) == opens(copy, write), (write, result.stderr)
        if result.returncode != 0:
            text = result.stderr.decode()
            assert f"bit {bit} " in text and NAMES[bit] in text, text


# ---- LanceDB ----

def test_lancedb_tables(adapter, tmp_path):
    db = lancedb.connect(tmp_path / "db")
    made = db.create_table("orders", simple(rows=30))
    made.add(simple(30))
    made.update(where="id = 5", values={"v": "five"})
    made.delete("id in (7, 8)")
    made.add_columns({"w": "id * 2"})
    made.alter_columns({"path": "v", "rename": "text"})
    made.tags.create("t", 3)
    made.optimize()
    uri = tmp_path / "db/orders.lance"
    check(adapter, tmp_path, uri)
    rows = pa.table({"id": pa.array([900], pa.int64()), "text": ["nine"], "w": pa.array([1], pa.int64())})
    append(tmp_path, str(uri), rows)
    assert db.open_table("orders").count_rows("id = 900") == 1
    made = db.open_table("orders")
    made.add(rows)
    check(adapter, tmp_path, uri)
    assert json.loads(adapter.ask("tables", str(tmp_path / "db"))) == ["orders"]
