# SPDX-License-Identifier: Apache-2.0
"""`lancefs dump` tells of a file what pylance tells of it (and, where the shared tools are, what they tell of every file of
the corpus); `lancefs verify --deep` finds what is broken and says where."""
import importlib.util
import json
import pathlib
import shutil
import struct

import lance
import numpy as np
import pyarrow as pa
import pytest
from lance.file import LanceFileReader

from manifests import read_manifest, rewrite_manifest
from programs import lancefs

VERSIONS = ["2.0", "2.1", "2.2", "2.3"]


def rows(n=5000):
    rng = np.random.default_rng(3)
    return pa.table({
        "id": pa.array(range(n), pa.int64()),
        "word": [f"word {i % 50}" for i in range(n)],
        "text": [("x" * int(k)) + str(k) for k in rng.integers(0, 40, n)],
        "maybe": pa.array([i if i % 3 else None for i in range(n)], pa.int32()),
        "vec": pa.FixedSizeListArray.from_arrays(pa.array(rng.random(n * 16, np.float32)), 16),
        "tags": pa.array([[str(k) for k in range(i % 4)] for i in range(n)]),
        "one": pa.array([7] * n, pa.int16()),
    })


def dump(path, *options):
    return json.loads(lancefs("dump", path, "--json", *options))


def data_files(uri):
    return sorted((pathlib.Path(uri) / "data").glob("*.lance"))


@pytest.mark.parametrize("version", VERSIONS)
def test_data_files_as_pylance_describes_them(tmp_path, version):
    uri = tmp_path / "t.lance"
    lance.write_dataset(rows(), uri, data_storage_version=version)
    (path,) = data_files(uri)
    theirs = LanceFileReader(str(path)).metadata()
    ours = dump(path, "--bytes", 16)
    assert ours["kind"] == "data file" and ours["version"] == version and ours["bytes"] == path.stat().st_size
    assert ours["rows"] == theirs.num_rows == 5000
    assert [(g["position"], g["size"]) for g in ours["global_buffers"]] == [(g.position, g.size) for g in theirs.global_buffers]
    assert len(ours["columns"]) == len(theirs.columns)
    data = path.read_bytes()
    for mine, other in zip(ours["columns"], theirs.columns):
        assert [(b["position"], b["size"]) for b in mine["buffers"]] == [(b.position, b.size) for b in other.column_buffers]
        assert len(mine["pages"]) == len(other.pages) > 0
        for page, reference in zip(mine["pages"], other.pages):
            assert [(b["position"], b["size"]) for b in page["buffers"]] == [(b.position, b.size) for b in reference.buffers]
            for buffer in page["buffers"]:
                at = buffer["position"]
                assert bytes.fromhex(buffer["bytes"]) == data[at : at + min(16, buffer["size"])]
            assert page["encoding"]["is"]  # every encoding is known
        assert mine["bytes"] == sum(b["size"] for p in mine["pages"] for b in p["buffers"])
    names = {c["field"].split(".")[0] for c in ours["columns"]}
    assert names == set(rows(1).column_names)


@pytest.mark.parametrize("version", ["0.1"] + VERSIONS)
def test_text_names_everything(tmp_path, version):
    uri = tmp_path / "t.lance"
    lance.write_dataset(rows(3000), uri, data_storage_version=version)
    (path,) = data_files(uri)
    text = lancefs("dump", path).decode()
    assert f"version: {version}" in text and "rows: 3000" in text
    for name in ("id: int64", "word: string", "vec: fixed_size_list:float:16"):
        assert name in text
    assert "column 0 id (field 0)" in text and "page 0: " in text
    ours = dump(path)
    assert ours["rows"] == 3000 and sum(p.get("rows", p.get("values")) for p in ours["columns"][0]["pages"]) == 3000
    if version == "0.1":
        assert ours["batch_offsets"] == [0, 1024, 2048, 3000]
        # 64-bit integers stand there as they are.
        at = ours["columns"][0]["pages"][1]["position"]
        assert struct.unpack_from("<3q", path.read_bytes(), at) == (1024, 1025, 1026)


