# SPDX-License-Identifier: Apache-2.0
"""Clauses that pick rows, and versions, transactions and fragments of tables in every state."""
import datetime
import errno
import filecmp
import json
import os

import lance
import pyarrow as pa
import pytest
from mounts import Mount


def table(rows, start=0):
    ids = range(start, start + rows)
    return pa.table({"id": pa.array(ids, pa.int64()), "name": [f"n{i}" for i in ids]})


def lines(path):
    return [json.loads(line) for line in open(path, encoding="utf-8")]


def code_of(call, *arguments):
    with pytest.raises(OSError) as error:
        call(*arguments)
    return error.value.errno


# ---- rowid, rowaddr, take=, fragments= ------------------------------------------------------------


@pytest.fixture(scope="module", params=["addresses", "stable ids", "2.0"])
def dataset(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("states") / "t.lance"
    options = {"data_storage_version": "2.0"} if request.param == "2.0" else {"enable_stable_row_ids": request.param == "stable ids"}
    lance.write_dataset(table(1000), str(path), max_rows_per_file=300, **options)
    dataset = lance.dataset(str(path))
    dataset.delete("id % 7 = 2")
    dataset.update({"name": "'new'"}, where="id % 50 = 1")
    return lance.dataset(str(path))


@pytest.fixture(scope="module")
def root(dataset):
    with Mount(dataset.uri) as mount:
        yield mount.path


def test_row_ids(dataset, root):
    assert lines(root / "query/rowid/rows.jsonl") == dataset.to_table(with_row_id=True).to_pylist()
    assert lines(root / "query/rowaddr/select=id/rows.jsonl") == dataset.scanner(columns=["id"], with_row_address=True).to_table().to_pylist()
    both = dataset.scanner(columns=["id"], filter="id > 900", with_row_id=True, with_row_address=True).to_table().to_pylist()
    assert lines(root / "query/filter=id > 900/rowaddr/rowid/select=id/rows.jsonl") == both
    assert list(lines(root / "query/rowaddr/rowid/limit=1/rows.jsonl")[0]) == ["id", "name", "_rowid", "_rowaddr"]
    for row in lines(root / "query/rowid/select=name/limit=3/rows.jsonl"):
        assert list(row) == ["name", "_rowid"]


def test_take(dataset, root):
    count = dataset.count_rows()
    offsets = [0, 5, 299, 300, 301, count - 1]
    assert lines(root / f"query/take={','.join(map(str, offsets))}/rows.jsonl") == dataset.take(offsets).to_pylist()
    # In dataset order, each once.
    assert lines(root / "query/take=9,3,9/rows.jsonl") == dataset.take([3, 9]).to_pylist()
    assert lines(root / "query/take=0,1,2,3,4/filter=id > 1/rows.jsonl") == [row for row in dataset.take([0, 1, 2, 3, 4]).to_pylist() if row["id"] > 1]
    assert lines(root / "query/take=0,1,2,3/offset=1/limit=2/rows.jsonl") == dataset.take([1, 2]).to_pylist()
    assert (root / "query/take=0,1,2/count").read_text() == "3\n"
    assert code_of(os.stat, root / f"query/take={count}") == errno.EINVAL
    assert str(count) in (root / "status/last_error").read_text()
    # Counted inside of a fragment.
    fragment = dataset.get_fragments()[1]
    assert lines(root / f"fragments/{fragment.fragment_id}/query/take=0,2/rows.jsonl") == fragment.take([0, 2]).to_pylist()
    with pytest.raises(OSError):
        os.stat(root / f"fragments/{fragment.fragment_id}/query/take={fragment.count_rows()}")


def test_fragments(dataset, root):
    parts = dataset.get_fragments()
    ids = [part.fragment_id for part in parts]
    some = dataset.scanner(fragments=[parts[0], parts[2]]).to_table().to_pylist()
    assert lines(root / f"query/fragments={ids[2]},{ids[0]}/rows.jsonl") == some
    assert (root / f"query/fragments={ids[0]},{ids[2]}/count").read_text() == f"{len(some)}\n"
    assert lines(root / f"query/fragments={ids[1]}/id.lt=400/rows.jsonl") == [row for row in parts[1].to_table().to_pylist() if row["id"] < 400]
    assert code_of(os.stat, root / "query/fragments=999") == errno.EINVAL
    assert code_of(os.stat, root / f"fragments/{ids[0]}/query/fragments={ids[1]}") == errno.EINVAL
    for part in parts:
        assert lines(root / f"fragments/{part.fragment_id}/rows.jsonl") == part.to_table().to_pylist()


def test_deleted_offsets(dataset, root):
    for part in dataset.get_fragments():
        live = {row["_rowaddr"] & 0xFFFFFFFF for row in part.scanner(columns=[], with_row_address=True).to_table().to_pylist()}
        deleted = [int(line) for line in (root / f"fragments/{part.fragment_id}/deleted").read_text().splitlines()]
        assert deleted == sorted(set(range(part.physical_rows)) - live)


def test_files_of_fragments(dataset, root):
    for part in dataset.get_fragments():
        folder = root / f"fragments/{part.fragment_id}/files"
        assert sorted(os.listdir(folder)) == sorted(file.path for file in part.data_files())
        for name in os.listdir(folder):
            assert filecmp.cmp(folder / name, os.path.join(dataset.uri, "data", name), shallow=False)


# ---- Transactions --------------------------------------------------------------------------------


def test_transactions(tmp_path):
    path = tmp_path / "t.lance"
    lance.write_dataset(table(100), str(path))
    dataset = lance.dataset(str(path))
    dataset.delete("id = 5")
    dataset.update_config({"a": "b"})
    dataset.create_scalar_index("id", "BTREE")
    dataset.optimize.compact_files()
    expected = {1: "overwrite", 2: "delete", 3: "update_config", 4: "create_index"}

    def check(mount):
        versions = mount.path / "versions"
        for version, operation in expected.items():
            transaction = json.loads((versions / str(version) / "transaction.json").read_text())
            assert transaction["operation"] == operation
            assert transaction.get("read_version", 0) == version - 1
            name = next(n for n in os.listdir(path / "_transactions") if n.startswith(f"{version - 1}-")) if (path / "_transactions").exists() else None
            assert name is None or transaction["uuid"] in name

    with Mount(path) as mount:  # inside of the manifests
        check(mount)
        assert "transaction.json" not in os.listdir(mount.path)


def strip_inline_transaction(manifest):
    """The same manifest without its copy of the transaction, as writers before it had one left it."""
    data = manifest.read_bytes()
    start = int.from_bytes(data[-16:-8], "little")
    length = int.from_bytes(data[start : start + 4], "little")
    message = data[start + 4 : start + 4 + length]
    key = b"\xb8\x01"  # field 23, a varint
    at = message.rfind(key)
    assert at >= 0 and message[at + 2] < 0x80
    message = message[:at] + message[at + 3 :]
    manifest.write_bytes(len(message).to_bytes(4, "little") + message + (0).to_bytes(8, "little") + data[-8:])


def test_transactions_in_files_and_nowhere(tmp_path):
    path = tmp_path / "t.lance"
    lance.write_dataset(table(10), str(path))
    lance.write_dataset(table(10), str(path), mode="append")
    for manifest in (path / "_versions").glob("*.manifest"):
        strip_inline_transaction(manifest)
    assert lance.dataset(str(path)).count_rows() == 20
    with Mount(path) as mount:
        assert json.loads((mount.path / "versions/1/transaction.json").read_text())["operation"] == "overwrite"
        assert json.loads((mount.path / "versions/2/transaction.json").read_text())["operation"] == "append"
    for file in (path / "_transactions").iterdir():
        file.unlink()
    with Mount(path) as mount:
        assert json.loads((mount.path / "versions/2/transaction.json").read_text()) is None
        assert (mount.path / "versions/2/count").read_text() == "20\n"


# ---- Versions by time ----------------------------------------------------------------------------


def test_as_of(tmp_path):
    path = tmp_path / "t.lance"
    for i in range(6):
        lance.write_dataset(table(10, 10 * i), str(path), mode="append" if i else "create")
    stamps = {v["version"]: v["timestamp"] for v in lance.dataset(str(path)).versions()}
    with Mount(path) as mount:
        versions = mount.path / "versions"
        for version, stamp in stamps.items():
            # pylance's stamp is rounded: a moment later is surely behind the commit.
            later = stamp.astimezone(datetime.timezone.utc) + datetime.timedelta(microseconds=5)
            for text in (later.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), later.strftime("%Y-%m-%d %H:%M:%S.%f"),
                         later.astimezone(datetime.timezone(datetime.timedelta(hours=5, minutes=30))).isoformat()):
                assert os.readlink(versions / f"asof={text}") == str(version), text
                assert (versions / f"asof={text}/count").read_text() == f"{10 * version}\n"
        assert os.readlink(versions / "asof=2999-01-01") == "6"
        assert code_of(os.stat, versions / "asof=1999-01-01") == errno.ENOENT
        assert code_of(os.stat, versions / "asof=2020-13-01") == errno.EINVAL


