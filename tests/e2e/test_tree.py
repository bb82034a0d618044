# SPDX-License-Identifier: Apache-2.0
"""The tree as tools and shells meet it: names, probes, errors, versions, crowds, crashes."""
import errno
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import lance
import pyarrow as pa
import pytest

from mounts import Mount, is_mounted, wait_until
from programs import LANCEFS

ROWS = 20000


def table(rows=ROWS, start=0):
    ids = range(start, start + rows)
    return pa.table({"id": pa.array(ids, pa.int64()), "fare": [i / 4 for i in ids], "na/me": [f"n{i % 10}" for i in ids], "50%": [i % 2 == 0 for i in ids]})


@pytest.fixture(scope="module")
def uri(tmp_path_factory):
    path = tmp_path_factory.mktemp("tree") / "t.lance"
    lance.write_dataset(table(), str(path), max_rows_per_file=5000)
    return path


@pytest.fixture(scope="module")
def root(uri):
    with Mount(uri) as mount:
        yield mount.path


def code_of(call, *arguments):
    with pytest.raises(OSError) as error:
        call(*arguments)
    return error.value.errno


def counters(root):
    return json.loads((root / "status/io.json").read_text())


def ids(path):
    return [json.loads(line)["id"] for line in path.read_text().splitlines()]


# ---- Names --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [".git", ".hg", ".Trash-0", ".xdg-volume-info", "autorun.inf", "desktop.ini", ".DS_Store", "._rows.jsonl", "HEAD", "Makefile", "row", "x" * 300])
def test_probes_cost_nothing(root, name):
    (root / "count").read_text()
    before = counters(root)["lancefs_store_requests_total"]
    for folder in ("", "query", "query/id.gt=3", "versions", "fragments", "fragments/0", "status"):
        assert code_of(os.stat, root / folder / name) == errno.ENOENT
    # A look for the newest version a second is all that the time in between may cost.
    assert counters(root)["lancefs_store_requests_total"] - before <= 4


def test_a_probe_is_no_error(root):
    before = os.listdir(root / "status/errors")
    code_of(os.stat, root / "query/.git")
    code_of(os.stat, root / "nothing")
    assert os.listdir(root / "status/errors") == before


@pytest.mark.parametrize("literal,encoded", [
    ("filter=id < 10", "filter%=id %3C 10"),
    ("filter=`na/me` = 'n1'".replace("/", "%2F"), None),
    ("id.lt=10", "id.lt%=%310"),
])
def test_both_spellings_are_one_question(root, literal, encoded):
    if encoded is None:  # a slash cannot be typed into a name: only the second spelling has it
        assert ids(root / "query/filter%=`na%2Fme` = 'n1'/limit=2/rows.jsonl") == [1, 11]
        return
    assert os.stat(root / "query" / literal / "rows.jsonl").st_ino == os.stat(root / "query" / encoded / "rows.jsonl").st_ino


def test_odd_column_names(root):
    assert ids(root / "query/filter=`50%` = false/limit=2/rows.jsonl") == [1, 3]
    assert ids(root / "query/50%.eq=false/limit=2/rows.jsonl") == [1, 3]
    first = json.loads((root / "query/select%=`na%2Fme`,id/limit=1/rows.jsonl").read_text())
    assert first == {"na/me": "n0", "id": 0}
    assert code_of(os.stat, root / "query/filter=fare LIKE '%'") == errno.EINVAL
    assert "LIKE '%'" in (root / "status/last_error").read_text()


