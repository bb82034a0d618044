# SPDX-License-Identifier: Apache-2.0
"""Reading through a real mount with ordinary tools."""
import errno
import json
import os
import shutil
import subprocess
import time

import duckdb
import lance
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

ROWS = 5000


def make(path, rows=ROWS, start=0, mode="create"):
    ids = range(start, start + rows)
    table = pa.table({
        "id": pa.array(ids, pa.int64()),
        "fare": [i / 4 for i in ids],
        "name": [None if i % 7 == 0 else f"näme {i % 100}" for i in ids],
    })
    lance.write_dataset(table, str(path), mode=mode, max_rows_per_file=2000)
    return table


@pytest.fixture
def table(tmp_path):
    return make(tmp_path / "t.lance")


@pytest.fixture
def root(tmp_path, table, mounts):
    return mounts(tmp_path / "t.lance").path


def run(*command):
    return subprocess.run([str(part) for part in command], capture_output=True, check=False)


def lines(path):
    return [json.loads(line) for line in open(path, encoding="utf-8")]


def test_listing(root):
    names = set(os.listdir(root))
    assert {"README.txt", "info.json", "schema.json", "schema.txt", "count", "head.jsonl", "rows.jsonl", "rows.csv", "rows.parquet",
            "versions", "fragments", "query", "status"} <= names
    assert set(os.listdir(root / "query")) == {"README.txt", "FUNCTIONS.txt"}
    assert sorted(os.listdir(root / "fragments")) == ["0", "1", "2"]
    assert set(os.listdir(root / "versions")) == {"1", "latest"}
    assert {"rows.jsonl", "rows.csv", "rows.parquet", "count", "schema.json", "explain.txt"} == set(os.listdir(root / "query/id.gt=3"))
    # What is listed is there, finite, and readable to its end.
    for folder, directories, files in os.walk(root):
        for name in files:
            with open(os.path.join(folder, name), "rb") as file:
                file.read()
        for name in directories:
            assert os.stat(os.path.join(folder, name)).st_nlink == 1


def test_texts(root):
    assert (root / "count").read_text() == f"{ROWS}\n"
    info = json.loads((root / "info.json").read_text())
    assert (info["rows"], info["version"], info["fragments"], info["latest_version"]) == (ROWS, 1, 3, 1)
    schema = json.loads((root / "schema.json").read_text())
    assert [(f["name"], f["type"]) for f in schema["fields"]] == [("id", "int64"), ("fare", "double"), ("name", "string")]
    assert "query/" in (root / "README.txt").read_text()


def test_every_format_has_every_row(root, table):
    expected = table.to_pylist()
    assert lines(root / "rows.jsonl") == expected
    assert json.loads((root / "rows.json").read_text()) == expected
    assert len(pd.read_csv(root / "rows.csv")) == ROWS
    assert len(pd.read_csv(root / "rows.tsv", sep="\t")) == ROWS
    assert pq.read_table(root / "rows.parquet").to_pylist() == expected
    with pa.memory_map(str(root / "rows.arrow")) as source:
        assert pa.ipc.open_file(source).read_all().to_pylist() == expected
    assert pa.ipc.open_stream((root / "rows.arrows").read_bytes()).read_all().to_pylist() == expected
    assert lines(root / "head.jsonl") == expected[:1000]
    assert duckdb.sql(f"select count(*), sum(id) from read_json('{root}/rows.jsonl')").fetchall() == [(ROWS, sum(range(ROWS)))]
    assert pl.scan_ndjson(root / "rows.jsonl").collect().height == ROWS


def test_tools(root, table, tmp_path):
    text = (root / "rows.jsonl").read_bytes()
    assert run("tail", "-n1", root / "rows.jsonl").stdout == text.splitlines(keepends=True)[-1]
    assert run("wc", "-c", root / "rows.jsonl").stdout.split()[0] == str(len(text)).encode()
    for command in (["cp"], ["rsync"], ["cp", "-a"]):
        if shutil.which(command[0]) is None:
            continue
        assert run(*command, root / "rows.jsonl", tmp_path / "copy").returncode == 0
        assert (tmp_path / "copy").read_bytes() == text
        (tmp_path / "copy").unlink()
    archive = run("tar", "-C", root, "-cf", tmp_path / "a.tar", "rows.jsonl")
    assert archive.returncode == 0, archive.stderr
    assert run("tar", "-xOf", tmp_path / "a.tar", "rows.jsonl").stdout == text


@pytest.mark.parametrize("path,count", [
    ("filter=id < 10", 10),
    ("filter%=id %3C 10", 10),
    ("id.lt=10", 10),
    ("filter=name LIKE 'n%5'/filter=id < 100", None),
    ("limit=7/filter=fare > 100", 7),
    ("filter=fare > 100/limit=7", 7),
    ("offset=4990", 10),
    ("take=1,5,4999", 3),
    ("fragments=1", 2000),
    ("name.isnull=true", None),
])
def test_queries(root, table, path, count):
    rows = lines(root / "query" / path / "rows.jsonl")
    assert (root / "query" / path / "count").read_text() == f"{len(rows)}\n"
    if count is not None:
        assert len(rows) == count
    assert all(row in table.slice(row["id"], 1).to_pylist() for row in rows[:50])


