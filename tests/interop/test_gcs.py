# SPDX-License-Identifier: Apache-2.0
"""Google Cloud Storage: pylance and the engine read what the other wrote and append side by side, and mounts of it."""
import os

import lance
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from appenders import check_that_nothing_is_lost
from gcs_bucket import Bucket
from mounts import Mount, wait_until


@pytest.fixture(scope="module")
def bucket():
    with Bucket.serve() as served:
        yield served


def numbers(*ids):
    return pa.table({"id": pa.array(ids, pa.int64()), "text": [f"row {i}" for i in ids]})


def lines(*ids):
    return b"".join(b'{"id":%d,"text":"row %d"}\n' % (i, i) for i in ids)


def test_written_by_pylance_and_read_by_the_engine(bucket):
    uri = bucket.write("t 1+2/theirs.lance", numbers(*range(5000)))
    bucket.write("t 1+2/theirs.lance", numbers(5000), mode="append")
    assert bucket.lancefs("cat", uri, "rows.jsonl") == lines(*range(5001))
    assert bucket.lancefs("cat", uri, "query/filter=id >= 4999/rows.jsonl") == lines(4999, 5000)


def test_written_by_the_engine_and_read_by_pylance(bucket, tmp_path):
    uri = bucket.write("ours.lance", numbers(0))
    drop = tmp_path / "drop.jsonl"
    drop.write_bytes(lines(*range(1, 3000)))
    bucket.lancefs("append", uri, drop)
    large = tmp_path / "large.parquet"  # more than a part of an upload
    pq.write_table(pa.table({"id": pa.array([3000, 3001, 3002], pa.int64()), "text": [os.urandom(5 << 20).hex() for _ in range(3)]}), large)
    bucket.lancefs("append", uri, large)
    dataset = lance.dataset(uri, storage_options=bucket.options)
    assert dataset.version == 3
    assert dataset.to_table(filter="id < 3000").equals(numbers(*range(3000)))
    assert dataset.to_table(filter="id >= 3000").equals(pq.read_table(large))


def test_writers_of_both_kinds_at_once(bucket, tmp_path):
    check_that_nothing_is_lost(bucket.uri("crowd.lance"), bucket.options, bucket.environment, tmp_path)


def test_a_mount_reads_and_appends(bucket):
    uri = bucket.write("mounted.lance", numbers(*range(100)))
    with Mount(uri, env=bucket.environment) as mount:
        root = mount.path
        assert (root / "count").read_text() == "100\n"
        assert (root / "rows.jsonl").read_bytes() == lines(*range(100))
        assert (root / "query/id.ge=97/rows.jsonl").read_bytes() == lines(97, 98, 99)
        (root / "append/more.jsonl").write_bytes(lines(100, 101))
        assert (root / "count").read_text() == "102\n"
        assert lance.dataset(uri, storage_options=bucket.options).to_table().equals(numbers(*range(102)))
        bucket.write("mounted.lance", numbers(102), mode="append")
        wait_until(lambda: (root / "count").read_text() == "103\n")
        assert (root / "versions/1/count").read_text() == "100\n"
        assert bucket.variables["GCS_TOKEN"].encode() not in mount.log.read_bytes()


def test_a_mounted_database(bucket):
    bucket.write("db/first.lance", numbers(1))
    with Mount(bucket.uri("db"), env=bucket.environment) as mount:
        root = mount.path
        assert set(os.listdir(root)) == {".lancefs", "first"}
        os.mkdir(root / "second")
        (root / "second/append/a.jsonl").write_bytes(lines(7, 8))
        assert (root / "second/count").read_text() == "2\n"
        assert lance.dataset(bucket.uri("db/second.lance"), storage_options=bucket.options).to_table()["id"].to_pylist() == [7, 8]
        assert set(os.listdir(root)) == {".lancefs", "first", "second"}
