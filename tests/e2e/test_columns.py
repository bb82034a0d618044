# SPDX-License-Identifier: Apache-2.0
"""columns/ and indices/: what the manifest knows, and one column as a file."""
import errno
import json
import os

import lance
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mounts import Mount

ROWS = 3000


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    path = tmp_path_factory.mktemp("columns") / "t.lance"
    ids = range(ROWS)
    table = pa.table([
        pa.array(ids, pa.int64()),
        pa.array([f"c{i % 5}" for i in ids]),
        pa.StructArray.from_arrays([pa.array(ids, pa.int32()), pa.StructArray.from_arrays([pa.array([i / 2 for i in ids])], ["deep er"])], ["x", "in`ner"]),
        pa.FixedSizeListArray.from_arrays(pa.array(np.random.default_rng(3).random(ROWS * 8).astype("f4")), 8),
        pa.array([i % 3 == 0 for i in ids]),
    ], schema=pa.schema([
        pa.field("id", pa.int64(), nullable=False, metadata={"unit": "none"}),
        pa.field("kind", pa.string()),
        pa.field("st", pa.struct([pa.field("x", pa.int32()), pa.field("in`ner", pa.struct([pa.field("deep er", pa.float64())]))])),
        pa.field("vector", pa.list_(pa.float32(), 8)),
        pa.field("a/b c", pa.bool_()),
    ]))
    lance.write_dataset(table, str(path), max_rows_per_file=1000)
    dataset = lance.dataset(str(path))
    dataset.delete("id = 7")
    dataset.add_columns(pa.field("later", pa.int16()))
    dataset.create_scalar_index("id", "BTREE")
    dataset.create_scalar_index("kind", "BITMAP", name="kind of/")
    dataset.create_index("vector", "IVF_PQ", num_partitions=2, num_sub_vectors=2, metric="cosine")
    dataset.create_index("vector", "IVF_HNSW_SQ", num_partitions=1, name="graph")
    lance.write_dataset(dataset.to_table(limit=10), str(path), mode="append")
    return lance.dataset(str(path))


@pytest.fixture(scope="module")
def root(dataset):
    with Mount(dataset.uri) as mount:
        yield mount.path


ODD = "%a%2Fb%20c"


def code_of(call, *arguments):
    with pytest.raises(OSError) as error:
        call(*arguments)
    return error.value.errno


def test_listing(dataset, root):
    names = [f.name if "/" not in f.name else ODD for f in dataset.schema]
    assert set(os.listdir(root / "columns")) == {f"{name}.{suffix}" for name in names for suffix in ("json", "jsonl", "csv", "parquet")}
    for entry in os.scandir(root / "columns"):
        assert entry.inode() == os.stat(entry.path).st_ino
    assert set(os.listdir(root / "versions/1/columns")) == {name for name in os.listdir(root / "columns") if not name.startswith("later")}


def test_the_rows_of_a_column(dataset, root):
    for name, shown in (("id", "id"), ("kind", "kind"), ("st", "st"), ("a/b c", ODD), ("later", "later")):
        expected = dataset.to_table(columns=[name])
        assert [json.loads(line) for line in open(root / f"columns/{shown}.jsonl", encoding="utf-8")] == expected.to_pylist()
        assert pq.read_table(root / f"columns/{shown}.parquet").to_pylist() == expected.to_pylist()
        with pa.ipc.open_file(str(root / f"columns/{shown}.arrow")) as file:
            assert file.read_all().to_pylist() == expected.to_pylist()
        assert (root / f"columns/{shown}.csv").read_bytes().count(b"\n") == dataset.count_rows() + 1


def test_fields_of_structs(dataset, root):
    assert [json.loads(line)["st.x"] for line in open(root / "columns/st.x.jsonl", encoding="utf-8")] == \
        [row["x"] for row in dataset.to_table(columns=["st"])["st"].to_pylist()]
    deep = [json.loads(line) for line in open(root / "columns/st.in`ner.deep er.jsonl", encoding="utf-8")]
    assert [list(row.values())[0] for row in deep] == [row["in`ner"]["deep er"] for row in dataset.to_table(columns=["st"])["st"].to_pylist()]
    assert json.loads((root / "columns/st.x.json").read_text())["type"] == "int32"


def test_a_column_is_the_question_for_it(root):
    for column, suffix in (("id", "jsonl"), ("st.x", "csv"), ("kind", "parquet")):
        assert os.stat(root / f"columns/{column}.{suffix}").st_ino == os.stat(root / f"query/select={column}/rows.{suffix}").st_ino


