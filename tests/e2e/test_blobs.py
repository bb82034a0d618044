# SPDX-License-Identifier: Apache-2.0
"""Blob columns as files: every kind that pylance writes, read in parts."""
import errno
import json
import os
import random
import subprocess

import lance
import pyarrow as pa
import pytest
from mounts import Mount

MIB = 1 << 20


def values():
    rng = random.Random(11)
    return [b"x" * 10, None, rng.randbytes(100_000), rng.randbytes(9 * MIB), b"", rng.randbytes(70_000), rng.randbytes(3 * MIB + 1)]


def write(uri, version, contents, **options):
    """A table of blobs: by the field's metadata (v1) in files up to 2.1, as the type of its own (v2) from 2.2 on."""
    if version < "2.2":
        field = pa.field("payload", pa.large_binary(), True, {"lance-encoding:blob": "true"})
        column = pa.array(contents, pa.large_binary())
    else:
        field = lance.blob_field("payload")
        column = lance.blob_array(contents)
    schema = pa.schema([pa.field("id", pa.int64()), field, pa.field("name", pa.string())])
    table = pa.table([pa.array(range(len(contents))), column, pa.array([f"n{i}" for i in range(len(contents))])], schema=schema)
    return lance.write_dataset(table, uri, data_storage_version=version, **options)


@pytest.fixture(scope="module", params=["2.0", "2.1", "2.2"])
def path(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("blobs") / "t.lance"
    contents = values()
    if request.param >= "2.2":
        outside = path.parent / "outside.bin"
        outside.write_bytes(random.Random(12).randbytes(200_000))
        contents.append(outside.as_uri())
        write(str(path), request.param, contents, allow_external_blob_outside_bases=True)
    else:
        write(str(path), request.param, contents)
    return path


@pytest.fixture(scope="module")
def root(path):
    with Mount(path) as mount:
        yield mount.path


def store_bytes(root):
    return json.loads((root / "status/io.json").read_text())["lancefs_store_bytes_read_total"]


def test_every_blob(path, root):
    dataset = lance.dataset(str(path))
    for i in range(dataset.count_rows()):
        blob = dataset.take_blobs("payload", indices=[i])[0]
        file = root / f"rows/{i}/payload.bin"
        assert (root / f"rows/{i}/name.txt").read_text() == f"n{i}"
        if blob is None:
            assert sorted(os.listdir(root / f"rows/{i}")) == ["id.txt", "name.txt"]
            with pytest.raises(FileNotFoundError):
                os.stat(file)
            continue
        expected = blob.read()
        assert sorted(os.listdir(root / f"rows/{i}")) == ["id.txt", "name.txt", "payload.bin"]
        assert os.stat(file).st_size == len(expected)
        assert file.read_bytes() == expected
        assert os.stat(root / f"rows/{i}/payload").st_ino == os.stat(file).st_ino


def test_parts_of_a_blob(path, root):
    expected = values()[3]
    file = root / "rows/3/payload.bin"
    for start, size in [(0, 1), (5 * MIB + 3, 1000), (9 * MIB - 5, 100), (9 * MIB, 10), (100, 3 * MIB), (0, 9 * MIB)]:
        with open(file, "rb") as handle:
            handle.seek(start)
            assert handle.read(size) == expected[start : start + size], (start, size)
    with open(file, "rb", buffering=0) as handle:  # forth and back
        for start in (7 * MIB, MIB, 8 * MIB, 17, 0):
            handle.seek(start)
            assert handle.read(70_000) == expected[start : start + 70_000]
    tail = subprocess.run(["tail", "-c", "1000", file], capture_output=True, check=True).stdout
    assert tail == expected[-1000:]
    assert subprocess.run(["cmp", file, "-"], input=expected, check=False).returncode == 0


def test_other_cells_do_not_read_the_blob(path):
    with Mount(path) as mount:
        before = store_bytes(mount.path)
        assert (mount.path / "rows/3/name").read_text() == "n3"
        assert os.stat(mount.path / "rows/3/payload").st_size == 9 * MIB
        assert store_bytes(mount.path) - before < MIB / 4


def test_a_part_costs_a_part(path):
    with Mount(path) as mount:
        before = store_bytes(mount.path)
        part = subprocess.run(["dd", f"if={mount.path}/rows/3/payload.bin", "bs=1M", "skip=4", "count=1", "status=none"], capture_output=True, check=True).stdout
        assert part == values()[3][4 * MIB : 5 * MIB]
        assert store_bytes(mount.path) - before <= 1.5 * MIB


def test_on_a_store(place):
    """The same, counted by what leaves the store."""
    for version in ("2.1", "2.2"):
        uri = place.uri(f"blobs-{version}.lance")
        write(uri, version, values(), storage_options=place.storage_options)
        with Mount(uri, env={**os.environ, **place.env}) as mount:
            before = store_bytes(mount.path)
            for size in ("1M", "128K"):
                part = subprocess.run(["dd", f"if={mount.path}/rows/3/payload.bin", f"bs={size}", f"skip={4 if size == '1M' else 32}",
                                       f"count={1 if size == '1M' else 8}", "status=none"], capture_output=True, check=True).stdout
                assert part == values()[3][4 * MIB : 5 * MIB]
                assert store_bytes(mount.path) - before <= 1.5 * MIB, (version, size)
                before = store_bytes(mount.path)
            assert (mount.path / "rows/3/payload").read_bytes() == values()[3]
            assert store_bytes(mount.path) - before <= 1.3 * 9 * MIB


def test_a_blob_below_others(tmp_path):
    """Versions and deleted rows: offsets are those of the version's live rows."""
    write(str(tmp_path / "t.lance"), "2.2", [b"a" * 50_000, b"b" * 50_000, b"c" * 50_000])
    lance.dataset(str(tmp_path / "t.lance")).delete("id = 1")
    with Mount(tmp_path / "t.lance") as mount:
        assert (mount.path / "rows/1/payload").read_bytes() == b"c" * 50_000
        assert (mount.path / "versions/1/rows/1/payload").read_bytes() == b"b" * 50_000
        with pytest.raises(OSError) as error:
            os.stat(mount.path / "rows/2/payload")
        assert error.value.errno == errno.ENOENT