def test_odd_table_names(tmp_path):
    names = ["plain", "two words", "50%", "ünï", "a=b", "filter=id > 1"]
    for name in names:
        lance.write_dataset(table(3), str(tmp_path / f"{name}.lance"))
    for name in (".hidden", "%percent"):  # shown encoded, found by both names
        lance.write_dataset(table(3), str(tmp_path / f"{name}.lance"))
    with Mount(tmp_path) as mount:
        listed = set(os.listdir(mount.path))
        assert listed == set(names) | {".lancefs", "%.hidden", "%%25percent"}
        for name in listed - {".lancefs"}:
            assert (mount.path / name / "count").read_text() == "3\n", name
            # An entry's inode is the one that stat gives.
        entries = {entry.name: entry.inode() for entry in os.scandir(mount.path)}
        assert entries == {name: os.stat(mount.path / name).st_ino for name in listed}
        # The literal spelling is the same table.
        assert os.stat(mount.path / ".hidden").st_ino == entries["%.hidden"]


def test_inodes_outlive_a_mount(uri, root):
    paths = ["", "rows.jsonl", "versions/1", "query/id.gt=3/rows.csv", "fragments/2"]
    with Mount(uri) as mount:
        assert [os.stat(mount.path / p).st_ino for p in paths[1:]] == [os.stat(root / p).st_ino for p in paths[1:]]


# ---- What crawls the tree -----------------------------------------------------------------------


@pytest.mark.parametrize("command", [["find"], ["ls", "-lR"], ["du", "-a"], ["find", "-name", "*.jsonl", "-size", "+1"]])
def test_crawlers_come_to_an_end(uri, command):
    with Mount(uri) as mount:
        (mount.path / "query/id.gt=5/count").read_text()
        before = counters(mount.path)
        began = time.monotonic()
        words = [command[0], mount.path, *command[1:]] if command[0] == "find" else [*command, mount.path]
        result = subprocess.run(words, capture_output=True, timeout=20, check=False)
        assert result.returncode == 0, result.stderr
        assert time.monotonic() - began < 10
        assert b"id.gt" not in result.stdout and b"limit=" not in result.stdout
        # Nothing was scanned: manifests and lists at most.
        after = counters(mount.path)
        assert after["lancefs_store_bytes_read_total"] - before["lancefs_store_bytes_read_total"] < 64 * 1024


def test_times_are_commit_times(uri, root):
    for version in lance.dataset(str(uri)).versions():
        told = os.stat(root / "versions" / str(version["version"]) / "rows.jsonl").st_mtime
        assert abs(told - version["timestamp"].timestamp()) < 0.01
        assert abs(os.stat(root / "versions" / str(version["version"])).st_mtime - told) < 2
    assert os.stat(root / "rows.jsonl").st_mtime == os.stat(root / "versions/latest/rows.jsonl").st_mtime


@pytest.mark.skipif("LANCEFS_SANITIZE" in os.environ, reason="sanitizers hold freed memory back")
def test_ten_thousand_lookups_leave_nothing(tmp_path):
    lance.write_dataset(table(10), str(tmp_path / "t.lance"))

    def resident(pid):
        return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text()).group(1))

    with Mount(tmp_path / "t.lance") as mount:
        def look(count, start):
            for i in range(start, start + count):
                os.stat(mount.path / f"query/id.lt={i}")
                code_of(os.stat, mount.path / f"nothing-{i}")
            # What the kernel still holds is given up here.
            if os.access("/proc/sys/vm/drop_caches", os.W_OK):
                pathlib.Path("/proc/sys/vm/drop_caches").write_text("2")

        look(5000, 0)
        before = resident(mount.process.pid)
        look(5000, 5000)
        look(5000, 10000)
        # A leak of every inode would be several MB more.
        assert resident(mount.process.pid) - before < 4096, "kB more than before"


# ---- Errors -------------------------------------------------------------------------------------


@pytest.mark.parametrize("clause,words", [
    ("filter=farre > 3", ["farre", "fare"]),
    ("filter=id > ", ["filter"]),
    ("filter=id + 'x' > 1", ["filter"]),
    ("id.gt=word", ["word"]),
    ("limit=-1", ["limit"]),
    ("select=nothing", ["nothing"]),
    ("fragments=99", ["99"]),
])
def test_a_bad_clause_tells_why(root, clause, words):
    assert code_of(os.stat, root / "query" / clause) == errno.EINVAL
    text = (root / "status/last_error").read_text()
    assert clause in text and all(word in text for word in words), text
    newest = max(os.listdir(root / "status/errors"), key=lambda name: int(name.split("-")[0]))
    record = json.loads((root / "status/errors" / newest).read_text())
    assert record["path"].endswith(clause) and record["errno"] == errno.EINVAL and record["uid"] == os.getuid()


