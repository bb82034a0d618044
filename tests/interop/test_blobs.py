# SPDX-License-Identifier: Apache-2.0
"""Blob columns of every kind, written by pylance: their bytes in scans, their places, and which bytes are read."""
import base64
import json
import pathlib
import random
import shutil
import struct
import subprocess

import lance
import lance.blob
import pyarrow as pa
import pytest

from programs import BUILD, Adapter, Refused

PROBE = BUILD / "tests/engine/scan/blob_probe"
V1 = {"lance-encoding:blob": "true"}


@pytest.fixture(scope="module")
def adapter():
    adapter = Adapter()
    yield adapter
    adapter.close()


def v1_field(name="b"):
    return pa.field(name, pa.large_binary(), metadata=V1)


def payloads(seed, count):
    rng = random.Random(seed)
    sizes = [0, 1, 63, 64, 65, 1000, 70_000, 200_000]
    return [None if rng.random() < 0.2 else rng.randbytes(rng.choice(sizes)) for _ in range(count)]


def places(dataset, column, offsets):
    run = subprocess.run([PROBE, dataset, column, *map(str, offsets)], capture_output=True, text=True)
    if run.returncode != 0:
        raise Refused(run.stderr)
    out = []
    for line in run.stdout.splitlines():
        if line == "null":
            out.append(None)
            continue
        store, _, rest = line.partition(" ")
        path, offset, size = rest.rsplit(" ", 2)
        out.append((pathlib.Path(store) / path, int(offset), int(size)))
    return out


def bytes_at(place):
    if place is None:
        return None
    path, offset, size = place
    with open(path, "rb") as file:
        file.seek(offset)
        data = file.read(size)
    assert len(data) == size
    return data


def rows(adapter, dataset, **request):
    return [json.loads(line) for line in adapter.read(dataset, **request).splitlines()]


def text(value):
    return None if value is None else base64.b64encode(value).decode()


def write(path, values, version, mode="create"):
    table = pa.table([pa.array(range(len(values)), pa.int64()), pa.array(values, pa.large_binary())],
                     schema=pa.schema([pa.field("id", pa.int64()), v1_field()]))
    return lance.write_dataset(table, path, mode=mode, data_storage_version=version)


@pytest.mark.parametrize("version", ["2.0", "2.1", "2.2"])
@pytest.mark.parametrize("nulls", [True, False])
def test_bytes_and_places(adapter, tmp_path, version, nulls):
    values = [value if nulls else value or b"" for value in payloads(1, 300)]
    write(tmp_path / "d", values[:200], version)
    dataset = write(tmp_path / "d", values[200:], version, mode="append")
    want = [text(value) for value in values]
    assert [row["b"] for row in rows(adapter, tmp_path / "d")] == want
    assert [row["b"] for row in rows(adapter, tmp_path / "d", limit=7, offset=195)] == want[195:202]
    offsets = [299, 0, 5, 5, 200, 17, 4]
    assert [bytes_at(place) for place in places(tmp_path / "d", "b", offsets)] == [values[i] for i in offsets]
    # The reference reads the same bytes.
    known = [i for i in offsets if values[i] is not None]
    assert [file.readall() for file in dataset.take_blobs("b", indices=known)] == [values[i] for i in known]


@pytest.mark.parametrize("version", ["2.0", "2.1", "2.2"])
def test_filters(adapter, tmp_path, version):
    values = payloads(2, 200)
    write(tmp_path / "d", values, version)
    answers = {
        "b IS NULL": lambda i, v: v is None,
        "b IS NOT NULL AND id >= 100": lambda i, v: v is not None and i >= 100,
        "id % 7 = 3": lambda i, v: i % 7 == 3,
        "b = X''": lambda i, v: v == b"",
        "octet_length(b) > 100": lambda i, v: v is not None and len(v) > 100,
    }
    one = next(value for value in values if value is not None and len(value) == 63)
    answers[f"b = X'{one.hex()}'"] = lambda i, v: v == one
    for sql, keep in answers.items():
        want = [{"id": i, "b": text(v)} for i, v in enumerate(values) if keep(i, v)]
        assert rows(adapter, tmp_path / "d", filter=sql) == want, sql
        assert rows(adapter, tmp_path / "d", filter=sql, select=["id"]) == [{"id": row["id"]} for row in want], sql


@pytest.mark.parametrize("version", ["2.0", "2.1", "2.2"])
def test_deleted_rows_and_missing_columns(adapter, tmp_path, version):
    values = payloads(3, 50)
    dataset = write(tmp_path / "d", values, version)
    dataset.delete("id % 3 = 1")
    left = [value for i, value in enumerate(values) if i % 3 != 1]
    assert [row["b"] for row in rows(adapter, tmp_path / "d")] == [text(value) for value in left]
    assert [bytes_at(place) for place in places(tmp_path / "d", "b", range(len(left)))] == left
    with pytest.raises(Refused, match="out of range"):
        places(tmp_path / "d", "b", [len(left)])
    with pytest.raises(Refused, match="no blob column"):
        places(tmp_path / "d", "id", [0])
    with pytest.raises(Refused, match="no column 'c'"):
        places(tmp_path / "d", "c", [0])