def test_manifests_transactions_and_deletion_files(tmp_path):
    uri = tmp_path / "t.lance"
    dataset = lance.write_dataset(rows(), uri, enable_stable_row_ids=True)
    dataset.create_scalar_index("id", "BTREE")
    dataset.delete("id < 3 or id = 100")
    manifest = dump(next(p for p in (uri / "_versions").glob("*.manifest") if p.name.endswith("612.manifest")))
    assert manifest["kind"] == "manifest" and manifest["version"] == 3
    assert manifest["reader_features"] == "bit 0 (deletion files), bit 1 (stable row ids)"
    assert manifest["manifest"]["fragments"][0]["deletion_file"]["num_deleted_rows"] == 4
    assert manifest["manifest"]["fragments"][0]["inline_row_ids"]["segments"] == [{"range": {"end": 5000}}]
    assert manifest["indices"][0]["name"] == "id_idx" and manifest["indices"][0]["fragment_bitmap"] == [0]
    assert manifest["transaction"]["delete"]["predicate"] == "id < 3 or id = 100"
    (path,) = (uri / "_deletions").iterdir()
    deletions = dump(path)
    assert deletions["deleted_rows"] == 4 and deletions["offsets"] == [0, 1, 2, 100]
    dataset = lance.dataset(uri)
    dataset.delete("id < 4999")
    (path,) = (uri / "_deletions").glob("*.bin") if list((uri / "_deletions").glob("*.bin")) else (path,)
    assert dump(path)["deleted_rows"] in (4, 4999)
    transactions = [dump(path) for path in (uri / "_transactions").iterdir()]
    assert sorted(next(k for k in t["transaction"] if isinstance(t["transaction"][k], dict)) for t in transactions)[:2] == ["create_index", "delete"]


def test_what_cannot_be_shown_is_refused(tmp_path):
    uri = tmp_path / "t.lance"
    lance.write_dataset(rows(10), uri)
    (path,) = data_files(uri)
    for name, reason in ((uri, "is a folder"), (uri / "data" / "none.lance", "none.lance"), (tmp_path / "text.lance", "ends without LANC")):
        if name.name == "text.lance":
            name.write_text("just text, and long enough for a footer")
        result = lancefs("dump", name, check=False)
        assert result.returncode == 1 and reason in result.stderr.decode(), result.stderr
    data = path.read_bytes()
    broken = tmp_path / "cut.lance"
    broken.write_bytes(data[:20] + data[-40:])
    result = lancefs("dump", broken, check=False)
    assert result.returncode == 1 and "beyond the end" in result.stderr.decode()


def leaves(value):
    """All values of a nested description, in an order that does not depend on names."""
    if isinstance(value, dict):
        return sorted((x for v in value.values() for x in leaves(v)), key=str)
    if isinstance(value, list):
        return sorted((x for v in value for x in leaves(v)), key=str)
    if isinstance(value, bytes):
        return [value.hex().upper()]
    if isinstance(value, str):
        return [value.upper()]  # "page" and "PAGE"
    return [value]