def test_an_error_while_running_is_no_short_file(uri):
    """id 15000 cannot be divided: the rows before it are not an answer."""
    question = "query/filter=100 % (id - 15000) >= 0/rows.jsonl"
    for options in (["sizes=auto"], ["sizes=stream"]):
        with Mount(uri, *options) as mount:
            path = mount.path / question
            try:
                path.read_bytes()
            except OSError as error:
                assert error.errno in (errno.EIO, errno.EINVAL)
                assert "ivi" in (mount.path / "status/last_error").read_text()
                assert os.getxattr(path, "user.lancefs.error")
                assert "ivi" in (path.parent / "error").read_text()
            else:
                pytest.fail("a division by zero gave rows")
            copy = subprocess.run(["cat", path], capture_output=True, check=False)
            assert copy.returncode != 0


def test_only_a_hundred_errors_are_kept(uri):
    with Mount(uri) as mount:
        for i in range(120):
            code_of(os.stat, mount.path / f"query/filter=no{i} > 1")
        names = os.listdir(mount.path / "status/errors")
        assert len(names) == 100
        assert "no119" in (mount.path / "status/last_error").read_text()


# ---- Versions -----------------------------------------------------------------------------------


def test_pinned_versions_stay_while_new_ones_come(tmp_path):
    path = tmp_path / "t.lance"
    lance.write_dataset(table(100), str(path))
    with Mount(path, "refresh=200ms") as mount:
        pinned = mount.path / "versions/1"
        before = (pinned / "rows.jsonl").read_bytes()
        for i in range(1, 6):
            lance.write_dataset(table(10, 100 * i), str(path), mode="append")
            wait_until(lambda i=i: (mount.path / "count").read_text() == f"{100 + 10 * i}\n", 5)
            assert (pinned / "rows.jsonl").read_bytes() == before
            assert (pinned / "query/id.ge=0/count").read_text() == "100\n"
            assert os.readlink(mount.path / "versions/latest") == str(i + 1)
        assert sorted(os.listdir(mount.path / "versions"), key=lambda n: (len(n), n))[:-1] == [str(v) for v in range(1, 7)]
        assert code_of(os.stat, mount.path / "versions/7") == errno.ENOENT
        assert code_of(os.stat, mount.path / "versions/01") == errno.ENOENT


def test_own_commits_are_versions_at_once(tmp_path):
    path = tmp_path / "t.lance"
    lance.write_dataset(pa.table({"id": [0]}), str(path))
    with Mount(path, "refresh=1h") as mount:
        for i in range(1, 5):
            assert sorted(os.listdir(mount.path / "versions")) == [*map(str, range(1, i + 1)), "latest"]
            (mount.path / f"append/{i}.jsonl").write_text(f'{{"id":{i}}}\n')


def test_refresh_is_the_longest_wait(tmp_path):
    path = tmp_path / "t.lance"
    lance.write_dataset(table(10), str(path))
    with Mount(path, "refresh=3s") as mount:
        assert (mount.path / "count").read_text() == "10\n"
        lance.write_dataset(table(10), str(path), mode="append")
        began = time.monotonic()
        wait_until(lambda: (mount.path / "count").read_text() == "20\n", 10)
        assert time.monotonic() - began < 5


