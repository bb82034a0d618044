# SPDX-License-Identifier: Apache-2.0
"""A store that delays, resets, refuses, lies about lengths, trickles and lists what is no longer true: results are right or there is a clear error,
nothing hangs, and no row is lost or doubled."""
import json
import os
import random
import subprocess

import lance
import pyarrow as pa
import pytest
from fault_proxy import FAULTS, FaultProxy
from programs import LANCEFS

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
