# SPDX-License-Identifier: Apache-2.0
"""raw/: the dataset's own objects. Other Lance readers open it through the mount."""
import errno
import filecmp
import os
import pathlib
import subprocess
import time

import duckdb
import lance
import lancedb
import pyarrow as pa
import pytest
from mounts import Mount, wait_until

ROWS = 5000


def table(rows=ROWS, start=0):
    ids = range(start, start + rows)
    return pa.table({
        "id": pa.array(ids, pa.int64()),
        "name": [None if i % 7 == 0 else f"näme {i}" for i in ids],
        "vector": pa.FixedSizeListArray.from_arrays(pa.array([float(i % 13) for i in range(start * 8, (start + rows) * 8)], pa.float32()), 8),
    })


@pytest.fixture
def path(tmp_path):
    """With everything that a dataset may have beside its rows."""
    path = tmp_path / "t.lance"
    lance.write_dataset(table(), str(path), max_rows_per_file=1500)
    dataset = lance.dataset(str(path))
    dataset.delete("id % 10 = 3")
    dataset.create_scalar_index("id", "BTREE")
    dataset.tags.create("first", 1)
    dataset.create_branch("side", 1)
    return path


def files_below(folder):
    return {str(pathlib.Path(top, name).relative_to(folder)) for top, _, names in os.walk(folder) for name in names}


def test_every_object_byte_for_byte(path):
    with Mount(path) as mount:
        names = files_below(path)
        assert {name.split("/")[0] for name in names} == {"data", "_versions", "_transactions", "_deletions", "_indices", "_refs", "tree"}
        assert files_below(mount.path / "raw") == names
        for name in names:
            raw = mount.path / "raw" / name
            assert filecmp.cmp(raw, path / name, shallow=False), name
            status, original = os.stat(raw), os.stat(path / name)
            assert (status.st_size, status.st_mtime_ns, status.st_mode & 0o777) == (original.st_size, original.st_mtime_ns, 0o444)
        entries = {entry.name: entry.inode() for entry in os.scandir(mount.path / "raw/_versions")}
        assert entries == {name: os.stat(mount.path / "raw/_versions" / name).st_ino for name in os.listdir(path / "_versions")}


def test_only_where_the_dataset_as_a_whole_is(path):
    with Mount(path) as mount:
        assert "raw" in os.listdir(mount.path)
        for folder in ("versions/1", "fragments/0", "query"):
            assert "raw" not in os.listdir(mount.path / folder)
            assert not (mount.path / folder / "raw").exists()
        for attempt in (lambda: (mount.path / "raw/x").write_text("x"), lambda: (mount.path / "raw/data/new.lance").touch(),
                        lambda: (mount.path / "raw/x").mkdir(), lambda: next((mount.path / "raw/data").iterdir()).unlink()):
            with pytest.raises(OSError) as error:
                attempt()
            assert error.value.errno == errno.EROFS


def test_pylance_opens_it(path):
    original = lance.dataset(str(path))
    with Mount(path) as mount:
        raw = lance.dataset(str(mount.path / "raw"))
        assert raw.version == original.version and raw.count_rows() == original.count_rows()
        assert raw.to_table() == original.to_table()
        assert raw.to_table(filter="id = 77") == original.to_table(filter="id = 77")
        assert [v["version"] for v in raw.versions()] == [v["version"] for v in original.versions()]
        assert lance.dataset(str(mount.path / "raw"), version=1).to_table() == lance.dataset(str(path), version=1).to_table()
        assert lance.dataset(str(mount.path / "raw"), version="first").count_rows() == ROWS
        assert raw.take([5, 4000, 17]) == original.take([5, 4000, 17])
        assert raw.list_indices()[0]["name"] == original.list_indices()[0]["name"]


def test_lancedb_and_duckdb_read_it(path, tmp_path):
    with Mount(path) as mount:
        (tmp_path / "database").mkdir()
        (tmp_path / "database/trips.lance").symlink_to(mount.path / "raw")
        trips = lancedb.connect(str(tmp_path / "database")).open_table("trips")
        assert trips.count_rows() == lance.dataset(str(path)).count_rows()
        assert trips.to_arrow() == lance.dataset(str(path)).to_table()
        assert trips.search([0.0] * 8).limit(3).to_arrow().num_rows == 3
        trips = lance.dataset(str(mount.path / "raw"))
        assert duckdb.sql("SELECT count(*), sum(id) FROM trips WHERE name IS NOT NULL").fetchall() == \
            duckdb.sql("SELECT count(*), sum(id) FROM held WHERE name IS NOT NULL", connection=held(path)).fetchall()


