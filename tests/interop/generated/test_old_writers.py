# SPDX-License-Identifier: Apache-2.0
"""Random datasets written by older releases of pylance. They come from PyPI when they are not there yet (a wheel each, 20 to 60 MB);
with LANCEFS_FULL=1 all of them write 150 each, else two write 20 each and some that were once not readable."""
import base64
import json
import os
import random
import subprocess
import sys

import pytest
from programs import Adapter

from generated import old_writers

FULL = os.environ.get("LANCEFS_FULL") == "1"
RELEASES = old_writers.RELEASES if FULL else ["0.18.2", "1.0.4"]
# Blobs of 2.0 as plain strings (0.18), levels without a width (1.0).
ONCE_REFUSED = [113, 121, 128]


@pytest.mark.parametrize("release", RELEASES)
def test_datasets_of_old_writers_read_the_same(release):
    seeds = list(range(150)) if FULL else [*range(20), *ONCE_REFUSED]
    total = old_writers.run(release, seeds)
    print(total.text())
    assert not total.failures, total.text()
    assert sum(total.runs.values()) > 0.9 * len(seeds) and total.answers > len(seeds) and total.steps > len(seeds)


WRITE_BLOBS = """
import sys, lance, pyarrow as pa
metadata = {"lance-encoding:blob": "true"} | ({"lance-encoding:compression": "zstd"} if sys.argv[2] == "zstd" else {})
values = [None if line == "null" else bytes.fromhex(line) for line in sys.stdin.read().splitlines()]
table = pa.table([pa.array(values, pa.large_binary())], schema=pa.schema([pa.field("b", pa.large_binary(), metadata=metadata)]))
lance.write_dataset(table, sys.argv[1], data_storage_version="2.0")
"""


@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_blobs_of_before_there_were_blobs(tmp_path, compression):
    """Compressed ones have no place in the file where they could be read from."""
    rng = random.Random(7)
    values = [rng.choice([None, b"", b"abc" * rng.randint(0, 300) + rng.randbytes(5)]) for _ in range(400)]
    lines = "\n".join("null" if value is None else value.hex() for value in values)
    subprocess.run([sys.executable, "-c", WRITE_BLOBS, tmp_path / "d", compression], input=lines, text=True, check=True,
                   env={**os.environ, "PYTHONPATH": str(old_writers.install("0.18.2"))})
    adapter = Adapter()
    try:
        read = lambda **request: [json.loads(line)["b"] for line in adapter.read(tmp_path / "d", **request).splitlines()]
        want = [None if value is None else base64.b64encode(value).decode() for value in values]
        assert read() == want
        assert read(take=[3, 149, 150, 399]) == [want[i] for i in (3, 149, 150, 399)]
        assert read(filter="b IS NULL") == [None] * values.count(None)
        assert read(filter="octet_length(b) > 500") == [text for value, text in zip(values, want) if value and len(value) > 500]
    finally:
        adapter.close()
