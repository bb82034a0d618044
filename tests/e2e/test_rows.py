# SPDX-License-Identifier: Apache-2.0
"""rows/: random access by row offset, and single values as files; the judge is pylance's take."""
import datetime
import decimal
import errno
import json
import os
import random
import subprocess

import lance
import pyarrow as pa
import pytest
import canonical
from mounts import Mount

ROWS = 3000


def rich(rows=ROWS):
    ids = list(range(rows))
    return pa.table({
        "id": pa.array(ids, pa.int64()),
        "fare": pa.array([i / 8 for i in ids]),
        "name": pa.array([None if i % 7 == 0 else "" if i % 7 == 1 else f"näme {i}\nline two" for i in ids]),
        "raw": pa.array([None if i % 5 == 0 else bytes([i % 256, 0, 10]) * (i % 4) for i in ids], pa.binary()),
        "fixed": pa.array([i.to_bytes(4, "big") for i in ids], pa.binary(4)),
        "when": pa.array([datetime.datetime(2020, 1, 1) + datetime.timedelta(seconds=i) for i in ids], pa.timestamp("us")),
        "price": pa.array([decimal.Decimal(i).scaleb(-2) for i in ids], pa.decimal128(12, 2)),
        "odd name/x": pa.array([float("nan") if i % 3 == 0 else float(i) for i in ids], pa.float32()),
        "tags": pa.array([[] if i % 4 == 0 else None if i % 4 == 1 else ["a", str(i)] for i in ids], pa.list_(pa.string())),
        "st": pa.StructArray.from_arrays([pa.array(ids, pa.int32()), pa.array([f'"{i}"' for i in ids])], ["a", "b"]),
        "kind": pa.array([["red", "blue", None][i % 3] for i in ids]).dictionary_encode(),
        "yes": pa.array([i % 2 == 0 for i in ids]),
        "nothing": pa.array([None] * rows, pa.int32()),
    })


@pytest.fixture(scope="module", params=["0.1", "2.0", "2.1", "2.2", "2.3"])
def dataset(request, tmp_path_factory):
    """A table in pieces, with deleted rows."""
    path = tmp_path_factory.mktemp("rows") / "t.lance"
    table = rich()
    if request.param == "2.0":  # cannot store a null list beside an empty one there
        table = table.drop_columns(["tags"])
    lance.write_dataset(table, str(path), max_rows_per_file=700, data_storage_version=request.param)
    dataset = lance.dataset(str(path))
    dataset.delete("id % 11 = 3")
    return dataset


@pytest.fixture(scope="module")
def root(dataset):
    with Mount(dataset.uri) as mount:
        yield mount.path


def code_of(call, *arguments):
    with pytest.raises(OSError) as error:
        call(*arguments)
    return error.value.errno


def lines(table):  # of a table, each with its end
    return canonical.jsonl(table).splitlines(keepends=True)


# Names and bytes of a row's cells, from pylance's row.
def cells(table):
    files = {}
    row = json.loads(lines(table)[0])
    for field in table.schema:
        value = table[field.name][0]
        if not value.is_valid or value.as_py() is None:
            continue
        name = field.name if "/" not in field.name else "%" + field.name.replace(" ", "%20").replace("/", "%2F")
        type_ = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        if pa.types.is_string(type_):
            files[name + ".txt"] = value.as_py().encode()
        elif pa.types.is_binary(type_) or pa.types.is_fixed_size_binary(type_):
            files[name + ".bin"] = value.as_py()
        elif pa.types.is_nested(type_):
            files[name + ".json"] = (json.dumps(row[field.name], separators=(",", ":"), ensure_ascii=False) + "\n").encode()
        else:
            text = row[field.name]
            files[name + ".txt"] = ((text if isinstance(text, str) else json.dumps(text)) + "\n").encode()
    return files


def test_a_thousand_rows(dataset, root):
    count = dataset.count_rows()
    offsets = [0, 1, 699, 700, count - 1, *random.Random(5).sample(range(count), 1000)]
    for offset, line in zip(offsets, lines(dataset.take(offsets))):
        assert (root / f"rows/{offset}.json").read_bytes() == line, offset


def test_a_range_of_rows(dataset, root):
    count = dataset.count_rows()
    everything = lines(dataset.to_table())
    assert len(everything) == count
    for start, end in [(0, 0), (0, 1), (3, 3), (0, count), (690, 720), (count - 5, count), (count, count)]:
        assert (root / f"rows/{start}-{end}.jsonl").read_bytes() == b"".join(everything[start:end]), (start, end)


def test_the_cells_of_a_row(dataset, root):
    count = dataset.count_rows()
    for offset in [0, 1, 2, 5, 700, count - 1, *random.Random(6).sample(range(count), 30)]:
        expected = cells(dataset.take([offset]))
        folder = root / f"rows/{offset}"
        assert set(os.listdir(folder)) == set(expected), offset
        for entry in os.scandir(folder):
            # The size is exact before anybody opens the file.
            status = os.stat(entry.path)
            assert (status.st_size, status.st_ino) == (len(expected[entry.name]), entry.inode()), entry.path
            with open(entry.path, "rb") as file:
                assert file.read() == expected[entry.name], entry.path