def held(path):
    connection = duckdb.connect()
    connection.register("held", lance.dataset(str(path)).to_table())
    return connection


def test_new_versions_appear(path):
    with Mount(path, "refresh=200ms") as mount:
        raw = str(mount.path / "raw")
        assert lance.dataset(raw).version == 3
        lance.write_dataset(table(10, ROWS), str(path), mode="append")
        wait_until(lambda: lance.dataset(raw).version == 4, 5)
        assert lance.dataset(raw).to_table() == lance.dataset(str(path)).to_table()
        (mount.path / "append/x.jsonl").write_text('{"id": -1, "name": "x", "vector": [1,2,3,4,5,6,7,8]}\n')
        wait_until(lambda: lance.dataset(raw).version == 5, 5)
        assert lance.dataset(raw).to_table(filter="id = -1").num_rows == 1


def test_what_a_newer_manifest_names_is_there(tmp_path):
    """However old the listing of the folder is."""
    path = tmp_path / "t.lance"
    lance.write_dataset(table(), str(path))
    with Mount(path, "refresh=1h") as mount:
        raw = mount.path / "raw"

        def appears(folder, change):
            before = set(os.listdir(raw / folder))
            assert not (raw / folder / "nothing.lance").exists()
            change(lance.dataset(str(path)))
            new = set(os.listdir(path / folder)) - before
            assert new and all((raw / folder / name).exists() for name in new)

        appears("data", lambda dataset: lance.write_dataset(table(10, ROWS), dataset, mode="append"))
        assert set(os.listdir(raw)) == {"data", "_versions", "_transactions"}
        lance.dataset(str(path)).delete("id = 3")
        assert os.listdir(raw / "_deletions") == os.listdir(path / "_deletions")
        lance.dataset(str(path)).create_scalar_index("id", "BTREE")
        assert os.listdir(raw / "_indices") == os.listdir(path / "_indices")
        appears("_indices", lambda dataset: dataset.create_scalar_index("name", "BTREE"))


def test_an_object_that_is_gone(path):
    with Mount(path, "refresh=200ms") as mount:
        lance.write_dataset(table(10), str(path), mode="overwrite")
        name = os.listdir(path / "data")[0]
        held_open = open(mount.path / "raw/data" / name, "rb")
        assert held_open.read(4) is not None
        os.unlink(path / "data" / name)
        wait_until(lambda: name not in os.listdir(mount.path / "raw/data"), 5)
        held_open.close()


def test_on_a_store(place):
    uri = place.uri("raw.lance")
    lance.write_dataset(table(), uri, storage_options=place.storage_options, max_rows_per_file=1500)
    with Mount(uri, env={**os.environ, **place.env}) as mount:
        assert set(os.listdir(mount.path / "raw")) >= {"data", "_versions", "_transactions"}
        assert len(os.listdir(mount.path / "raw/data")) == 4
        assert lance.dataset(str(mount.path / "raw")).to_table() == table()


def test_in_a_database(path, tmp_path):
    lance.write_dataset(table(10), str(tmp_path / "other.lance"))
    with Mount(tmp_path) as mount:
        assert lance.dataset(str(mount.path / "t/raw")).to_table() == lance.dataset(str(path)).to_table()
        assert lance.dataset(str(mount.path / "other/raw")).to_table() == table(10)


def test_a_large_file_in_one_go(tmp_path):
    """As fast as disks are copied; the figure is in bench/."""
    words = pa.array(os.urandom(40) for _ in range(200_000))
    lance.write_dataset(pa.table({"word": words}), str(tmp_path / "t.lance"))
    with Mount(tmp_path / "t.lance") as mount:
        name = max((tmp_path / "t.lance/data").iterdir(), key=os.path.getsize).name
        began = time.monotonic()
        copied = subprocess.run(["md5sum", mount.path / "raw/data" / name], capture_output=True, check=True, timeout=20).stdout.split()[0]
        assert time.monotonic() - began < 10
        assert copied == subprocess.run(["md5sum", tmp_path / "t.lance/data" / name], capture_output=True, check=True).stdout.split()[0]
