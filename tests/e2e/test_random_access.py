# SPDX-License-Identifier: Apache-2.0
"""What scattered rows cost on S3: never more requests than pylance's take, nor more bytes beyond the guessed tail of each file."""
import json
import os
import subprocess

import lance
import numpy as np
import pyarrow as pa
import pytest
from programs import LANCEFS
from s3_proxy import S3Proxy

pytestmark = pytest.mark.parametrize("place", ["s3"], indirect=True)

VERSIONS = ["2.0", "2.1", "2.2"]
# Of the oldest and the newest version not every table: 0.1 takes thousands of requests. LANCEFS_FULL=1 takes them all.
RARE_VERSIONS = ["0.1", "2.3"]
RARE_CASES = [("narrow", 1), ("wide", 4)]
TAIL = 64 * 1024  # of each opened file may be read in vain
TAKEN = 100


def nulls(random, rows, share=0.1):
    return random.random(rows) < share


def lists(random, values, rows, most):
    lengths = random.integers(0, most + 1, rows)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    items = values.take(pa.array(random.integers(0, len(values), offsets[-1])))
    return pa.ListArray.from_arrays(pa.array(offsets), items)


def texts(random, rows, shortest, longest):
    letters = random.integers(97, 123, rows * 2 + longest, dtype=np.uint8).tobytes().decode()
    starts, lengths = random.integers(0, rows * 2, rows), random.integers(shortest, longest + 1, rows)
    return pa.array([letters[s:s + n] for s, n in zip(starts, lengths)])


def narrow(rows, version):
    """Many rows of few bytes: pages of many chunks, rows of one page near each other or far apart."""
    random = np.random.default_rng(3)
    numbers = random.integers(0, 1 << 62, rows)
    few = pa.array([f"a value of the few that there are, number {i}" for i in range(50)])
    return pa.table({
        "id": np.arange(rows),
        "small": pa.array(random.integers(0, 1000, rows), pa.int32(), mask=nulls(random, rows)),
        "large": numbers,
        "fare": random.random(rows),
        "flag": random.random(rows) < 0.5,
        "text": texts(random, rows, 0, 30),
        "few": few.take(pa.array(random.integers(0, 50, rows), mask=nulls(random, rows))),
        "coded": few.take(pa.array(random.integers(0, 50, rows))).dictionary_encode(),
        "list": lists(random, pa.array(numbers), rows, 6),
        "pair": pa.StructArray.from_arrays([pa.array(numbers), texts(random, rows, 3, 8)], ["a", "b"],
                                           mask=None if version in ("0.1", "2.0") else pa.array(nulls(random, rows))),
    })


def wide(rows, version):
    """Values for the full-zip layout, and what stands next to them."""
    random = np.random.default_rng(4)
    floats = pa.array(random.random(rows * 128, dtype=np.float32))
    vectors = pa.FixedSizeListArray.from_arrays(floats, 128)
    documents = texts(random, rows, 300, 1500)
    return pa.table({
        "id": np.arange(rows),
        "vector": vectors,
        "document": documents,
        "maybe": pa.array([None if n else t for n, t in zip(nulls(random, rows), documents.to_pylist())]),
        "documents": lists(random, documents, rows, 3),
    })


def many(rows, version):
    """Many columns of small pages: what one row costs must not grow to all of them."""
    random = np.random.default_rng(5)
    return pa.table({f"c{i}": random.random(rows) for i in range(60)})


TABLES = {"narrow": (narrow, 500_000), "wide": (wide, 40_000), "many": (many, 28_000)}


class Cost:
    def __init__(self, requests, rounds, transferred, log):
        self.requests, self.rounds, self.bytes, self.log = requests, rounds, transferred, log

    def __repr__(self):
        return f"{self.requests} requests, {self.rounds} rounds, {self.bytes} bytes"

    def against(self, other):
        """For messages: both logs in full."""
        return "\n".join(["lancefs:", *self.log, "pylance:", *other.log])


@pytest.fixture(scope="module")
def proxy(place):
    with S3Proxy(place.storage_options["aws_endpoint"], lockstep=0.04) as proxy:
        yield proxy


def cost(proxy, work):
    proxy.reset()
    result = work()
    return result, Cost(len(proxy.requests), proxy.rounds(), proxy.bytes_out(), [r.line() for r in proxy.requests])


def cases():
    """(Version, table, fragments) of the datasets."""
    full = os.environ.get("LANCEFS_FULL") == "1"
    every = [(t, f) for t in TABLES for f in (1, 4)]
    return [(v, t, f) for v in VERSIONS + RARE_VERSIONS for t, f in every if full or v in VERSIONS or (t, f) in RARE_CASES]


