# SPDX-License-Identifier: Apache-2.0
"""Short checks of rules that no larger suite is about; rules.tsv says which."""
import errno
import json
import os
import pathlib
import re
import shutil
import subprocess

import lance
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mounts import Mount, wait_until
from programs import LANCEFS, lancefs

ROOT = pathlib.Path(__file__).resolve().parents[2]
ROWS = 3000


@pytest.fixture(scope="module")
def uri(tmp_path_factory):
    path = tmp_path_factory.mktemp("rules") / "t.lance"
    lance.write_dataset(pa.table({"id": pa.array(range(ROWS), pa.int64()), "a-b": [i % 5 for i in range(ROWS)],
                                  "s": [f"x{i}, (y)" for i in range(ROWS)], "st": [{"x": i} for i in range(ROWS)]}), str(path), max_rows_per_file=1000)
    return path


@pytest.fixture(scope="module")
def root(uri):
    with Mount(uri) as mount:
        yield mount.path


@pytest.fixture
def drops(tmp_path):
    path = tmp_path / "d.lance"
    lance.write_dataset(pa.table({"id": pa.array([0], pa.int32()), "when": pa.array([0], pa.timestamp("s"))}), str(path))
    with Mount(path) as mount:
        mount.uri = path
        mount.drop = mount.path / "append"
        yield mount


def rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def commits(mount):
    return rows(mount.path / "status/commits.jsonl")


def versions(mount):
    return lance.dataset(str(mount.uri)).version


def test_select(root):
    assert rows(root / "query/select=id,s,st.x/limit=1/rows.jsonl") == [{"id": 0, "s": "x0, (y)", "st.x": 0}]
    assert rows(root / "query/select=`a-b`,concat(s, ', (') as t/limit=1/rows.jsonl") == [{"a-b": 0, "t": "x0, (y), ("}]
    assert list(rows(root / "query/rowid/rowaddr/select=id/limit=1/rows.jsonl")[0]) == ["id", "_rowid", "_rowaddr"]


def test_shell_safe_clauses(root):
    ids = [row["id"] for row in rows(root / "query/id.in=1,2,2999/rows.jsonl")]
    assert ids == [1, 2, 2999]
    assert rows(root / "query/a-b.eq=4/id.lt=5/rows.jsonl")[0]["id"] == 4
    assert rows(root / "query/s.eq=x7, (y)/select=id/rows.jsonl") == [{"id": 7}]
    assert rows(root / "query/st.x.ge=2990/count") == [10]  # the last dot before the first =
    assert rows(root / "query/s.like=x299_, (y)/count") == [10]


def test_head_is_the_first_thousand(root):
    whole = (root / "rows.jsonl").read_text().splitlines(keepends=True)
    assert (root / "head.jsonl").read_text() == "".join(whole[:1000])
    assert (root / "query/id.ge=500/head.jsonl").read_text() == "".join(whole[500:1500])
    assert (root / "query/id.lt=7/head.jsonl").read_text() == "".join(whole[:7])


def test_keys_of_info(root):
    info = json.loads((root / "info.json").read_text())
    assert {"uri", "version", "timestamp", "rows", "physical_rows", "deleted_rows", "fragments", "bytes", "data_storage_version", "stable_row_ids",
            "reader_flags", "writer_flags", "writer", "tags", "branch", "latest_version"} <= set(info)
    fragment = json.loads((root / "fragments/0/info.json").read_text())
    assert {"id", "rows", "physical_rows", "deleted_rows", "files"} <= set(fragment)
    assert {"path", "bytes", "version", "columns"} <= set(fragment["files"][0])
    assert {"uri", "read_only", "refresh_ms", "sizes"} <= set(json.loads((root / "status/config.json").read_text()))


def test_schema_json(root):
    field = json.loads((root / "schema.json").read_text())["fields"][3]
    assert (field["name"], field["type"], field["children"][0]["name"]) == ("st", "struct<x: int64>", "x")