def v2_table(values, **field):
    schema = pa.schema([pa.field("id", pa.int64()), lance.blob_field("b", **field)])
    return pa.table([pa.array(range(len(values)), pa.int64()), lance.blob_array(values)], schema=schema)


def test_v2_kinds(adapter, tmp_path):
    """Inline, packed (several sidecars), dedicated, external: whole objects, ranges, absolute paths, under a base."""
    rng = random.Random(4)
    outside = rng.randbytes(5000)
    (tmp_path / "out side.bin").write_bytes(outside)
    (tmp_path / "plain.bin").write_bytes(outside[:77])
    (tmp_path / "base").mkdir()
    (tmp_path / "base/x").mkdir()
    (tmp_path / "base/x/in.bin").write_bytes(outside[100:400])
    data = [b"small", None, b"", rng.randbytes(100), *(rng.randbytes(3000) for _ in range(12)), rng.randbytes(20_000)]
    plain = f"file://{tmp_path}/plain.bin"
    values = [*data, plain, lance.blob.Blob.from_uri(plain, position=7, size=30), f"file://{tmp_path}/out%20side.bin"]
    want = [*data, outside[:77], outside[7:37], outside]
    dataset = lance.write_dataset(v2_table(values, inline_size_threshold=1000, dedicated_size_threshold=10_000, pack_file_size_threshold=9000),
                                  tmp_path / "d", data_storage_version="2.2", allow_external_blob_outside_bases=True)
    kinds = {row["kind"] for row in dataset.to_table(columns=["b"]).column("b").to_pylist() if row}
    assert kinds == {0, 1, 2, 3}
    assert [row["b"] for row in rows(adapter, tmp_path / "d")] == [text(value) for value in want]
    assert [bytes_at(place) for place in places(tmp_path / "d", "b", range(len(want)))] == want
    (tmp_path / "plain.bin").unlink()
    with pytest.raises(Refused, match="plain.bin"):
        adapter.read(tmp_path / "d", filter="id = 17")
    # Rows whose blob is not asked for do not need it.
    assert rows(adapter, tmp_path / "d", filter="id = 17", select=["id"]) == [{"id": 17}]
    assert rows(adapter, tmp_path / "d", filter="b IS NULL", select=["id"]) == [{"id": 1}]


def test_v2_nested(adapter, tmp_path):
    field = lance.blob_field("b", inline_size_threshold=10)
    blobs = [b"one", None, b"x" * 1000, b""]
    structs = pa.StructArray.from_arrays([pa.array([1, 2, 3, 4]), lance.blob_array(blobs)], fields=[pa.field("i", pa.int64()), field],
                                         mask=pa.array([False, False, False, True]))
    lists = pa.ListArray.from_arrays(pa.array([0, 2, 2, 3, 4], pa.int32()), lance.blob_array(blobs), type=pa.list_(lance.blob_field("item")))
    table = pa.table({"id": range(4), "s": structs, "l": lists})
    lance.write_dataset(table, tmp_path / "d", data_storage_version="2.2")
    got = rows(adapter, tmp_path / "d")
    want = [text(value) for value in blobs]
    assert [row["s"] for row in got] == [{"i": 1, "b": want[0]}, {"i": 2, "b": None}, {"i": 3, "b": want[2]}, None]
    assert [row["l"] for row in got] == [want[:2], [], want[2:3], want[3:]]
    assert [row["l"] for row in rows(adapter, tmp_path / "d", filter="id > 1")] == [want[2:3], want[3:]]
    assert [row["s.b"] for row in rows(adapter, tmp_path / "d", select=["s.b"])] == [*want[:3], None]
    assert [bytes_at(place) for place in places(tmp_path / "d", "s.b", [2, 3, 1, 0])] == [blobs[2], None, None, blobs[0]]


@pytest.mark.parametrize("version", ["2.0", "2.1"])
def test_v1_in_struct(adapter, tmp_path, version):
    values = [b"one", None, b"x" * 1000, b""]
    mask = None if version == "2.0" else pa.array([False, False, True, False])
    structs = pa.StructArray.from_arrays([pa.array([1, 2, 3, 4]), pa.array(values, pa.large_binary())],
                                         fields=[pa.field("i", pa.int64()), v1_field()], mask=mask)
    lance.write_dataset(pa.table({"s": structs}), tmp_path / "d", data_storage_version=version)
    want = [{"i": i + 1, "b": text(value)} for i, value in enumerate(values)]
    if mask is not None:
        want[2] = None
    assert [row["s"] for row in rows(adapter, tmp_path / "d")] == want
    assert [bytes_at(place) for place in places(tmp_path / "d", "s.b", [3, 0, 1])] == [b"", b"one", None]