def test_every_file_of_the_corpus_as_the_reference_dump(shared, tmp_path):
    spec = importlib.util.spec_from_file_location("lance_dump", shared / "tools/lance_dump.py")
    reference = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reference)
    paths = sorted(p for p in (shared / "corpora/open/datasets").rglob("data/*.lance"))
    assert len(paths) > 200
    kinds = set()
    for path in paths:
        data = path.read_bytes()
        if data[-4:] != b"LANC" or "corrupt_" in str(path):
            continue
        ours = dump(path)
        major, minor = struct.unpack_from("<HH", data, len(data) - 8)
        if (major, minor) in ((0, 0), (0, 1), (0, 2)):
            (at,) = struct.unpack_from("<Q", data, len(data) - 16)
            (length,) = struct.unpack_from("<I", data, at)
            metadata = reference.parse(data[at + 4 : at + 4 + length], "lance.file.Metadata")
            assert ours["batch_offsets"] == metadata.get("batch_offsets", [])
            table = metadata.get("page_table_position", 0)
            for index, column in enumerate(ours.get("columns", [])):
                for page in column["pages"]:
                    cell = struct.unpack_from("<QQ", data, table + 16 * (index * len(column["pages"]) + page["page"]))
                    assert (page["position"], page["values"]) == cell
            kinds.add("0.1")
            continue
        start, columns, globals_, num_globals, num_columns, _, _ = struct.unpack_from("<QQQIIHH", data, len(data) - 40)
        assert len(ours["global_buffers"]) == num_globals and len(ours["columns"]) == num_columns
        for column in ours["columns"]:
            at, size = struct.unpack_from("<QQ", data, columns + 16 * column["column"])
            assert column["metadata"] == {"position": at, "size": size}
            metadata = reference.parse(data[at : at + size], "lance.file.v2.ColumnMetadata")
            pages = metadata.get("pages", [])
            assert len(pages) == len(column["pages"])
            for page, other in zip(column["pages"], pages):
                url, kind, message = reference.encoding(other.get("encoding", {}))
                assert page["encoding"]["type"] == url
                assert page["rows"] == other.get("length", 0) and page["priority"] == other.get("priority", 0)
                buffers = list(zip(other.get("buffer_offsets", []), other.get("buffer_sizes", [])))
                assert [(b["position"], b["size"]) for b in page["buffers"]] == buffers
                assert leaves(page["encoding"]["is"]) == leaves(message), (path, column["column"], page["page"])
                kinds.add(kind)
    assert {"0.1", "lance.encodings.ArrayEncoding", "lance.encodings21.PageLayout"} <= kinds


# ---- verify ----

def verify(uri, *options):
    result = lancefs("verify", uri, "--json", *options, check=False)
    report = json.loads(result.stdout)
    assert (result.returncode == 0) == (report["problems"] == []), result.stderr
    return report


@pytest.mark.parametrize("version", ["0.1", "2.0", "2.1", "2.2"])
def test_sound_tables(tmp_path, version):
    uri = tmp_path / "t.lance"
    dataset = lance.write_dataset(rows(), uri, max_rows_per_file=2000, data_storage_version=version, enable_stable_row_ids=version != "0.1")
    dataset.delete("id % 7 = 1")
    dataset.update({"word": "'new'"}, where="id % 5 = 2")
    dataset.add_columns({"twice": "id * 2"})
    dataset.create_scalar_index("id", "BTREE")
    if version != "0.1":
        dataset.create_index("vec", "IVF_PQ", num_partitions=2, num_sub_vectors=2)
        dataset.drop_columns(["text"])
    report = verify(uri, "--deep")
    assert report["problems"] == [] and report["pages"] > 20
    assert report["rows"] == lance.dataset(uri).count_rows()


@pytest.mark.parametrize("version", ["2.1", "2.2"])
def test_broken_pages_are_named(tmp_path, version):
    uri = tmp_path / "t.lance"
    lance.write_dataset(rows(), uri, max_rows_per_file=2500, data_storage_version=version)
    path = data_files(uri)[1]
    # Chunk sizes that point beyond the values.
    column = next(c for c in dump(path)["columns"] if c["field"] == "text")
    buffer = column["pages"][0]["buffers"][0]
    data = bytearray(path.read_bytes())
    data[buffer["position"] : buffer["position"] + buffer["size"]] = b"\xff" * buffer["size"]
    path.write_bytes(data)
    assert verify(uri)["problems"] == []
    (problem,) = verify(uri, "--deep")["problems"]
    assert path.name in problem and f"column {column['column']} ('text'), page 0 (rows 0 to 2499" in problem
    assert verify(uri, "--read")["problems"]


