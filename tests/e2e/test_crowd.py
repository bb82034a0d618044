# SPDX-License-Identifier: Apache-2.0
"""16 readers and 4 droppers on one mount at once: every answer is right, every drop is one commit, and the daemon ends well.

Under a sanitizer (ctest in build-asan, build-tsan) a finding ends the daemon with an error of its own."""
import json
import os
import random
import threading
import time

import lance
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

READERS, DROPPERS, DROPS = 16, 4, 12
ROWS = 3000


def some_rows(first, count):
    ids = range(first, first + count)
    return pa.table({"id": pa.array(ids, pa.int64()), "fare": [i / 4 for i in ids], "who": [f"w{i % 7}" for i in ids], "tags": [[str(i)] * (i % 3) for i in ids]})


def ids_of(text):
    return [json.loads(line)["id"] for line in text.splitlines()]


class Crowd:
    def __init__(self, mount):
        self.mount, self.root = mount, mount.path
        self.failures, self.reads = [], 0
        self.stop = threading.Event()

    def read_rows(self, rng):
        got = ids_of((self.root / "rows.jsonl").read_text())
        assert len(got) == len(set(got)) >= ROWS

    def read_filter(self, rng):
        low = rng.randrange(ROWS - 10)
        got = ids_of((self.root / f"query/filter=id >= {low} AND id < {low + 10}/rows.jsonl").read_text())
        assert got == list(range(low, low + 10))

    def read_csv(self, rng):
        limit = rng.randrange(1, 50)
        lines = (self.root / f"query/select=id,who/limit={limit}/rows.csv").read_text().splitlines()
        assert len(lines) == limit + 1 and lines[1] == "0,w0"

    def read_version(self, rng):
        version = rng.choice([name for name in os.listdir(self.root / "versions") if name.isdigit()])
        count = int((self.root / f"versions/{version}/count").read_text())
        assert len((self.root / f"versions/{version}/rows.jsonl").read_text().splitlines()) == count

    def read_parquet(self, rng):
        table = pq.read_table(self.root / "versions/1/query/select=id,fare/rows.parquet")
        assert table.num_rows == ROWS and table["id"].to_pylist() == list(range(ROWS))

    def read_pieces(self, rng):
        with open(self.root / "versions/1/rows.jsonl", "rb") as file:
            size = os.fstat(file.fileno()).st_size
            for _ in range(10):
                offset = rng.randrange(size)
                piece = os.pread(file.fileno(), 4096, offset)
                assert piece == self.whole[offset:offset + 4096]

    def look_around(self, rng):
        for folder, _, files in os.walk(self.root / "fragments"):
            for name in files:
                os.stat(os.path.join(folder, name))
        json.loads((self.root / "info.json").read_text())
        (self.root / "status/commits.jsonl").read_text()
        with pytest.raises(OSError):
            os.stat(self.root / "query/filter=nothing > 1")

    def reader(self, number):
        rng = random.Random(number)
        kinds = [self.read_rows, self.read_filter, self.read_csv, self.read_version, self.read_parquet, self.read_pieces, self.look_around]
        try:
            while not self.stop.is_set():
                kinds[number % len(kinds) if rng.random() < 0.5 else rng.randrange(len(kinds))](rng)
                self.reads += 1
        except Exception as error:  # reported in the test's thread
            self.failures.append(repr(error))

    def dropper(self, number):
        try:
            for i in range(DROPS):
                first = 10_000 + (number * DROPS + i) * 5
                if i % 3 == 2:
                    pq.write_table(some_rows(first, 5), self.root / f"append/{number}-{i}.parquet")
                else:
                    lines = "".join(json.dumps({"id": n, "fare": n / 4, "who": "x", "tags": []}) + "\n" for n in range(first, first + 5))
                    (self.root / f"append/{number}-{i}.jsonl").write_text(lines)
                time.sleep(0.02)
        except Exception as error:
            self.failures.append(repr(error))


def test_sixteen_readers_and_four_droppers(place, mounts):
    uri = place.uri("t.lance")
    lance.write_dataset(some_rows(0, ROWS), str(uri), max_rows_per_file=1000, storage_options=place.storage_options)
    mount = mounts(uri, "refresh=50ms", env=place.env)
    crowd = Crowd(mount)
    crowd.whole = (mount.path / "versions/1/rows.jsonl").read_bytes()
    readers = [threading.Thread(target=crowd.reader, args=(n,)) for n in range(READERS)]
    droppers = [threading.Thread(target=crowd.dropper, args=(n,)) for n in range(DROPPERS)]
    for thread in readers + droppers:
        thread.start()
    for thread in droppers:
        thread.join(300)
    time.sleep(1)
    crowd.stop.set()
    for thread in readers:
        thread.join(300)
    assert crowd.failures == []
    assert crowd.reads >= READERS
    assert mount.errors() == {} or all("nothing" in record["message"] for record in mount.errors().values())
    assert mount.unmount() == 0, (mount.state / "daemon.log").read_text()[-4000:]
    dataset = lance.dataset(str(uri), storage_options=place.storage_options)
    assert dataset.version == 1 + DROPPERS * DROPS
    new = range(10_000, 10_000 + DROPPERS * DROPS * 5)
    assert sorted(dataset.to_table(columns=["id"])["id"].to_pylist()) == [*range(ROWS), *new]
