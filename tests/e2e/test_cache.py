# SPDX-License-Identifier: Apache-2.0
"""What is kept of an object store: a second pass with the disk cache asks for no data, whatever happens to the cache nothing reads
wrong, and little memory is enough for a large table."""
import concurrent.futures
import contextlib
import os
import pathlib
import subprocess

import lance
import numpy as np
import pyarrow as pa
import pytest
from mounts import Mount, comes_true
from programs import LANCEFS, lancefs
from s3_proxy import S3Proxy

pytestmark = pytest.mark.parametrize("place", ["s3"], indirect=True)

FULL = os.environ.get("LANCEFS_FULL") == "1"
ROWS = 400_000
MIB = 1 << 20


@pytest.fixture(scope="module")
def proxy(place):
    with S3Proxy(place.storage_options["aws_endpoint"]) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def uri(place):
    uri = place.uri("cached.lance")
    random = np.random.default_rng(2)
    words = pa.array([f"a text of some length {i}" for i in range(5000)])
    table = pa.table({"id": np.arange(ROWS), "number": random.random(ROWS), "text": words.take(pa.array(random.integers(0, 5000, ROWS)))})
    lance.write_dataset(table, uri, max_rows_per_file=ROWS // 3, storage_options=place.storage_options)
    lance.dataset(uri, storage_options=place.storage_options).delete("id % 1000 = 7")
    return uri


def environment(place, proxy):
    return {**os.environ, **place.env, "AWS_ENDPOINT": proxy.endpoint}


def data_requests(proxy):
    return [r.line() for r in proxy.requests if r.method == "GET" and "/data/" in r.key or "_deletions" in r.key]


QUESTIONS = ["rows.jsonl", "query/filter=number < 0.001/rows.jsonl", "query/select=id/rows.csv", "rows/17.json",
             "query/take=5,77777,399000/rows.jsonl", "query/limit=3/rows.jsonl"]


def test_a_second_pass_asks_for_no_data(place, proxy, uri, tmp_path):
    env = environment(place, proxy)
    cache = tmp_path / "cache"
    first = [lancefs("cat", uri, q, "--cache", cache, env=env) for q in QUESTIONS]
    assert [lancefs("cat", uri, q, env=env) for q in QUESTIONS] == first
    proxy.reset()
    assert [lancefs("cat", uri, q, "--cache", cache, env=env) for q in QUESTIONS] == first
    assert not data_requests(proxy)
    # And a mount, by its option; what the command line read is shared.
    proxy.reset()
    with Mount(uri, f"cache={cache}", "cache-size=1GiB", env=env) as mount:
        assert [(mount.path / q).read_bytes() for q in QUESTIONS] == first
        metrics = (mount.path / "status/metrics").read_text()
    assert not data_requests(proxy)
    hits = [line for line in metrics.splitlines() if line.startswith("lancefs_disk_cache_hits_total ")]
    assert hits and int(hits[0].split()[1]) > 0


def test_the_cache_is_the_owners_alone(place, proxy, uri, tmp_path):
    lancefs("cat", uri, "count", "--cache", tmp_path / "c", env=environment(place, proxy))
    lancefs("cat", uri, "rows/1.json", "--cache", tmp_path / "c", env=environment(place, proxy))
    for folder, _, files in os.walk(tmp_path / "c" / "v1"):
        assert os.stat(folder).st_mode & 0o077 == 0
        for file in files:
            assert os.stat(pathlib.Path(folder) / file).st_mode & 0o077 == 0


def test_a_table_made_again_is_not_the_old_one(place, proxy, tmp_path):
    """The same URI, version number and file count; another content."""
    env = environment(place, proxy)
    again = place.uri("again.lance")
    for value in (1, 2):
        lance.write_dataset(pa.table({"value": [value] * 1000}), again, mode="overwrite" if value == 1 else "create", storage_options=place.storage_options)
        out = lancefs("cat", again, "rows.jsonl", "--cache", tmp_path, env=env)
        assert out == b'{"value":%d}\n' % value * 1000
        from pyarrow import fs
        store = fs.S3FileSystem(endpoint_override=place.storage_options["aws_endpoint"].split("//")[1], scheme="http",
                                access_key=place.storage_options["aws_access_key_id"], secret_key=place.storage_options["aws_secret_access_key"])
        store.delete_dir(again.removeprefix("s3://"))


def test_broken_and_missing_folders_are_only_misses(place, proxy, uri, tmp_path):
    env = environment(place, proxy)
    expected = lancefs("cat", uri, "rows.jsonl", env=env)
    cache = tmp_path / "cache"
    assert lancefs("cat", uri, "rows.jsonl", "--cache", cache, env=env) == expected
    random = np.random.default_rng(1)
    files = [f for f in (cache / "v1").rglob("*-*") if f.is_file()]
    assert files
    for i, file in enumerate(files):
        data = bytearray(file.read_bytes())
        if i % 3 == 0:
            data = data[:len(data) // 2]
        elif i % 3 == 1:
            data[random.integers(len(data))] ^= 1
        file.write_bytes(data)
    assert lancefs("cat", uri, "rows.jsonl", "--cache", cache, env=env) == expected
    proxy.reset()
    assert lancefs("cat", uri, "rows.jsonl", "--cache", cache, env=env) == expected
    assert not data_requests(proxy)  # mended
    not_a_folder = tmp_path / "file"
    not_a_folder.write_text("x")
    assert lancefs("cat", uri, "rows.jsonl", "--cache", not_a_folder / "cache", env=env) == expected


def test_a_full_disk_is_only_misses(place, proxy, uri, tmp_path):
    """A file system of 1 MiB."""
    small = tmp_path / "small"
    small.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", small], check=False).returncode != 0:
        pytest.skip("no file system can be mounted")
    try:
        env = environment(place, proxy)
        expected = lancefs("cat", uri, "rows.jsonl", env=env)
        for _ in range(2):
            assert lancefs("cat", uri, "rows.jsonl", "--cache", small, env=env) == expected
    finally:
        subprocess.run(["umount", "-l", small], check=True)


def test_many_at_once_stay_within_the_size(place, proxy, uri, tmp_path):
    env = environment(place, proxy)
    expected = {q: lancefs("cat", uri, q, env=env) for q in QUESTIONS}

    def ask(i):
        question = QUESTIONS[i % len(QUESTIONS)]
        for _ in range(5):  # names are looked up for a second at most, which a busy machine may need for less
            answer = lancefs("cat", uri, question, "--cache", tmp_path, "--cache-size", "4MiB", env=env, check=False)
            if b"deadline" not in answer.stderr:
                return answer.returncode == 0 and answer.stdout == expected[question]
        return False
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert all(pool.map(ask, range(24)))
    total = sum(f.stat().st_size for f in (tmp_path / "v1").rglob("*-*") if f.is_file())
    assert 0 < total <= 4 * MIB


# ---- Little memory ------------------------------------------------------------------------------

LIMIT = 256 * MIB


def memory_group():
    """A cgroup of our own with a limit: (folder, file of its processes), or None where none can be made."""
    groups = [line.split(":", 2) for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines()]
    for _, controllers, path in groups:
        if "memory" in controllers.split(","):
            base, limit = pathlib.Path("/sys/fs/cgroup/memory" + path), "memory.limit_in_bytes"
        elif not controllers:
            base, limit = pathlib.Path("/sys/fs/cgroup" + path), "memory.max"
        else:
            continue
        group = base / f"lancefs-test-{os.getpid()}"
        try:
            group.mkdir()
            (group / limit).write_text(str(LIMIT))
            return group
        except OSError:
            if group.is_dir():
                group.rmdir()
    return None


def peak_of(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmHWM")


def remove(group):
    with contextlib.suppress(OSError):
        group.rmdir()
    return not group.exists()


def test_a_large_table_in_256_mib(place, tmp_path):
    """The daemon alone is in the group; where there are no groups its peak is looked at."""
    gigabytes = 5 if FULL else 0.3
    rows = 500_000
    count = int(gigabytes * 1e9 / (rows * 48))
    random = np.random.default_rng(3)
    schema = pa.schema([("id", pa.int64()), *((f"x{i}", pa.float64()) for i in range(4)), ("text", pa.string())])

    def batches():
        for i in range(count):
            text = pa.array(random.integers(10**7, 10**8, rows)).cast(pa.string())
            yield pa.record_batch([pa.array(np.arange(i * rows, (i + 1) * rows)), *(pa.array(random.random(rows)) for _ in range(4)), text], schema=schema)
    uri = place.uri("large.lance")
    lance.write_dataset(pa.RecordBatchReader.from_batches(schema, batches()), uri, max_rows_per_file=4 * rows, storage_options=place.storage_options)
    group = memory_group()
    wrapper = tmp_path / "in-group"
    enter = f"echo $$ > {group}/cgroup.procs\n" if group else "export LANCEFS_MEMORY=64MiB\n"
    wrapper.write_text(f"#!/bin/sh\n{enter}exec {LANCEFS} \"$@\"\n")
    wrapper.chmod(0o755)
    state, mountpoint = tmp_path / "state", tmp_path / "mnt"
    mountpoint.mkdir()
    import mounts
    program, mounts.LANCEFS = mounts.LANCEFS, wrapper
    try:
        with Mount(uri, "spill=64MiB", env={**os.environ, **place.env}, on=mountpoint, state=state) as mount:
            reader = subprocess.Popen(["cat", mount.path / "rows.csv"], stdout=subprocess.PIPE)
            lines = subprocess.run(["wc", "-l"], stdin=reader.stdout, stdout=subprocess.PIPE, check=True).stdout
            assert reader.wait() == 0
            assert int(lines) == count * rows + 1
            filtered = (mount.path / "query/filter=x0 < 0.001/count").read_text()
            assert int(filtered) > 0
            peak = peak_of(mount.process.pid)
            print(f"{count * rows} rows, peak {peak / MIB:.0f} MiB, group: {group}")
            assert peak < LIMIT
    finally:
        mounts.LANCEFS = program
        if group:
            # Who watches over the mountpoint ends a moment later than the daemon.
            for pid in (group / "cgroup.procs").read_text().split():
                with contextlib.suppress(OSError):
                    (group.parent / "cgroup.procs").write_text(pid)
            assert comes_true(lambda: remove(group))