def test_missing_and_short_files(tmp_path):
    uri = tmp_path / "t.lance"
    dataset = lance.write_dataset(rows(), uri, max_rows_per_file=1000)
    dataset.delete("id = 1 or id = 1500")
    dataset.create_scalar_index("id", "BTREE")
    version = lance.dataset(uri).version
    manifest, _, _ = read_manifest(uri, version)
    gone, short = manifest.fragments[3].files[0].path, manifest.fragments[4].files[0].path
    (uri / "data" / gone).unlink()
    data = (uri / "data" / short).read_bytes()
    (uri / "data" / short).write_bytes(data[: len(data) // 2])
    deletion = next(p for p in (uri / "_deletions").iterdir() if p.name.startswith("0-"))
    deletion.write_bytes(deletion.read_bytes()[:-20])
    index = next((uri / "_indices").iterdir())
    page = next(p for p in index.iterdir() if p.name == "page_data.lance")
    page.write_bytes(page.read_bytes() + b"more")
    problems = verify(uri, "--deep")["problems"]
    text = "\n".join(problems)
    assert f"data file {gone}" in text and f"data file {short}" in text
    assert "fragment 0: deletion file" in text
    assert "index 'id_idx': its file" in text and "page_data.lance" in text
    assert len(problems) == 4, problems
    page.unlink()
    assert "is not there" in "\n".join(verify(uri, "--deep")["problems"])


def test_row_ids_and_fragment_ids_are_compared(tmp_path):
    uri = tmp_path / "t.lance"
    lance.write_dataset(rows(), uri, max_rows_per_file=2500, enable_stable_row_ids=True)

    def twice(manifest):
        manifest.fragments[1].row_ids = manifest.fragments[0].row_ids

    def too_few(manifest):
        manifest.next_row_id = 10

    def same_id(manifest):
        manifest.fragments[1].id = 0

    sound = tmp_path / "sound.lance"
    shutil.copytree(uri, sound)
    for change, reason in ((twice, "row id 0 is that of two rows"), (too_few, "next row id is said to be 10"), (same_id, "2 fragments have the id 0")):
        place = tmp_path / change.__name__
        shutil.copytree(sound, place)
        rewrite_manifest(place, 1, change)
        assert reason in "\n".join(verify(place, "--deep")["problems"])


def test_blobs_lie_inside_their_objects(tmp_path):
    uri = tmp_path / "t.lance"
    field = pa.field("blob", pa.large_binary(), metadata={"lance-encoding:blob": "true"})
    table = pa.table({"id": range(20), "blob": pa.array([bytes([i]) * (i * 5000) for i in range(20)], pa.large_binary())},
                     schema=pa.schema([("id", pa.int64()), field]))
    lance.write_dataset(table, uri, data_storage_version="2.2")
    report = verify(uri, "--deep")
    assert report["problems"] == [] and report["blobs"] == 20
    sidecars = sorted((uri / "data").rglob("*.blob"))
    if sidecars:
        sidecars[0].write_bytes(sidecars[0].read_bytes()[:100])
        problems = "\n".join(verify(uri, "--deep")["problems"])
        assert "beyond the end" in problems and "blob of column 'blob', row" in problems
        sidecars[0].unlink()
        assert "is not there" in "\n".join(verify(uri, "--deep")["problems"])


def test_corrupt_tables_of_the_corpus(shared):
    for name in ("corrupt_missing_data", "corrupt_missing_deletion", "corrupt_truncated_data"):
        report = verify(shared / "corpora/open/datasets" / name, "--deep")
        assert len(report["problems"]) >= 1, name
    for name in ("main_22", "types_22", "enc_21", "main_20", "main_01", "hist_stable_ids"):
        assert verify(shared / "corpora/open/datasets" / name, "--deep")["problems"] == [], name