def test_a_pinned_version_asks_nothing(root):
    requests = lambda: json.loads((root / "status/io.json").read_text())["lancefs_store_requests_total"]
    (root / "versions/1/count").read_text()
    before = requests()
    for _ in range(200):
        os.stat(root / "versions/1/rows.jsonl")
        (root / "versions/1/count").read_text()
    assert requests() - before <= 3


def test_redirections_commit_once(drops):
    for command in ("cat {src} > {dst}", "for i in 1 2 3; do echo '{{\"id\": '$i'}}'; /bin/true; done > {dst}", "(head -1 {src}; tail -1 {src}) > {dst}", "dd if={src} of={dst} status=none"):
        before, number = versions(drops), len(commits(drops))
        source = drops.uri.parent / "source.jsonl"
        source.write_text('{"id": 1}\n{"id": %d}\n' % before)
        subprocess.run(["bash", "-c", command.format(src=source, dst=drops.drop / f"r{before}.jsonl")], check=True)
        # A close that is nobody's last commits at the release; the line in the log comes after the version.
        wait_until(lambda: versions(drops) == before + 1 and len(commits(drops)) > number)
        assert len(commits(drops)) == number + 1, command


def test_nothing_dropped_is_nothing_committed(drops, tmp_path):
    (drops.drop / "empty.jsonl").write_text("")
    (drops.drop / "header.csv").write_text("id,when\n")
    assert versions(drops) == 1
    assert [line["rows"] for line in commits(drops) if line["name"] == "header.csv"] == [0]
    (tmp_path / "empty.jsonl").write_text("")
    result = lancefs("append", drops.uri, tmp_path / "empty.jsonl", check=False)
    assert result.returncode == 1 and b"empty" in result.stderr


def test_suffixes(drops):
    with pytest.raises(OSError) as error:
        (drops.drop / "x.dat").write_text('{"id": 1}\n')
    assert error.value.errno == errno.EINVAL and "dat" in (drops.path / "status/last_error").read_text()
    (drops.drop / "plain").write_text('{"id": 2}\n')
    with pytest.raises(OSError):
        (drops.drop / "other").write_text("id\n2\n")
    assert versions(drops) == 2
    with Mount(drops.uri, "append-format=csv") as mount:
        (mount.path / "append/x.dat").write_text("id\n3\n")
    assert versions(drops) == 3


@pytest.mark.skipif(shutil.which("rsync") is None, reason="rsync is not installed")
def test_receipts(drops, tmp_path):
    (tmp_path / "src").mkdir()
    (tmp_path / "src/a.jsonl").write_text('{"id": 1}\n')
    copy = ["rsync", "-a", f"{tmp_path}/src/", f"{drops.drop}/"]
    subprocess.run(copy, check=True)
    subprocess.run(copy, check=True)
    assert versions(drops) == 2
    os.utime(tmp_path / "src/a.jsonl", (1e9, 1e9))
    subprocess.run(copy, check=True)
    assert versions(drops) == 3
    with open(drops.drop / "a.jsonl", "a", encoding="utf-8") as file:
        file.write('{"id": 2}\n')
    assert versions(drops) == 4 and lance.dataset(str(drops.uri)).count_rows() == 4
    os.remove(drops.drop / "a.jsonl")
    assert lance.dataset(str(drops.uri)).count_rows() == 4


def test_a_killed_writer_commits_nothing(drops):
    writer = subprocess.Popen(["bash", "-c", f"exec cat > {drops.drop}/killed.jsonl"], stdin=subprocess.PIPE)
    writer.stdin.write(b'{"id": 1}\n')
    writer.stdin.flush()
    wait_until(lambda: (drops.drop / "killed.jsonl").exists() and (drops.drop / "killed.jsonl").stat().st_size > 0)
    writer.kill()
    writer.wait()
    writer.stdin.close()
    (drops.drop / "whole.jsonl").write_text('{"id": 2}')  # no LF at its end is no error
    assert lance.dataset(str(drops.uri)).to_table()["id"].to_pylist() == [0, 2]