@pytest.fixture(scope="module", params=cases(), ids=lambda p: f"{p[0]}-{p[1]}-{p[2]}")
def dataset(request, place):
    """(URI, rows, columns, fragments) of a table of one file version in one or several fragments."""
    version, name, fragments = request.param
    make, rows = TABLES[name]
    table = make(rows, version)
    uri = place.uri(f"{name}-{version}-{fragments}.lance")
    lance.write_dataset(table, uri, data_storage_version=version, max_rows_per_file=rows // fragments, storage_options=place.storage_options)
    return uri, rows, table.column_names, fragments


def ours(place, proxy, uri, offsets, columns):
    def work():
        select = f"/select={','.join(columns)}" if columns else ""
        path = f"query/take={','.join(map(str, offsets))}{select}/rows.arrow"
        out = subprocess.run([LANCEFS, "cat", uri, path], env={**place.env, "AWS_ENDPOINT": proxy.endpoint}, stdout=subprocess.PIPE, check=True).stdout
        return pa.ipc.open_file(out).read_all()
    return cost(proxy, work)


def theirs(place, proxy, uri, offsets, columns):
    def work():  # a dataset has a cache of its own, so this process is as good as a fresh one
        return lance.dataset(uri, storage_options={**place.storage_options, "aws_endpoint": proxy.endpoint}).take(offsets, columns=columns)
    return cost(proxy, work)


def compare(place, proxy, dataset, offsets, columns=None):
    uri, _, _, fragments = dataset
    mine, my_cost = ours(place, proxy, uri, offsets, columns)
    other, other_cost = theirs(place, proxy, uri, offsets, columns)
    print(f"{','.join(columns or ['all columns'])}: {my_cost}; pylance {other_cost}")
    assert mine.num_rows == len(offsets) and mine.to_pylist() == other.to_pylist()
    assert my_cost.requests <= other_cost.requests, my_cost.against(other_cost)
    assert my_cost.bytes <= other_cost.bytes + TAIL * fragments, my_cost.against(other_cost)
    return my_cost, other_cost


def scattered(rows, seed=11):
    return sorted(int(i) for i in np.random.default_rng(seed).choice(rows, TAKEN, replace=False))


def test_scattered_rows_of_all_columns(place, proxy, dataset):
    compare(place, proxy, dataset, scattered(dataset[1]))


def test_scattered_rows_of_each_column(place, proxy, dataset):
    columns = dataset[2]
    for column in columns if len(columns) <= 10 else columns[:2]:
        compare(place, proxy, dataset, scattered(dataset[1]), [column])


def test_one_row(place, proxy, dataset):
    row = dataset[1] * 2 // 3
    mine, other = compare(place, proxy, dataset, [row])
    env = {**place.env, "AWS_ENDPOINT": proxy.endpoint}
    as_file, file_cost = cost(proxy, lambda: subprocess.run([LANCEFS, "cat", dataset[0], f"rows/{row}.json"], env=env, stdout=subprocess.PIPE, check=True))
    assert json.loads(as_file.stdout)[dataset[2][0]] is not None
    assert file_cost.requests <= other.requests and file_cost.bytes <= other.bytes + TAIL, file_cost.against(other)
    # Listing, manifest, tail, where in each page, values; lists of 2.0 take one more, those of 0.1 and 2.3 more. Many at once may queue,
    # and the sixty of a wide row in 0.1 do.
    rare = any(f"-{version}-" in dataset[0] for version in RARE_VERSIONS)
    if mine.requests < 30:
        assert mine.rounds <= (max(10, other.rounds + 3) if rare else 6), mine.log
    elif not rare:
        assert mine.rounds <= 10, mine.log


def test_neighbours(place, proxy, dataset):
    compare(place, proxy, dataset, list(range(dataset[1] // 3, dataset[1] // 3 + TAKEN)))


def test_opening(place, proxy, dataset):
    """The schema alone."""
    endpoint = {"aws_endpoint": proxy.endpoint}
    _, mine = cost(proxy, lambda: subprocess.run([LANCEFS, "cat", dataset[0], "schema.json"], env={**place.env, "AWS_ENDPOINT": proxy.endpoint},
                                                 stdout=subprocess.PIPE, check=True))
    _, other = cost(proxy, lambda: lance.dataset(dataset[0], storage_options={**place.storage_options, **endpoint}).schema)
    assert mine.requests <= other.requests and mine.bytes <= other.bytes + 1024, mine.against(other)