def test_a_cell_by_the_bare_name(root):
    for bare, listed in [("id", "id.txt"), ("name", "name.txt"), ("fixed", "fixed.bin"), ("st", "st.json"), ("%odd%20name%2Fx", "%odd%20name%2Fx.txt")]:
        assert os.stat(root / "rows/4" / bare).st_ino == os.stat(root / "rows/4" / listed).st_ino
        assert (root / "rows/4" / bare).read_bytes() == (root / "rows/4" / listed).read_bytes()
    assert code_of(os.stat, root / "rows/4/name.json") == errno.ENOENT
    assert code_of(os.stat, root / "rows/4/id.bin") == errno.ENOENT


def test_names_that_need_encoding(tmp_path):
    table = pa.table({"%41": ["first"], "A": ["second"], "x" * 201: pa.array([3], pa.int32()), "é b": ["fourth"]})
    lance.write_dataset(table, str(tmp_path / "t.lance"))
    with Mount(tmp_path / "t.lance") as mount:
        row = mount.path / "rows/0"
        assert set(os.listdir(row)) == {"%%2541.txt", "A.txt", "%" + "x" * 201 + ".txt", "é b.txt"}
        assert (row / "%%2541.txt").read_text() == (row / "%%2541").read_text() == (row / "%41").read_text() == "first"
        assert (row / "A").read_text() == "second"
        assert (row / ("x" * 201)).read_text() == "3\n"
        assert (row / "é b").read_text() == "fourth"


def test_a_null_has_no_file(dataset, root):
    assert dataset.take([0], columns=["name"])["name"][0].as_py() is None
    assert code_of(os.stat, root / "rows/0/name.txt") == errno.ENOENT
    if dataset.take([0], columns=["nothing"])["nothing"][0].as_py() is None:  # 0.1 stores no nulls of numbers
        assert code_of(os.stat, root / "rows/0/nothing") == errno.ENOENT


@pytest.mark.parametrize("name", ["-1", "+1", "01", "1.0", "99999", "99999.json", "0-99999.jsonl", "5-3.jsonl", "5.jsonl", "5-6.json", "0x1", "18446744073709551615", "99999999999999999999", "1-2", ".json", "-2.jsonl"])
def test_what_is_no_row(root, name):
    assert code_of(os.stat, root / "rows" / name) == errno.ENOENT


def test_only_a_text_is_listed(root):
    assert os.listdir(root / "rows") == ["README.txt"]
    assert "<n>.json" in (root / "rows/README.txt").read_text()
    assert code_of(os.mkdir, root / "rows/x") == errno.EROFS
    assert code_of(open, root / "rows/5.json", "w") == errno.EROFS


def test_one_question_is_one_inode(root):
    assert os.stat(root / "rows/5.json").st_ino == os.stat(root / "query/take=5/rows.jsonl").st_ino
    assert os.stat(root / "rows/5-9.jsonl").st_ino == os.stat(root / "query/limit=4/offset=5/rows.jsonl").st_ino


def test_every_version_has_its_own_rows(tmp_path):
    path = tmp_path / "t.lance"
    lance.write_dataset(pa.table({"id": [10, 11, 12]}), str(path))
    with Mount(path, "refresh=100ms") as mount:
        assert (mount.path / "rows/1/id").read_text() == "11\n"
        lance.dataset(str(path)).delete("id = 11")
        lance.write_dataset(pa.table({"id": [13, 14]}), str(path), mode="append")
        subprocess.run(["sleep", "0.3"], check=True)
        assert [(mount.path / f"rows/{i}/id").read_text() for i in range(4)] == ["10\n", "12\n", "13\n", "14\n"]
        assert (mount.path / "versions/1/rows/1/id").read_text() == "11\n"
        assert (mount.path / "versions/2/rows/1.json").read_text() == '{"id":12}\n'
        assert code_of(os.stat, mount.path / "versions/2/rows/2") == errno.ENOENT


def test_looking_at_a_row_reads_it_once(root):
    def read():
        return json.loads((root / "status/io.json").read_text())["lancefs_store_bytes_read_total"]

    (root / "rows/1234.json").read_bytes()  # what the files need to be opened
    os.listdir(root / "rows/1235")
    before = read()
    for _ in range(3):
        for entry in os.scandir(root / "rows/1235"):
            with open(entry.path, "rb") as file:
                file.read()
    assert read() == before
    os.stat(root / "rows/1236")
    assert read() == before, "a directory's stat is answered by the manifest"


def test_extensions(tmp_path):
    import uuid

    ids = [uuid.UUID(int=i + (7 << 100)) for i in range(3)]
    table = pa.table({
        "id": pa.ExtensionArray.from_storage(pa.uuid(), pa.array([u.bytes for u in ids], pa.binary(16))),
        "doc": pa.ExtensionArray.from_storage(pa.json_(), pa.array(['{"a": [1, "x/y"]}', "3", None])),
    })
    lance.write_dataset(table, str(tmp_path / "t.lance"))
    with Mount(tmp_path / "t.lance") as mount:
        assert sorted(os.listdir(mount.path / "rows/0")) == ["doc.json", "id.txt"]
        assert (mount.path / "rows/1/id").read_text() == f"{ids[1]}\n"
        assert json.loads((mount.path / "rows/0/doc.json").read_text()) == {"a": [1, "x/y"]}
        assert json.loads((mount.path / "rows/1/doc.json").read_text()) == 3
        assert os.listdir(mount.path / "rows/2") == ["id.txt"]