def test_a_version_as_of_a_time(tmp_path):
    path = tmp_path / "t.lance"
    lance.write_dataset(table(10), str(path))
    time.sleep(1.1)
    between = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    time.sleep(1.1)
    lance.write_dataset(table(10), str(path), mode="append")
    with Mount(path) as mount:
        assert (mount.path / f"versions/asof={between}/count").read_text() == "10\n"
        assert os.readlink(mount.path / f"versions/asof={between}") == "1"
        assert code_of(os.stat, mount.path / "versions/asof=1999-01-01T00:00:00Z") == errno.ENOENT
        assert code_of(os.stat, mount.path / "versions/asof=yesterday") == errno.EINVAL


# ---- Crowds and crashes -------------------------------------------------------------------------


def test_many_readers(uri):
    program = """if True:
        import json, random, sys
        root, seed = sys.argv[1], int(sys.argv[2])
        random.seed(seed)
        for i in range(25):
            low = random.randrange(20000); high = random.randrange(low, 20001)
            name = random.choice(["rows.jsonl", "rows.csv", "count", "rows.json"])
            text = open(f"{root}/query/filter=id >= {low} AND id < {high}/{name}").read()
            if name == "count": assert text == f"{high - low}\\n", (low, high, text)
            elif name == "rows.json": assert [r["id"] for r in json.loads(text)] == list(range(low, high))
            elif name == "rows.csv": assert text.count("\\n") == high - low + 1
            else: assert [json.loads(l)["id"] for l in text.splitlines()] == list(range(low, high))
    """
    with Mount(uri) as mount:
        readers = [subprocess.Popen([sys.executable, "-c", program, str(mount.path), str(seed)], stderr=subprocess.PIPE) for seed in range(8)]
        for reader in readers:
            _, errors = reader.communicate(timeout=90)
            assert reader.returncode == 0, errors.decode()[-1000:]


@pytest.fixture(scope="module")
def slow(tmp_path_factory):
    """A table whose question takes long: no row ever matches an expensive filter."""
    path = tmp_path_factory.mktemp("slow") / "t.lance"
    words = pa.array([f"{i % 1000} " + "abcdefghij" * 40 for i in range(100_000)])
    for _ in range(3):
        lance.write_dataset(pa.table({"id": pa.array(range(100_000), pa.int64()), "text": words}), str(path), mode="append" if path.exists() else "create")
    return path


SLOW = "query/" + "/".join(f"filter%=NOT regexp_match(text, '(a%7Cb%7Cc)*.*x{i}') AND NOT regexp_match(upper(text), '(.*Q)%7B2%7D{i}')" for i in range(12)) + "/filter=id < 0 OR length(replace(text, 'a', 'bb')) = 7/rows.jsonl"


def test_an_interrupt_cancels(slow):
    with Mount(slow, "open-budget=60s") as mount:
        path = mount.path / SLOW
        os.stat(path)
        reader = subprocess.Popen(["cat", path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.3)
        if reader.poll() is not None:
            pytest.fail("the slow question was too quick")
        reader.send_signal(signal.SIGINT)
        began = time.monotonic()
        reader.wait(10)
        assert time.monotonic() - began < 2
        # The scan ends too: the daemon is idle soon.
        wait_until(lambda: idle(mount.process.pid), 10)
        assert (mount.path / "count").read_text() == "300000\n"


def idle(pid):
    def ticks():
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])

    before = ticks()
    time.sleep(0.3)
    return ticks() - before <= 3


