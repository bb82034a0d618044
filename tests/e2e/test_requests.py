# SPDX-License-Identifier: Apache-2.0
"""What a question costs on S3: requests, dependent rounds and bytes, counted between the mount and the server."""
import subprocess
import time

import lance
import numpy as np
import pyarrow as pa
import pytest
from mounts import Mount
from s3_proxy import S3Proxy

pytestmark = pytest.mark.parametrize("place", ["s3"], indirect=True)

MILLION = 1_000_000
MIB = 1 << 20


def batches(millions):
    words = pa.array([f"a text of some length {i}" for i in range(1000)])
    random = np.random.default_rng(7)
    picks = pa.array(random.integers(0, 1000, MILLION), pa.int32())
    texts = words.take(picks)
    fares = pa.array(random.random(MILLION))
    for i in range(millions):
        ids = pa.array(np.arange(i * MILLION, (i + 1) * MILLION))
        yield pa.record_batch([ids, fares, texts], ["id", "fare", "text"])


@pytest.fixture(scope="module")
def large(place):
    """The URI of a table of 50 million rows."""
    uri = place.uri("large.lance")
    reader = pa.RecordBatchReader.from_batches(next(batches(1)).schema, batches(50))
    lance.write_dataset(reader, uri, storage_options=place.storage_options)
    return uri


def test_the_first_rows_of_fifty_millions(place, large):
    with S3Proxy(place.storage_options["aws_endpoint"], lockstep=0.1) as proxy:
        with Mount(large, env={**place.env, "AWS_ENDPOINT": proxy.endpoint}) as mount:
            head = subprocess.run(["head", "-3", mount.path / "rows.jsonl"], stdout=subprocess.PIPE, check=True).stdout.decode()
            time.sleep(1)  # what the mount still asks for belongs to the price
            asked = [(r.method, r.key.rsplit(".lance", 1)[0][-20:], r.bytes_out, round(r.started % 100, 3)) for r in proxy.requests]
            rounds, transferred = proxy.rounds(), proxy.bytes_out()
        print(f"{len(asked)} requests, {rounds} rounds, {transferred} bytes")
    assert [line[:7] for line in head.splitlines()] == ['{"id":0', '{"id":1', '{"id":2']
    assert rounds <= 5, asked
    assert transferred <= 4 * MIB, asked