@pytest.mark.parametrize("version", ["2.1", "2.2"])
def test_members_of_packed_structs_are_no_blobs(adapter, tmp_path, version):
    """All that the reference writes of such columns is that they are null."""
    kind = pa.struct([pa.field("i", pa.int64()), v1_field()])
    table = pa.table([pa.array([None, None], kind)], schema=pa.schema([pa.field("s", kind, metadata={"packed": "true"})]))
    lance.write_dataset(table, tmp_path / "d", data_storage_version=version)
    assert [row["s"] for row in rows(adapter, tmp_path / "d")] == [None, None]


def test_managed(adapter, tmp_path):
    values = [b"tiny", None, b"", b"m" * 100_000, b"M" * 5_000_000]
    table = v2_table(values)
    table = table.replace_schema_metadata({"lance.blob.managed": "true"})
    dataset = lance.write_dataset(table, tmp_path / "d", data_storage_version="2.2")
    kinds = {row["kind"] for row in dataset.to_table(columns=["b"]).column("b").to_pylist() if row}
    if kinds.isdisjoint({4, 5}):
        pytest.skip(f"this pylance writes no managed blobs: {kinds}")
    assert [row["b"] for row in rows(adapter, tmp_path / "d")] == [text(value) for value in values]
    assert [bytes_at(place) for place in places(tmp_path / "d", "b", range(5))] == values


def test_large_values_stream(tmp_path):
    """Blobs of 24 MB each come one by one: memory stays far below what they weigh together."""
    values = [bytes([i]) * 24_000_000 for i in range(24)]
    write(tmp_path / "d", values, "2.1")
    out = subprocess.run(["/usr/bin/env", "python3", "-c", f"""
import resource, subprocess, hashlib
process = subprocess.Popen(['{BUILD}/lancefs', 'cat', '{tmp_path}/d', 'rows.jsonl'], stdout=subprocess.PIPE)
digest = hashlib.sha256()
lines = 0
for line in process.stdout:
    lines += 1
    digest.update(line)
assert process.wait() == 0
print(lines, digest.hexdigest(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
"""], capture_output=True, text=True, check=True).stdout.split()
    import hashlib
    digest = hashlib.sha256()
    for i, value in enumerate(values):
        digest.update(b'{"id":%d,"b":"%s"}\n' % (i, base64.b64encode(value)))
    assert out[:2] == ["24", digest.hexdigest()]
    assert int(out[2]) < 400, "MiB"


class Changed:
    """A copy of a dataset whose blob descriptors are changed in its data file."""

    def __init__(self, source, target):
        shutil.copytree(source, target)
        self.file = next((target / "data").glob("*.lance"))

    def replace(self, old, new):
        data = self.file.read_bytes()
        assert data.count(old) == 1, data.count(old)
        self.file.write_bytes(data.replace(old, new))


@pytest.mark.parametrize("position,size", [(0, 1 << 62), ((1 << 64) - 8, 64), (1 << 40, 100), (0, 1 << 36)])
def test_hostile_places(adapter, tmp_path, position, size):
    """Places outside of the file are errors, and nothing of their size is allocated."""
    write(tmp_path / "v1", [b"a" * 100, b"b" * 1234], "2.1")
    changed = Changed(tmp_path / "v1", tmp_path / "w1")
    changed.replace(struct.pack("<QQ", 128, 1234), struct.pack("<QQ", position, size))
    for request in ({}, {"filter": "id = 1"}, {"filter": "b = X'00'"}):
        with pytest.raises(Refused, match="beyond the end|too large"):
            adapter.read(tmp_path / "w1", **request)
    assert rows(adapter, tmp_path / "w1", select=["id"]) == [{"id": 0}, {"id": 1}]
    with pytest.raises(Refused, match="beyond the end"):
        places(tmp_path / "w1", "b", [1])
    lance.write_dataset(v2_table([b"a" * 100, b"b" * 1234], inline_size_threshold=10, dedicated_size_threshold=1000),
                        tmp_path / "v2", data_storage_version="2.2")
    changed = Changed(tmp_path / "v2", tmp_path / "w2")
    changed.replace(struct.pack("<BQQ", 2, 0, 1234), struct.pack("<BQQ", 1, position, size))
    with pytest.raises(Refused):
        adapter.read(tmp_path / "w2")


def test_hostile_paths(adapter, tmp_path):
    """Managed blobs stay under their base, unknown kinds are named."""
    lance.write_dataset(v2_table([b"a" * 100, b"b" * 1234], inline_size_threshold=10), tmp_path / "v2", data_storage_version="2.2")
    descriptor = struct.pack("<BQQ", 1, 100, 1234)
    for kind, message in ((9, "unknown kind of blob 9"), (4, "no plain relative path")):
        shutil.rmtree(tmp_path / "w", ignore_errors=True)
        Changed(tmp_path / "v2", tmp_path / "w").replace(descriptor, struct.pack("<BQQ", kind, 100, 1234))
        with pytest.raises(Refused, match=message):
            adapter.read(tmp_path / "w")