def test_what_is_known_of_a_column(dataset, root):
    def info(name):
        return json.loads((root / f"columns/{name}.json").read_text())

    assert info("id") == {"id": 0, "name": "id", "type": "int64", "nullable": False, "metadata": {"unit": "none"}, "rows": dataset.count_rows(),
                          "fragments": 4, "nulls": 0}
    assert "nulls" not in info("kind")
    # Added without values: all that was there is null. What was appended then has its own.
    assert "nulls" not in info("later") and info("later")["fragments"] == 1
    assert json.loads((root / "versions/3/columns/later.json").read_text())["nulls"] == ROWS - 1
    assert [child["name"] for child in info("st")["children"]] == ["x", "in`ner"]
    assert info(ODD)["name"] == "a/b c"


@pytest.mark.parametrize("name", ["none.jsonl", "id", "id.txt", "id.", ".jsonl", "st.none.jsonl", "kind.x.jsonl", "st..x.jsonl", "st..jsonl", "vector.item.json", ".git", "README.txt"])
def test_what_is_no_column(root, name):
    assert code_of(os.stat, root / "columns" / name) == errno.ENOENT


def test_a_wide_table_is_listed_quickly(tmp_path):
    lance.write_dataset(pa.table({f"column_{i}": [i] for i in range(2000)}), str(tmp_path / "t.lance"))
    with Mount(tmp_path / "t.lance") as mount:
        import time

        began = time.monotonic()
        assert len(os.listdir(mount.path / "columns")) == 8000
        assert time.monotonic() - began < 3
        assert (mount.path / "columns/column_1999.jsonl").read_text() == '{"column_1999":1999}\n'


def test_indices(dataset, root):
    described = {index.name: index for index in dataset.describe_indices()}
    assert set(described) == {"id_idx", "kind of/", "vector_idx", "graph"}
    assert set(os.listdir(root / "indices")) == {"id_idx", "%kind%20of%2F", "vector_idx", "graph"}
    for name, index in described.items():
        folder = root / "indices" / (name if "/" not in name else "%kind%20of%2F")
        assert os.listdir(folder) == ["info.json"]
        info = json.loads((folder / "info.json").read_text())
        assert (info["name"], info["type"], info["columns"]) == (name, index.index_type, index.field_names)
        assert info["type_url"] == index.type_url
        assert info["bytes"] == index.total_size_bytes
        assert info["coverage"] == {"fragments": 3, "unindexed_fragments": 1, "rows": index.num_rows_indexed, "unindexed_rows": 10}
        assert len(info["segments"]) == len(index.segments)
        for ours, theirs in zip(info["segments"], index.segments):
            assert (ours["uuid"], ours["dataset_version"], ours["index_version"]) == (str(theirs.uuid), theirs.dataset_version_at_last_update, theirs.index_version)
            assert set(ours["fragments"]) == set(theirs.fragment_ids)
            assert ours["created"][:19] == theirs.created_at.isoformat()[:19]
            for file in ours["files"]:
                path = os.path.join(dataset.uri, "_indices", ours["uuid"], file["path"])
                assert os.path.getsize(path) == file["bytes"]
    assert json.loads((root / "indices/vector_idx/info.json").read_text())["metric"] == "cosine"


def test_indices_of_a_version(root):
    assert os.listdir(root / "versions/1/indices") == []
    assert code_of(os.stat, root / "versions/1/indices/id_idx") == errno.ENOENT
    info = json.loads((root / "versions/4/indices/id_idx/info.json").read_text())
    assert info["coverage"]["unindexed_rows"] == 0


def test_a_second_segment(tmp_path):
    path = str(tmp_path / "t.lance")
    dataset = lance.write_dataset(pa.table({"id": range(100)}), path)
    dataset.create_scalar_index("id", "BTREE")
    lance.write_dataset(pa.table({"id": range(50)}), path, mode="append")
    dataset = lance.dataset(path)
    dataset.optimize.optimize_indices(num_indices_to_merge=0)
    with Mount(path) as mount:
        info = json.loads((mount.path / "indices/id_idx/info.json").read_text())
        assert len(info["segments"]) == 2
        assert info["coverage"] == {"fragments": 2, "unindexed_fragments": 0, "rows": 150, "unindexed_rows": 0}