def test_one_question_is_one_inode(root):
    stats = {os.stat(root / "query" / q / "rows.jsonl").st_ino
             for q in ("filter=id < 10/limit=5", "limit=5/filter=id < 10", "filter%=id %3C 10/limit=5")}
    assert len(stats) == 1


@pytest.mark.parametrize("path,code", [
    ("query/.git", errno.ENOENT), ("query/rows", errno.ENOENT), ("query/autorun.inf", errno.ENOENT),
    ("query/filter=idd > 1", errno.EINVAL), ("query/filter=id >", errno.EINVAL), ("query/limit=x", errno.EINVAL),
    ("query/limit=1/limit=2", errno.EINVAL), ("query/filter%=a%2", errno.EINVAL), ("query/order=id", errno.EINVAL),
    ("query/take=5000", errno.EINVAL), ("query/fragments=9", errno.EINVAL), ("versions/99", errno.ENOENT), ("fragments/9", errno.ENOENT),
])
def test_refusals(root, path, code):
    with pytest.raises(OSError) as error:
        os.stat(root / path)
    assert error.value.errno == code
    if code == errno.EINVAL:
        assert os.path.basename(path) in (root / "status/last_error").read_text()


def test_a_wrong_column_names_the_right_one(root):
    with pytest.raises(OSError):
        os.stat(root / "query/filter=fara > 1")
    assert "fare" in (root / "status/last_error").read_text()


def test_nothing_can_be_created(root):
    for path in ("query/10", "10", "query/id.gt=1/x", "versions/1/x"):
        with pytest.raises(OSError) as error:
            open(root / path, "w")
        assert error.value.errno == errno.EROFS
    with pytest.raises(OSError) as error:
        open(root / "count", "w")
    assert error.value.errno in (errno.EROFS, errno.EACCES)


def test_versions(tmp_path, table, root):
    make(tmp_path / "t.lance", rows=10, start=ROWS, mode="append")
    lance.dataset(str(tmp_path / "t.lance")).delete("id < 5")
    deadline = time.monotonic() + 10
    while (root / "count").read_text() != f"{ROWS + 5}\n" and time.monotonic() < deadline:
        time.sleep(0.1)
    assert (root / "count").read_text() == f"{ROWS + 5}\n"
    assert [(root / "versions" / v / "count").read_text() for v in "123"] == [f"{ROWS}\n", f"{ROWS + 10}\n", f"{ROWS + 5}\n"]
    assert os.readlink(root / "versions/latest") == "3"
    assert (root / "fragments/0/deleted").read_text() == "0\n1\n2\n3\n4\n"
    assert (root / "versions/1/query/id.lt=5/count").read_text() == "5\n"
    assert json.loads((root / "versions/2/transaction.json").read_text())["operation"] == "append"
    assert "append" not in os.listdir(root / "versions/1") and "versions" not in os.listdir(root / "versions/1")


def test_an_open_file_stays_on_its_version(tmp_path, root):
    with open(root / "rows.jsonl", encoding="utf-8") as file:
        file.readline()
        lance.dataset(str(tmp_path / "t.lance")).delete("id >= 100")
        assert sum(1 for _ in file) == ROWS - 1


def test_data_files_are_the_same_bytes(tmp_path, root):
    for fragment in lance.dataset(str(tmp_path / "t.lance")).get_fragments():
        for file in fragment.data_files():
            ours = (root / "fragments" / str(fragment.fragment_id) / "files" / file.path).read_bytes()
            assert ours == (tmp_path / "t.lance" / "data" / file.path).read_bytes()


def test_streaming_gives_the_same_bytes(tmp_path, table, mounts):
    exact = mounts(tmp_path / "t.lance", "sizes=exact").path
    stream = mounts(tmp_path / "t.lance", "sizes=stream").path
    for name in ("rows.jsonl", "rows.csv", "rows.json"):
        expected = (exact / name).read_bytes()
        assert os.stat(stream / name).st_size % 4096 == 0 and os.stat(stream / name).st_size >= len(expected)
        assert run("tail", "-n1", stream / name).stdout == expected.splitlines(keepends=True)[-1]
        assert run("cat", stream / name).stdout == expected
        assert run("head", "-c100", stream / name).stdout == expected[:100]


def test_a_database(tmp_path, mounts):
    make(tmp_path / "db/a.lance", rows=3)
    make(tmp_path / "db/two words.lance", rows=4)
    root = mounts(tmp_path / "db").path
    assert set(os.listdir(root)) == {".lancefs", "a", "two words"}
    assert (root / "a/count").read_text() == "3\n"
    assert (root / "two words/query/id.gt=1/count").read_text() == "2\n"
    assert "status" in os.listdir(root / ".lancefs")
    make(tmp_path / "db/later.lance", rows=2)
    deadline = time.monotonic() + 10
    while not (root / "later").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert (root / "later/count").read_text() == "2\n"


def test_a_stale_mountpoint_is_cleared(tmp_path, table, mounts):
    first = mounts(tmp_path / "t.lance", "auto-unmount=off")
    first.process.kill()
    first.process.wait()
    with pytest.raises(OSError) as error:
        os.listdir(first.path)
    assert error.value.errno == errno.ENOTCONN
    second = mounts(tmp_path / "t.lance", on=first.path)
    assert (second.path / "count").read_text() == f"{ROWS}\n"
