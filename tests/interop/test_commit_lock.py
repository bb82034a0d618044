# SPDX-License-Identifier: Apache-2.0
"""--commit-lock: commits under a lock that a program keeps, side by side with pylance's commit_lock on the same lock."""
import contextlib
import fcntl
import itertools
import json
import multiprocessing
import os
import subprocess
import threading
import time

import lance
import pyarrow as pa
import pytest

from programs import LANCEFS, lancefs
from s3_proxy import S3Proxy

APPENDS = 25 if os.environ.get("LANCEFS_FULL") == "1" else 5
FORK = multiprocessing.get_context("forkserver")
FORK.set_forkserver_preload(["lance", "pyarrow"])

PROGRAM = """#!/bin/sh
# lock TABLE VERSION
exec 9>>{folder}/lock
flock 9
echo "$*" >>{folder}/taken
echo locked
read -r how
echo "$how" >>{folder}/given
"""


def flock(folder):
    @contextlib.contextmanager
    def lock(version):
        with open(folder / "lock", "a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
    return lock


@pytest.fixture
def program(tmp_path):
    path = tmp_path / "keeper"
    path.write_text(PROGRAM.format(folder=tmp_path))
    path.chmod(0o755)
    return path


def lock_is_free(folder):
    with open(folder / "lock", "a") as file:
        end = time.monotonic() + 10
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            except BlockingIOError:  # the keeper has not seen yet that its holder is dead
                if time.monotonic() > end:
                    return False
                time.sleep(0.02)


def rows_file(folder, ids):
    path = folder / f"{ids[0]}-{ids[-1]}.jsonl"
    path.write_text("".join(f'{{"id": {i}}}\n' for i in ids))
    return path


def environment(place):
    # No request of a commit needs them.
    return {**os.environ, **place.env, **({"AWS_CONDITIONAL_PUT": "disabled"} if place.kind == "s3" else {})}


def ids_of(place, uri):
    dataset = lance.dataset(uri, storage_options=place.storage_options)
    ours = [json.loads(line)["id"] for line in lancefs("cat", uri, "rows.jsonl", env=environment(place)).splitlines()]
    assert ours == dataset.to_table()["id"].to_pylist()
    return dataset.version, ours


def test_a_lock_for_each_commit(place, program, tmp_path):
    uri = place.uri("each.lance")
    env = environment(place)
    lancefs("create", "--commit-lock", program, uri, rows_file(tmp_path, [1, 2]), env=env)
    lancefs("append", "--commit-lock", program, uri, rows_file(tmp_path, [3]), rows_file(tmp_path, [4]), env=env)
    lance.write_dataset(pa.table({"id": pa.array([5], pa.int64())}), uri, mode="append", storage_options=place.storage_options,
                        commit_lock=flock(tmp_path))
    lancefs("append", "-o", f"commit-lock={program}", uri, rows_file(tmp_path, [6]), env=env)
    lancefs("append", uri, rows_file(tmp_path, [7]), env={**env, "LANCEFS_COMMIT_LOCK": str(program)})
    assert ids_of(place, uri) == (6, [1, 2, 3, 4, 5, 6, 7])
    assert (tmp_path / "taken").read_text().splitlines() == [f"lock {uri} {version}" for version in (1, 2, 3, 5, 6)]
    assert (tmp_path / "given").read_text().split() == ["committed"] * 5
    if place.kind == "s3":
        assert "aws_conditional_put" in lancefs("append", uri, rows_file(tmp_path, [8]), check=False, env=env).stderr.decode()


def test_a_program_that_refuses_leaves_the_table_alone(place, tmp_path):
    uri = place.uri("refused.lance")
    env = environment(place)
    lance.write_dataset(pa.table({"id": pa.array([1], pa.int64())}), uri, storage_options=place.storage_options)
    refusing = tmp_path / "refusing"
    refusing.write_text("#!/bin/sh\necho the keeper is on holiday >&2\nexit 3\n")
    refusing.chmod(0o755)
    failed = lancefs("append", "--commit-lock", refusing, uri, rows_file(tmp_path, [2]), check=False, env=env)
    assert failed.returncode == 1 and b"ended with status 3: the keeper is on holiday" in failed.stderr
    failed = lancefs("append", "--commit-lock", tmp_path / "absent", uri, rows_file(tmp_path, [2]), check=False, env=env)
    assert failed.returncode == 1 and b"absent" in failed.stderr
    failed = lancefs("append", "-o", "commit-lock=here/keeper", uri, rows_file(tmp_path, [2]), check=False, env=env)
    assert failed.returncode == 1 and b"absolute path" in failed.stderr
    failed = lancefs("append", "--commit-lock", refusing, "-o", "commit-lock-timeout=29s", uri, rows_file(tmp_path, [2]), check=False, env=env)
    assert failed.returncode == 1 and b"at least 30s" in failed.stderr
    assert ids_of(place, uri) == (1, [1])


@pytest.mark.skipif(os.environ.get("LANCEFS_FULL") != "1", reason="takes 30 s")
def test_a_lock_that_another_holds(place, program, tmp_path):
    uri = place.uri("held.lance")
    lance.write_dataset(pa.table({"id": pa.array([1], pa.int64())}), uri, storage_options=place.storage_options)
    with flock(tmp_path)(2):
        failed = lancefs("append", "--commit-lock", program, "-o", "commit-lock-timeout=30s", uri, rows_file(tmp_path, [2]), check=False,
                         env=environment(place))
    assert failed.returncode == 1 and b"CommitConflict: the lock on version 2 of" in failed.stderr and b"within 30 s" in failed.stderr
    assert ids_of(place, uri) == (1, [1])


def append_many_with_pylance(uri, options, writer, folder):
    for i in range(APPENDS):
        for _ in range(60):
            try:
                lance.write_dataset(pa.table({"id": pa.array([writer * 1000 + i], pa.int64())}), uri, mode="append", storage_options=options,
                                    commit_lock=flock(folder))
                break
            except Exception as error:  # it gives up after 20 rounds of its own
                if "onflict" not in str(error):
                    raise
                time.sleep(0.05 * writer)
        else:
            raise SystemExit("60 conflicts")


def test_concurrent_appends_lose_nothing(place, program, tmp_path):
    uri = place.uri("many.lance")
    lance.write_dataset(pa.table({"id": pa.array([-1], pa.int64())}), uri, storage_options=place.storage_options)
    theirs = [FORK.Process(target=append_many_with_pylance, args=(uri, place.storage_options, w, tmp_path), daemon=True) for w in range(1, 5)]
    failures = []

    def append_many(writer):
        folder = tmp_path / str(writer)
        folder.mkdir()
        files = [rows_file(folder, [writer * 1000 + i]) for i in range(APPENDS)]
        result = lancefs("append", "--commit-lock", program, uri, *files, check=False, env=environment(place))
        if result.returncode != 0:
            failures.append(result.stderr.decode())

    ours = [threading.Thread(target=append_many, args=(w,)) for w in range(5, 9)]
    for worker in theirs + ours:
        worker.start()
    for worker in theirs + ours:
        worker.join()
    assert failures == [] and [p.exitcode for p in theirs] == [0] * 4
    version, ids = ids_of(place, uri)
    assert sorted(ids) == sorted([-1] + [w * 1000 + i for w in range(1, 9) for i in range(APPENDS)])
    assert version == 1 + 8 * APPENDS


def test_killed_at_every_request(program, tmp_path):
    """The lock is free again, and the table is as before or has the whole commit."""
    if "S3_ENDPOINT" not in os.environ:
        pytest.skip("no S3 server")
    options = {"aws_access_key_id": os.environ["S3_ACCESS_KEY"], "aws_secret_access_key": os.environ["S3_SECRET_KEY"],
               "aws_region": os.environ["S3_REGION"], "aws_endpoint": os.environ["S3_ENDPOINT"], "allow_http": "true"}
    outcomes = []
    for nth in itertools.count(1):
        uri = f"s3://{os.environ['S3_BUCKET']}/commit-lock-{os.getpid()}/{nth}.lance"
        lance.write_dataset(pa.table({"id": pa.array([1], pa.int64())}), uri, storage_options=options)
        made, process = itertools.count(1), []

        def kill(_):
            if next(made) < nth:
                return False
            while not process:
                time.sleep(0.01)
            process[0].kill()
            return True

        with S3Proxy(os.environ["S3_ENDPOINT"]) as proxy:
            proxy.before = kill
            env = {**os.environ, **{("AWS_ALLOW_HTTP" if k == "allow_http" else k.upper()): v for k, v in options.items()},
                   "AWS_CONDITIONAL_PUT": "disabled"}
            process.append(subprocess.Popen([LANCEFS, "append", "--commit-lock", program, uri, rows_file(tmp_path, [2, 3])],
                                            env={**env, "AWS_ENDPOINT": proxy.endpoint}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
            finished = process[0].wait(60) == 0
        assert lock_is_free(tmp_path), nth
        version = lance.dataset(uri, storage_options=options).version
        outcomes.append(version == 2)
        lance.write_dataset(pa.table({"id": pa.array([4], pa.int64())}), uri, mode="append", storage_options=options, commit_lock=flock(tmp_path))
        lancefs("append", "--commit-lock", program, uri, rows_file(tmp_path, [5]), env=env)
        assert lance.dataset(uri, storage_options=options).to_table()["id"].to_pylist() == [1] + ([2, 3] if version == 2 else []) + [4, 5]
        if finished:
            break
        assert nth < 30
    assert outcomes == sorted(outcomes) and not outcomes[0] and outcomes[-1]