# ---- Files that lie elsewhere --------------------------------------------------------------------


def test_a_shallow_clone(tmp_path):
    source = lance.write_dataset(table(1000), str(tmp_path / "source.lance"), max_rows_per_file=300)
    source.delete("id = 7")
    source = lance.dataset(source.uri)
    source.shallow_clone(str(tmp_path / "clone.lance"), 2)
    lance.write_dataset(table(10, 5000), str(tmp_path / "clone.lance"), mode="append")
    clone = lance.dataset(str(tmp_path / "clone.lance"))
    with Mount(clone.uri) as mount:
        assert lines(mount.path / "rows.jsonl") == clone.to_table().to_pylist()
        parts = sorted(os.listdir(mount.path / "fragments"), key=int)
        assert len(parts) == 5
        for part in parts:
            folder = mount.path / "fragments" / part / "files"
            for name in os.listdir(folder):
                place = tmp_path / ("clone.lance" if part == parts[-1] else "source.lance")
                assert filecmp.cmp(folder / name, place / "data" / name, shallow=False)
        assert (mount.path / "fragments/0/deleted").read_text() == "7\n"
        assert json.loads((mount.path / "rows/7.json").read_text()) == {"id": 8, "name": "n8"}
        assert json.loads((mount.path / "versions/2/transaction.json").read_text())["operation"] == "clone"


def test_several_files_a_fragment(tmp_path):
    dataset = lance.write_dataset(table(500), str(tmp_path / "t.lance"), max_rows_per_file=200)
    dataset.add_columns({"double": "id * 2"})
    dataset.drop_columns(["name"])
    dataset.alter_columns({"path": "double", "name": "twice"})
    dataset = lance.dataset(dataset.uri)
    with Mount(dataset.uri) as mount:
        assert lines(mount.path / "rows.jsonl") == dataset.to_table().to_pylist()
        for part in dataset.get_fragments():
            info = json.loads((mount.path / f"fragments/{part.fragment_id}/info.json").read_text())
            assert sorted(os.listdir(mount.path / f"fragments/{part.fragment_id}/files")) == sorted(file.path for file in part.data_files())
            assert sorted(sum((file["columns"] for file in info["files"]), [])) == ["id", "twice"]
        assert lines(mount.path / "columns/twice.jsonl") == dataset.to_table(columns=["twice"]).to_pylist()
        assert (mount.path / "rows/3/twice").read_text() == "6\n"