def test_a_slow_question_stops_nobody_else(slow):
    with Mount(slow) as mount:
        reader = subprocess.Popen(["cat", mount.path / SLOW], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            for i in range(20):
                began = time.monotonic()
                os.stat(mount.path / f"query/id.gt={i}/rows.jsonl")
                os.listdir(mount.path)
                (mount.path / "versions/latest/count").read_text()
                assert time.monotonic() - began < 2
        finally:
            reader.kill()
            reader.wait()


def test_a_killed_daemon_and_a_new_mount(uri, tmp_path):
    (tmp_path / "mnt").mkdir()
    with Mount(uri, on=tmp_path / "mnt", state=tmp_path / "state") as first:
        file = open(first.path / "rows.jsonl", "rb")
        assert file.read(1)
        first.kill()
        assert code_of(os.listdir, first.path) == errno.ENOTCONN
        with Mount(uri, on=tmp_path / "mnt", state=tmp_path / "state") as second:
            assert (second.path / "count").read_text() == f"{ROWS}\n"
        try:
            file.close()
        except OSError:
            pass
    assert not is_mounted(tmp_path / "mnt")


def test_umount_while_busy(uri):
    with Mount(uri) as mount:
        with open(mount.path / "rows.jsonl", "rb") as file:
            busy = subprocess.run([LANCEFS, "umount", mount.path], capture_output=True, check=False)
            assert busy.returncode == 1 and b"busy" in busy.stderr
            assert len(file.read()) > ROWS  # nothing was disturbed
            assert subprocess.run([LANCEFS, "umount", "-z", mount.path], capture_output=True, check=False).returncode == 0
            assert not is_mounted(mount.path)
            file.seek(0)
            assert file.read(1) == b"{"
        mount.process.wait(10)
        assert mount.process.returncode == 0


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_unmounts(uri, how):
    with Mount(uri) as mount:
        mount.process.send_signal(how)
        assert mount.process.wait(10) == 0
        assert not is_mounted(mount.path)


def test_a_read_only_mount(uri):
    with Mount(uri, "ro") as mount:
        assert "append" not in os.listdir(mount.path)
        assert code_of(os.mkdir, mount.path / "append") == errno.EROFS
        assert code_of(open, mount.path / "append/x.jsonl", "w") in (errno.EROFS, errno.ENOENT)
        with open("/proc/mounts", encoding="utf-8") as mounts:
            assert any(str(mount.path) in line and " ro," in line for line in mounts)
        assert (mount.path / "count").read_text() == f"{ROWS}\n"


def test_who_owns_it(uri):
    with Mount(uri, "uid=1234", "gid=4321", "umask=0077") as mount:
        for name, mode in (("rows.jsonl", 0o400), ("versions", 0o500), ("append", 0o700)):
            status = os.stat(mount.path / name)
            assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (1234, 4321, mode), name
    with Mount(uri) as mount:
        assert [os.stat(mount.path / n).st_mode & 0o777 for n in ("rows.jsonl", "versions", "append")] == [0o444, 0o555, 0o755]


def test_wrong_options_are_refused(uri, tmp_path):
    for option in ("sizes=big", "refresh=soon", "spill=lots", "uid=root"):
        result = subprocess.run([LANCEFS, "mount", uri, tmp_path, "-f", "-o", option], capture_output=True, timeout=20, check=False)
        assert result.returncode == 1
        assert any(word.encode() in result.stderr for word in option.split("="))
        assert not is_mounted(tmp_path)


@pytest.mark.parametrize("spill", ["64k", "1m", "16m"])
def test_a_result_beyond_the_spill_space(slow, spill):
    """Streams go on as a window; what has to be whole is refused with the reason."""
    with Mount(slow) as mount:
        right = subprocess.run(["md5sum"], stdin=open(mount.path / "rows.csv", "rb"), capture_output=True, check=True).stdout
    with Mount(slow, f"spill={spill}") as mount:
        assert code_of(open, mount.path / "rows.arrow", "rb") == errno.EFBIG
        assert "spill" in (mount.path / "status/last_error").read_text()
        with open(mount.path / "rows.csv", "rb") as file:
            got = subprocess.run(["md5sum"], stdin=file, capture_output=True, timeout=20, check=True).stdout
        assert got == right
        # Who needs the end first is told.
        result = subprocess.run(["tail", "-c5", mount.path / "rows.csv"], capture_output=True, timeout=20, check=False)
        assert result.returncode != 0
        # A small answer still has room.
        assert ids(mount.path / "query/id.lt=2/select=id/rows.jsonl") == [0, 1] * 3