def test_casts_that_lose_nothing(drops):
    pq.write_table(pa.table({"id": pa.array([1], pa.int64()), "when": pa.array([2000], pa.timestamp("ms"))}), drops.uri.parent / "a.parquet")
    shutil.copy(drops.uri.parent / "a.parquet", drops.drop)
    pq.write_table(pa.table({"id": pa.array([1, 2**40], pa.int64())}), drops.uri.parent / "b.parquet")
    with pytest.raises(OSError):
        shutil.copyfile(drops.uri.parent / "b.parquet", drops.drop / "b.parquet")
    assert "row 2" in (drops.path / "status/last_error").read_text()
    assert versions(drops) == 2


def test_an_unfinished_drop_outlives_its_daemon(tmp_path):
    path = tmp_path / "d.lance"
    lance.write_dataset(pa.table({"id": [0]}), str(path))
    with Mount(path, state=tmp_path / "state") as mount:
        (mount.path / "append/done.jsonl").write_text('{"id": 1}\n')
        file = open(mount.path / "append/open.jsonl", "wb", buffering=0)
        file.write(b'{"id": 2}\n')
        mount.kill()
        with pytest.raises(OSError):
            file.close()
    assert any(found.name == "journal" for found in (tmp_path / "state").rglob("spool/**/*"))
    with Mount(path, state=tmp_path / "state") as mount:
        wait_until(lambda: os.listdir(mount.path / "status/errors"))
        assert lance.dataset(str(path)).to_table()["id"].to_pylist() == [0, 1]


def test_the_spool_has_a_cap(tmp_path):
    path = tmp_path / "d.lance"
    lance.write_dataset(pa.table({"s": ["x"]}), str(path))
    with Mount(path, "spool=1m") as mount:
        file = os.open(mount.path / "append/big.jsonl", os.O_WRONLY | os.O_CREAT)
        with pytest.raises(OSError) as error:
            for _ in range(40):
                os.write(file, b'{"s": "%s"}\n' % (b"y" * 100_000))
        assert error.value.errno == errno.ENOSPC
        with pytest.raises(OSError):
            os.close(file)  # and half a file is not committed
    assert lance.dataset(str(path)).version == 1


def test_options_from_the_environment(uri):
    with Mount(uri, env={**os.environ, "LANCEFS_REFRESH": "7s", "LANCEFS_OPEN_BUDGET": "3s"}) as mount:
        config = json.loads((mount.path / "status/config.json").read_text())
        assert (config["refresh_ms"], config["open_budget_ms"]) == (7000, 3000)
    with Mount(uri, "open_budget=2s", env={**os.environ, "LANCEFS_OPEN_BUDGET": "3s"}) as mount:  # -o takes both, and beats the environment
        assert json.loads((mount.path / "status/config.json").read_text())["open_budget_ms"] == 2000


def test_the_log_is_logfmt(uri):
    with Mount(uri, arguments=["--log-level", "info"]) as mount:
        with pytest.raises(OSError):
            os.stat(mount.path / "query/filter=nope > 1")
        for line in mount.log.read_text().splitlines():
            assert re.fullmatch(r'(\w+=("(\\.|[^"\\])*"|\S*)( |$))+', line), line
        assert "event=mounted" in mount.log.read_text()


def test_no_views():
    sources = [path for folder in ("base", "backends", "engine", "fs", "tools") for path in (ROOT / folder).rglob("*") if path.suffix in (".h", ".cc")]
    assert len(sources) > 50
    assert not [path for path in sources if re.search(r"std::(views|ranges::views)\b", path.read_text())]


def test_a_user_namespace(uri, tmp_path):
    """Without root's rights outside: as the root of a user namespace."""
    if subprocess.run(["unshare", "-Urm", "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no user namespaces here")
    (tmp_path / "mnt").mkdir()
    script = f"'{LANCEFS}' mount '{uri}' '{tmp_path}/mnt' -o state-dir='{tmp_path}/state' && cat '{tmp_path}/mnt/count'; '{LANCEFS}' umount '{tmp_path}/mnt'"
    result = subprocess.run(["unshare", "-Urm", "bash", "-c", script], capture_output=True, timeout=30, check=False)
    assert result.stdout == b"%d\n" % ROWS, result.stderr
