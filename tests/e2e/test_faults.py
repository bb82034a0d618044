# SPDX-License-Identifier: Apache-2.0
"""A store that delays, resets, refuses, lies about lengths, trickles and lists what is no longer true: results are right or there is a clear error,
nothing hangs, and no row is lost or doubled."""
import json
import os
import random
import subprocess
import threading

import lance
import pyarrow as pa
import pytest
from fault_proxy import FAULTS, FaultProxy
from mounts import Mount
from programs import LANCEFS
from s3_proxy import S3Proxy

pytestmark = pytest.mark.parametrize("place", ["s3"], indirect=True)

FULL = os.environ.get("LANCEFS_FULL") == "1"
ROWS = 60_000
DEADLINE = 120  # seconds that no command may exceed


def table(rows):
    random.seed(4)
    return pa.table({"id": range(rows), "text": [f"{random.getrandbits(200):x}" for _ in range(rows)], "value": [random.random() for _ in range(rows)]})


@pytest.fixture(scope="module")
def dataset(place):
    uri = place.uri("faults.lance")
    lance.write_dataset(table(ROWS), uri, max_rows_per_file=ROWS // 6, storage_options=place.storage_options)
    return uri


def lancefs(place, proxy, *arguments):
    return subprocess.run([LANCEFS, *arguments], env={**place.env, "AWS_ENDPOINT": proxy.endpoint}, capture_output=True, timeout=DEADLINE)


class StallingProxy(S3Proxy):
    """The bodies of the first so many reads stop in the middle and the connection stays, as long as the client has patience. What is asked
    for again comes."""

    def __init__(self, endpoint, stalls):
        super().__init__(endpoint)
        self.stalls, self.stalled, self.ended = stalls, set(), threading.Event()

    def __exit__(self, *exception):
        self.ended.set()
        return super().__exit__(*exception)

    def _send(self, handler, request, answer, data):
        with self._lock:
            what = request.key, request.range
            stall = request.method == "GET" and request.range and len(data) > 1000 and len(self.stalled) < self.stalls and what not in self.stalled
            if stall:
                self.stalled.add(what)
        if not stall:
            return super()._send(handler, request, answer, data)
        handler.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() in ("etag", "last-modified", "content-range", "content-length"):
                handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(data[:len(data) // 2])
        handler.wfile.flush()
        self.ended.wait()
        handler.close_connection = True


def scanned(result):
    return [json.loads(line)["id"] for line in result.stdout.splitlines()]


@pytest.mark.parametrize("fault", [f for f in FAULTS if f != "stale_listing"])
def test_a_scan_under_one_fault(place, dataset, fault):
    with FaultProxy(place.storage_options["aws_endpoint"], [fault], share=0.25, seed=7) as proxy:
        result = lancefs(place, proxy, "cat", dataset, "query/select=id,text/rows.jsonl")
    assert proxy.done[fault] > 0, proxy.done
    if fault == "wrong_length" and result.returncode != 0:
        assert b"the server answered with" in result.stderr, result.stderr  # never passed on
        return
    assert result.returncode == 0, result.stderr
    assert scanned(result) == list(range(ROWS))


def test_reads_that_stall_are_sent_again(place, dataset):
    """Without the second request nothing would end before the deadline of this test."""
    patience = {"READ_TIMEOUT": "1h", "HEDGE_DELAY": "200ms"}
    with StallingProxy(place.storage_options["aws_endpoint"], stalls=3) as proxy:
        place_of_patience = {**place.env, **patience, "AWS_ENDPOINT": proxy.endpoint}
        with Mount(dataset, env=place_of_patience) as mount:
            rows = (mount.path / "query/select=id,text/rows.jsonl").read_text()
            metrics = dict(line.rsplit(" ", 1) for line in (mount.path / "status/metrics").read_text().splitlines() if not line.startswith("#"))
        assert len(proxy.stalled) == 3
    assert [json.loads(line)["id"] for line in rows.splitlines()] == list(range(ROWS))
    assert int(metrics["lancefs_store_hedged_requests_total"]) >= 3


def test_a_store_that_stops_answering(place, dataset):
    """Nothing waits for ever: reads of a mount and commands end with an error when attempts and retries have had their time."""
    silent = threading.Event()
    ended = threading.Event()

    def swallow(request):
        if silent.is_set():
            ended.wait()
        return silent.is_set()

    with S3Proxy(place.storage_options["aws_endpoint"]) as proxy:
        proxy.before = swallow
        env = {**place.env, "AWS_ENDPOINT": proxy.endpoint, "READ_TIMEOUT": "1s", "CLIENT_RETRY_TIMEOUT": "2", "HEDGE_DELAY": "300ms"}
        try:
            with Mount(dataset, env=env) as mount:
                assert (mount.path / "count").read_text() == f"{ROWS}\n"
                silent.set()
                reading = subprocess.run(["cat", mount.path / "query/filter=id < 3/select=text/rows.jsonl"], capture_output=True, timeout=DEADLINE)
                command = subprocess.run([LANCEFS, "cat", dataset, "query/select=id/rows.jsonl"], env=env, capture_output=True, timeout=DEADLINE)
                ended.set()
                silent.clear()
                again = (mount.path / "query/filter=id < 2/select=id/rows.jsonl").read_text()
        finally:
            ended.set()
    assert reading.returncode != 0 and reading.stdout == b"", reading
    assert command.returncode != 0 and command.stdout == b"" and b"faults.lance" in command.stderr, command
    assert [json.loads(line)["id"] for line in again.splitlines()] == [0, 1]


def test_a_store_of_slow_answers(place, dataset):
    """A second is what a kernel's lookup may take; a command that serves itself has time."""
    with S3Proxy(place.storage_options["aws_endpoint"], delay=1.3) as proxy:
        result = lancefs(place, proxy, "cat", dataset, "query/filter=id < 3/select=id/rows.jsonl")
        with Mount(dataset, env={**place.env, "AWS_ENDPOINT": proxy.endpoint}) as mount:
            count = (mount.path / "count").read_text()
    assert (result.returncode, result.stderr) == (0, b"") and scanned(result) == [0, 1, 2]
    assert count == f"{ROWS}\n"


@pytest.mark.parametrize("seed", range(12 if FULL else 3))
def test_a_scan_under_all_faults(place, dataset, seed):
    faults = [f for f in FAULTS if f not in ("stale_listing", "wrong_length")]
    with FaultProxy(place.storage_options["aws_endpoint"], faults, share=0.3, seed=seed) as proxy:
        result = lancefs(place, proxy, "cat", dataset, "rows.jsonl")
    assert result.returncode == 0, (result.stderr, proxy.done)
    assert scanned(result) == list(range(ROWS)), proxy.done


def test_appends(place, tmp_path):
    """Each append is one row; what was reported as done is there once, what was not is there at most once."""
    count = 200 if FULL else 40
    uri = place.uri("fault_appends.lance")
    lance.write_dataset(pa.table({"id": pa.array([-1], pa.int64())}), uri, storage_options=place.storage_options)
    said = {}
    with FaultProxy(place.storage_options["aws_endpoint"], FAULTS, share=0.2, seed=3, burst=3) as proxy:
        for i in range(count):
            row = tmp_path / f"{i}.jsonl"
            row.write_text(json.dumps({"id": i}) + "\n")
            result = lancefs(place, proxy, "append", uri, row)
            said[i] = (result.returncode, result.stderr)
            if result.returncode != 0:
                assert result.stderr.strip(), "an error without a message"
    ids = lance.dataset(uri, storage_options=place.storage_options).to_table()["id"].to_pylist()
    done = {i for i, (status, _) in said.items() if status == 0}
    assert len(ids) == len(set(ids)), "a row is doubled"
    assert done <= set(ids), f"lost: {done - set(ids)}"
    assert len(done) >= count * 0.9, [text for status, text in said.values() if status]
    assert sum(proxy.done.values()) > count, proxy.done
