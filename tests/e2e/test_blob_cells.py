# SPDX-License-Identifier: Apache-2.0
"""A blob as a file: its exact size, and parts of it that cost no more than themselves. Counted between the mount and an S3 server.

LANCEFS_FULL=1 makes columns of 2 GB; else they have 96 MiB."""
import os
import random
import subprocess
import time

import lance
import lance.blob
import pyarrow as pa
import pytest

from mounts import Mount
from s3_proxy import S3Proxy

pytestmark = pytest.mark.parametrize("place", ["s3"], indirect=True)

MIB = 1 << 20
FULL = os.environ.get("LANCEFS_FULL") == "1"
BLOBS, BLOB_BYTES = (16, 128 * MIB) if FULL else (3, 32 * MIB)
ROWS = 2 * BLOBS + 2  # every second row has one; then an empty one and a null
KINDS = ["v1_20", "v1_21", "packed", "dedicated", "inline", "external"]


def payload(row):
    """Different everywhere, and cheap to make again."""
    block = random.Random(row).randbytes(MIB + 1)
    return (block * (BLOB_BYTES // len(block) + 1))[: BLOB_BYTES + row]


def value(row):
    if row >= 2 * BLOBS:
        return b"" if row == 2 * BLOBS else None
    return payload(row) if row % 2 else b"small %d" % row


def put_objects(place):
    """The large blobs as objects of their own; gives their URIs."""
    import pyarrow.fs
    options = place.storage_options
    store = pyarrow.fs.S3FileSystem(access_key=options["aws_access_key_id"], secret_key=options["aws_secret_access_key"],
                                    region=options["aws_region"], endpoint_override=options["aws_endpoint"].removeprefix("http://"), scheme="http")
    uris = {}
    for row in range(1, 2 * BLOBS, 2):
        uris[row] = place.uri(f"objects/{row}.bin")
        with store.open_output_stream(uris[row].removeprefix("s3://")) as out:
            out.write(payload(row))
    return uris


def batches(kind, schema, uris):
    for row in range(ROWS):
        if kind.startswith("v1"):
            column = pa.array([value(row)], pa.large_binary())
        elif row in uris:
            column = lance.blob_array([uris[row]])
        else:
            column = lance.blob_array([value(row)])
        yield pa.RecordBatch.from_arrays([pa.array([row], pa.int64()), column], schema=schema)


@pytest.fixture(scope="module", params=KINDS)
def dataset(place, request):
    kind = request.param
    field = {
        "packed": lambda: lance.blob_field("b", dedicated_size_threshold=1 << 40, pack_file_size_threshold=1 << 40),
        "dedicated": lambda: lance.blob_field("b"),
        "inline": lambda: lance.blob_field("b", inline_size_threshold=1 << 40, dedicated_size_threshold=(1 << 40) + 1),
        "external": lambda: lance.blob_field("b"),
    }.get(kind, lambda: pa.field("b", pa.large_binary(), metadata={"lance-encoding:blob": "true"}))()
    schema = pa.schema([pa.field("id", pa.int64()), field])
    uris = put_objects(place) if kind == "external" else {}
    uri = place.uri(f"{kind}.lance")
    options = {"allow_external_blob_outside_bases": True} if uris else {}
    version = {"v1_20": "2.0", "v1_21": "2.1"}.get(kind, "2.2")
    dataset = lance.write_dataset(pa.RecordBatchReader.from_batches(schema, batches(kind, schema, uris)), uri, data_storage_version=version,
                                  storage_options=place.storage_options, **options)
    if not kind.startswith("v1"):
        kinds = {row["kind"] for row in dataset.scanner(columns=["b"]).to_table().column("b").to_pylist() if row and row["size"] > MIB or row and kind == "external"}
        assert {"packed": 1, "dedicated": 2, "inline": 0, "external": 3}[kind] in kinds, kinds
    return uri


def test_a_part_costs_no_more_than_itself(place, dataset):
    row = 2 * (BLOBS // 2) + 1
    blob = payload(row)
    with S3Proxy(place.storage_options["aws_endpoint"]) as proxy:
        with Mount(dataset, env={**os.environ, **place.env, "AWS_ENDPOINT": proxy.endpoint}) as mount:
            path = mount.path / f"rows/{row}/b.bin"
            before = proxy.bytes_out()
            middle = len(blob) // 2 // MIB
            dd = subprocess.run(["dd", f"if={path}", "bs=1M", "count=1", f"skip={middle}", "status=none"], stdout=subprocess.PIPE, check=True)
            time.sleep(0.5)  # what the mount still asks for belongs to the price
            transferred = proxy.bytes_out() - before
            assert dd.stdout == blob[middle * MIB : (middle + 1) * MIB]
            assert transferred <= 1.5 * MIB, [(r.method, r.key[-60:], r.bytes_out) for r in proxy.requests]
            # A second part, without what had to be found first.
            before = proxy.bytes_out()
            with open(path, "rb") as file:
                assert os.pread(file.fileno(), 4096, 3 * MIB + 5) == blob[3 * MIB + 5 : 3 * MIB + 5 + 4096]
            assert proxy.bytes_out() - before <= 0.5 * MIB


def test_sizes_and_ends(place, dataset):
    row = 1
    blob = payload(row)
    with Mount(dataset, env={**os.environ, **place.env}) as mount:
        folder = mount.path / f"rows/{row}"
        assert os.stat(folder / "b.bin").st_size == len(blob)
        assert "b.bin" in os.listdir(folder)
        with open(folder / "b.bin", "rb") as file:
            assert os.pread(file.fileno(), 100, len(blob) - 7) == blob[-7:]
            assert os.pread(file.fileno(), 100, len(blob)) == b""
            assert os.pread(file.fileno(), 100, len(blob) + MIB) == b""
            assert file.seek(0, os.SEEK_END) == len(blob)
        assert (mount.path / "rows/0/b.bin").read_bytes() == b"small 0"
        assert (mount.path / f"rows/{2 * BLOBS}/b.bin").read_bytes() == b""
        assert "b.bin" not in os.listdir(mount.path / f"rows/{2 * BLOBS + 1}")
        with open(folder / "b.bin", "rb") as file:
            assert file.read() == blob


def test_rows_without_the_column_read_no_blobs(place, dataset):
    with S3Proxy(place.storage_options["aws_endpoint"]) as proxy:
        with Mount(dataset, env={**os.environ, **place.env, "AWS_ENDPOINT": proxy.endpoint}) as mount:
            for question in ("select=id/rows.jsonl", "filter=b IS NULL/select=id/rows.jsonl", "filter=id = 0/rows.jsonl"):
                before = proxy.bytes_out()
                lines = (mount.path / "query" / question).read_text().splitlines()
                assert len(lines) == (ROWS if question.startswith("select") else 1)
                assert proxy.bytes_out() - before <= 0.5 * MIB, question
