# SPDX-License-Identifier: Apache-2.0
"""Drops through a real mount: refusals, receipts, folders, new tables, killed writers and killed daemons."""
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time

import lance
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mounts import comes_true, wait_until, xattr

SCHEMA = pa.schema([("id", pa.int64()), ("name", pa.string()), ("price", pa.float64())])


@pytest.fixture
def uri(tmp_path):
    path = tmp_path / "t.lance"
    lance.write_dataset(pa.Table.from_pylist([{"id": 0, "name": "zero", "price": 0.5}], SCHEMA), str(path))
    return path


def versions(uri):
    return len(lance.dataset(str(uri)).versions())


def ids(uri):
    return sorted(lance.dataset(str(uri)).to_table(columns=["id"])["id"].to_pylist())


def bash(command, **env):
    result = subprocess.run(["bash", "-c", command], env={**os.environ, "PY": sys.executable, **{k: str(v) for k, v in env.items()}}, capture_output=True,
                            timeout=60, check=False)
    return result.returncode, (result.stdout + result.stderr).decode(errors="replace")


def lines(numbers):
    return "".join(f'{{"id":{n},"name":"n{n}"}}\n' for n in numbers)


# ---- Refusals -----------------------------------------------------------------------------------

GOOD_JSONL = lines(range(1, 6))
BAD_JSONL = GOOD_JSONL.replace('"id":3', '"id":"three"')
GOOD_CSV = "id,name\n" + "".join(f"{n},n{n}\n" for n in range(1, 6))
BAD_CSV = GOOD_CSV.replace("3,n3", "three,n3")

# How the tool drops $F (a .jsonl or .csv) as $T, and the file that then stands in append/ ("" = the tool removes what failed).
REFUSALS = {
    "cp": "cp $F $T",
    "cp -p": "cp -p $F $T",
    "mv": "cp $F $F.moved && mv $F.moved $T",
    "install": "install -m644 $F $T",
    "rsync": "rsync -a $F $T",
    "rsync --inplace": "rsync -a --inplace $F $T",
    "dd": "dd if=$F of=$T status=none",
    "dd conv=fsync": "dd if=$F of=$T conv=fsync status=none",
    "cat": "cat $F > $T",
    "cat >>": "cat $F >> $T",
    "gzip": "gzip -c $F | gzip -dc > $T",
    "tee": "set -o pipefail; cat $F | tee $T > /dev/null",
    "tar": "cd $(dirname $F) && tar c $(basename $F) | tar x -C $(dirname $T)",
    "unzip": "cd $(dirname $F) && rm -f $F.zip && zip -q $F.zip $(basename $F) && cd $(dirname $T) && unzip -qo $F.zip",
    "curl": "curl -s -o $T file://$F",
    "busybox cp": "busybox cp $F $T",
    "echo": "x=$(cat $F); echo \"$x\" > $T",
    "python": "$PY -c \"f=open('$T','w');f.write(open('$F').read());f.close()\"",
    "python shutil": "$PY -c \"import shutil;shutil.copy2('$F','$T')\"",
    "python replace": "$PY -c \"import os;f=open('$T.tmp','w');f.write(open('$F').read());f.close();os.replace('$T.tmp','$T')\"",
    "node": "node -e \"require('fs').copyFileSync('$F','$T')\"",
    "vim": "vim -N -u NONE -i NONE -es -c \"w! $T\" -c q $F",
    "a temporary name and mv": "cp $F $T.part && mv $T.part $T",
    "split writes": "$PY -c \"f=open('$T','wb',buffering=0);[f.write(l) for l in open('$F','rb')];f.close()\"",
}


@pytest.mark.parametrize("suffix,bad,good", [("jsonl", BAD_JSONL, GOOD_JSONL), ("csv", BAD_CSV, GOOD_CSV)], ids=["jsonl", "csv"])
def test_bad_row_fails_the_tool(mounts, uri, tmp_path, suffix, bad, good):
    mount = mounts(uri)
    problems = []
    for number, (tool, command) in enumerate(REFUSALS.items()):
        folder = tmp_path / f"src{number}"
        folder.mkdir()
        name = f"bad{number}.{suffix}"
        source, target = folder / name, mount.append / name
        source.write_text(bad)
        before, seen = versions(uri), set(mount.errors())
        code, text = bash(command, F=source, T=target)
        new = [record for file, record in mount.errors().items() if file not in seen]
        if code == 0:
            problems.append(f"{tool}: exit status 0")
        if versions(uri) != before:
            problems.append(f"{tool}: a version appeared")
        if len(new) != 1 or new[0].get("row") != 3 or new[0].get("column") != "id" or new[0].get("value", "").strip('"') != "three":
            problems.append(f"{tool}: status/errors has {new} ({text})")
        if target.exists() and not xattr(target, "error"):
            problems.append(f"{tool}: no user.lancefs.error")
        if int((mount.path / "count").read_text()) != lance.dataset(str(uri)).count_rows():
            problems.append(f"{tool}: the table cannot be counted")
        # The corrected file under the same name.
        source.write_text(good)
        os.utime(source, (1_700_000_000 + number, 1_700_000_000 + number))
        code, text = bash(command.replace(".moved", ".moved2"), F=source, T=target)
        if code != 0:
            problems.append(f"{tool}: the corrected file gave {code} {text}")
        if not comes_true(lambda: versions(uri) == before + 1, 5):
            problems.append(f"{tool}: {versions(uri) - before} versions of the corrected file; {list(mount.errors().items())[-1:]}")
        if target.exists() and (xattr(target, "error") or xattr(target, "rows") != "5"):
            problems.append(f"{tool}: xattrs {xattr(target, 'error')} {xattr(target, 'rows')}")
    assert not problems, "\n".join(problems)


def test_duckdb_sees_the_refusal(mounts, uri):
    mount = mounts(uri)
    for form in ("json", "csv"):
        code, text = bash(f"""$PY -c "import duckdb;duckdb.sql(\\"copy (select * from (values ('1'), ('2'), ('x')) t(id)) to '{mount.append}/d.{form}' (format {form})\\")" """)
        assert code != 0, text
    code, text = bash(f"""$PY -c "import pandas as p;p.DataFrame({{'id':['x']}}).to_parquet('{mount.append}/p.parquet')" """)
    assert code != 0, text
    assert versions(uri) == 1


def test_columns_that_do_not_fit(mounts, uri, tmp_path):
    mount = mounts(uri)
    cases = {"extra.jsonl": '{"id":1,"colour":"red"}\n', "extra.csv": "id,colour\n1,red\n", "notjson.jsonl": "hello\n", "short.csv": "id,name\n1\n",
             "cut.jsonl": '{"id":1}\n{"id":2,"na', "cut.parquet": "PAR1 and no more", "cut.jsonl.gz": "\x1f\x08"}
    for name, text in cases.items():
        (tmp_path / name).write_text(text)
        code, output = bash("cp $F $T", F=tmp_path / name, T=mount.append / name)
        assert code != 0, (name, output)
        assert xattr(mount.append / name, "error"), name
    assert versions(uri) == 1
    assert len(mount.errors()) == len(cases)


def test_lossless_casts(mounts, uri, tmp_path):
    mount = mounts(uri)
    pq.write_table(pa.table({"id": pa.array([1, 2], pa.int32()), "name": pa.array(["a", "b"]).dictionary_encode()}), tmp_path / "cast.parquet")
    shutil.copy(tmp_path / "cast.parquet", mount.append)
    assert ids(uri) == [0, 1, 2]
    pq.write_table(pa.table({"id": pa.array([1.0, 2.5])}), tmp_path / "loss.parquet")
    with pytest.raises(OSError):
        shutil.copy(tmp_path / "loss.parquet", mount.append)
    assert versions(uri) == 2


def test_bad_tail_leaves_the_name_usable(mounts, uri):
    mount = mounts(uri)
    target = mount.append / "log.jsonl"
    assert bash("echo '{\"id\":1}' > $T", T=target)[0] == 0
    assert bash("echo '{\"id\":\"x\"}' >> $T", T=target)[0] != 0
    assert xattr(target, "error")
    assert bash("echo '{\"id\":2}' >> $T", T=target)[0] == 0
    assert ids(uri) == [0, 1, 2] and versions(uri) == 3
    assert target.read_text() == '{"id":1}\n{"id":2}\n'


# ---- Receipts, names, forms ---------------------------------------------------------------------

def test_rsync_again_after_mounting_again(mounts, uri, tmp_path):
    (tmp_path / "src").mkdir()
    for n in range(3):
        (tmp_path / f"src/f{n}.jsonl").write_text(lines([n * 10, n * 10 + 1]))
    mount = mounts(uri)
    sync = lambda: bash("rsync -a $S/ $B/", S=tmp_path / "src", B=mount.append)
    assert sync()[0] == 0
    assert versions(uri) == 4
    assert sync()[0] == 0
    assert mount.unmount() == 0
    mount.start()
    assert sync()[0] == 0
    assert versions(uri) == 4
    assert any("before" in commit.get("note", "") for commit in mount.commits())
    mount.unmount()
    mount.options = ("retention=1s",)
    mount.start()
    assert sync()[0] == 0
    assert comes_true(lambda: os.listdir(mount.append) == [], 8), "names stay for ever"
    assert sync()[0] == 0
    assert versions(uri) == 4


def test_same_bytes_with_a_new_time(mounts, uri, tmp_path):
    mount = mounts(uri)
    (tmp_path / "s.jsonl").write_text(lines([1]))
    for expected in (2, 2):
        assert bash("cp -p $S $B/", S=tmp_path / "s.jsonl", B=mount.append)[0] == 0
        assert versions(uri) == expected
    os.utime(tmp_path / "s.jsonl", (1_600_000_000, 1_600_000_000))
    assert bash("cp -p $S $B/", S=tmp_path / "s.jsonl", B=mount.append)[0] == 0
    assert versions(uri) == 3
    assert os.stat(mount.append / "s.jsonl").st_mtime == 1_600_000_000


def test_growth_commits_the_tail_only(mounts, uri):
    mount = mounts(uri)
    for n in range(1, 6):
        assert bash("echo '{\"id\":'$N'}' >> $T", N=n, T=mount.append / "log.jsonl")[0] == 0
    for n in range(6, 9):
        assert bash("test -e $T || echo id,name > $T; echo $N,x >> $T", N=n, T=mount.append / "log.csv")[0] == 0
    assert ids(uri) == list(range(9))
    assert versions(uri) == 9
    big = mount.append / "big.jsonl"
    with open(big, "w") as file:
        file.write(lines(range(100, 101)))
    with open(big, "a") as file:
        file.write(lines(range(101, 200_000)))
    assert ids(uri) == list(range(9)) + list(range(100, 200_000))
    assert xattr(big, "rows") == str(200_000 - 101)


def test_the_name_stays_readable(mounts, uri, tmp_path):
    mount = mounts(uri)
    target = mount.append / "a.jsonl"
    target.write_text(lines([1, 2]))
    os.chmod(target, 0o600)
    os.utime(target, (1_500_000_000, 1_500_000_000))
    assert target.read_text() == lines([1, 2])
    assert os.stat(target).st_mode & 0o777 == 0o600 and os.stat(target).st_mtime == 1_500_000_000
    assert xattr(target, "version") == "2" and xattr(target, "rows") == "2" and xattr(target, "error") is None
    with pytest.raises(PermissionError):
        os.setxattr(target, "user.lancefs.rows", b"7")
    os.setxattr(target, "user.mine", b"7")
    assert os.getxattr(target, "user.mine") == b"7"
    os.rename(target, mount.append / "b.jsonl")
    os.remove(mount.append / "b.jsonl")
    assert os.listdir(mount.append) == []
    assert ids(uri) == [0, 1, 2]


def test_append_format(mounts, uri):
    mount = mounts(uri, "append_format=jsonl")
    (mount.append / "x.log").write_text(lines([1]))
    assert ids(uri) == [0, 1]


def test_spool_is_capped(mounts, uri):
    mount = mounts(uri, "spool=1MiB")
    code, text = bash("yes '{\"id\":1}' | head -c 4000000 > $T", T=mount.append / "x.jsonl")
    assert versions(uri) == 1
    assert "No space left" in text
    bash("rm $T", T=mount.append / "x.jsonl")
    (mount.append / "y.jsonl").write_text(lines([1]))
    assert ids(uri) == [0, 1]


def test_new_table_in_a_database(mounts, tmp_path):
    (tmp_path / "db").mkdir()
    lance.write_dataset(pa.table({"id": [1]}), str(tmp_path / "db/old.lance"))
    mount = mounts(tmp_path / "db")
    (tmp_path / "x.csv").write_text("id,name\n1,a\n2,b\n")
    os.mkdir(mount.path / "new")
    assert bash("cp $F $B/", F=tmp_path / "x.csv", B=mount.path / "new/append")[0] == 0
    dataset = lance.dataset(str(tmp_path / "db/new.lance"))
    assert dataset.to_table().to_pylist() == [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]
    assert (mount.path / "new/count").read_text() == "2\n"
    assert bash("cp $F $B/", F=tmp_path / "x.csv", B=mount.path / "new/append")[0] == 0
    assert lance.dataset(str(tmp_path / "db/new.lance")).count_rows() == 4


# ---- Many at once -------------------------------------------------------------------------------

def test_schema_before_the_first_file(mounts, tmp_path):
    base = tmp_path / "db"
    base.mkdir()
    schema = pa.schema([pa.field("id", pa.int32(), nullable=False), pa.field("day", pa.date32()), pa.field("at", pa.timestamp("us", tz="UTC")),
                        pa.field("price", pa.decimal128(12, 2)), pa.field("tags", pa.list_(pa.string())), pa.field("v", pa.list_(pa.float32(), 2)),
                        pa.field("part", pa.struct([("x", pa.int8()), ("y", pa.large_string())])), pa.field("kind", pa.dictionary(pa.int8(), pa.string())),
                        pa.field("map", pa.map_(pa.string(), pa.int64()))])
    lance.write_dataset(schema.empty_table(), str(base / "model.lance"), data_storage_version="2.2")
    mount = mounts(base)
    os.mkdir(mount.path / "new")
    place = mount.path / "new/schema.json"
    assert not place.exists()
    for text, word in [("{", "no JSON"), ('{"fields": []}', "no list of fields"), ('{"fields": [{"name": "x", "type": "in64"}]}', "'in64'"),
                       ('{"fields": [{"name": "x", "type": "list<item: int8>"}]}', "children"), ('{"fields": [{"type": "int8"}]}', "fields[0]")]:
        (tmp_path / "bad.json").write_text(text)
        code, out = bash("cp $F $T", F=tmp_path / "bad.json", T=place)
        assert code != 0 and "Invalid argument" in out, text
        assert word in (mount.path / ".lancefs/status/last_error").read_text()
    assert len(os.listdir(mount.path / ".lancefs/status/errors")) == 5
    assert bash("""echo '{"fields": [{"name": "x", "type": "in64"}]}' > $T""", T=place)[0] != 0
    assert bash("touch $T/x", T=mount.path / "new")[0] != 0  # nothing else can be made here
    # Any table's schema.json is the form.
    assert bash("cp $F $T", F=mount.path / "model/schema.json", T=place)[0] == 0
    assert place.read_bytes() == (mount.path / "model/schema.json").read_bytes()
    assert "schema.json" in os.listdir(mount.path / "new")
    assert not (base / "new.lance").exists()
    code, out = bash("printf '%s\\n' '{\"id\": 1, \"day\": \"not a day\"}' > $T", T=mount.path / "new/append/bad.jsonl")
    assert code != 0, out
    row = ('{"id": 1, "day": "2020-02-29", "at": "2020-01-01T00:00:00.000001Z", "price": "12.50", "tags": ["a"], "v": [1.0, 2.0], '
           '"part": {"x": 1, "y": "z"}, "kind": "k", "map": [{"key": "a", "value": 1}]}')
    (mount.path / "new/append/a.jsonl").write_text(row + "\n")
    made = lance.dataset(str(base / "new.lance"))
    assert made.schema == lance.dataset(str(base / "model.lance")).schema == schema
    assert made.count_rows() == 1
    assert not bash("echo '{}' > $T", T=place)[0] == 0  # it tells the table's own columns now
    assert json.loads(place.read_text())["fields"][0]["type"] == "int32"
    mount.unmount()


def test_many_writers_on_one_mount(mounts, uri):
    mount = mounts(uri)
    failures = []

    def write(worker):
        for n in range(10):
            try:
                (mount.append / f"w{worker}-{n}.jsonl").write_text(lines([1000 + worker * 10 + n]))
            except OSError as error:
                failures.append(error)

    threads = [threading.Thread(target=write, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert ids(uri) == [0] + list(range(1000, 1080))
    assert versions(uri) == 81
    lance.dataset(str(uri)).validate()


# ---- Killed writers -----------------------------------------------------------------------------

SLOW_COPY = """
import os, sys, time
out = os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY, 0o644)
for n in range(100000):
    os.write(out, b'{"id":%d}\\n' % n)
    if n == 100: print("under way", flush=True)
    time.sleep(0.001)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGSEGV])
def test_killed_writer(mounts, uri, how):
    mount = mounts(uri)
    target = mount.append / "cut.jsonl"
    # Restores SIGINT's default, as a tool that was started from a terminal has it.
    writer = subprocess.Popen([sys.executable, "-c", "import signal; signal.signal(signal.SIGINT, signal.SIG_DFL)\n" + SLOW_COPY, target], stdout=subprocess.PIPE)
    writer.stdout.readline()
    writer.send_signal(how)
    writer.wait(20)
    wait_until(lambda: xattr(target, "error") is not None)
    assert "killed" in xattr(target, "error")
    time.sleep(0.2)
    assert versions(uri) == 1
    assert len(mount.errors()) == 1
    # The same name can be dropped again.
    target.write_text(lines([5]))
    assert ids(uri) == [0, 5]


def test_killed_cp(mounts, uri, tmp_path):
    mount = mounts(uri)
    with open(tmp_path / "big.jsonl", "w") as file:
        for n in range(60):
            file.write(lines(range(n * 20_000, n * 20_000 + 20_000)))
    for how in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
        copy = subprocess.Popen(["cp", tmp_path / "big.jsonl", mount.append / f"{how}.jsonl"], preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        wait_until(lambda: (mount.append / f"{how}.jsonl").exists() and os.path.getsize(mount.append / f"{how}.jsonl") > 0)
        copy.send_signal(how)
        killed = copy.wait(60) != 0
        if killed:
            time.sleep(0.3)
            assert versions(uri) == 1, how


# ---- Killed daemons -----------------------------------------------------------------------------

def test_killed_daemon_keeps_every_promise(mounts, uri, tmp_path):
    """Every close that returned 0 is one commit, also of what was under way when the daemon died."""
    mount = mounts(uri)
    promised, tried = [], []
    number = 1
    for round_number in range(6):
        stop = threading.Event()

        def drop():
            nonlocal number
            while not stop.is_set():
                n, number = number, number + 1
                tried.append(n)
                try:
                    (mount.append / f"d{n}.jsonl").write_text(lines([n]))
                    promised.append(n)
                except OSError:
                    return

        writer = threading.Thread(target=drop)
        met = len(promised)
        writer.start()
        wait_until(lambda: len(promised) >= met + 4, 30)
        time.sleep(random.uniform(0, 0.1))  # anywhere in the next ones
        mount.process.kill()
        mount.process.wait(30)
        stop.set()
        writer.join(30)
        mount.stop()
        mount.start()
        (mount.path / "count").read_text()
    wait_until(lambda: set(promised) <= set(ids(uri)), 20)
    mount.unmount()
    found = ids(uri)
    assert len(found) == len(set(found)), "a drop was committed twice"
    assert set(promised) <= set(found) <= {0, *tried}
    assert len(promised) > 20
    assert versions(uri) == len(found)


def test_unfinished_drop_is_kept_and_reported(mounts, uri):
    mount = mounts(uri)
    fd = os.open(mount.append / "half.jsonl", os.O_CREAT | os.O_WRONLY, 0o644)
    os.write(fd, lines([1]).encode())
    mount.process.kill()
    mount.process.wait(30)
    with pytest.raises(OSError):
        os.close(fd)
    mount.stop()
    mount.start()
    wait_until(lambda: len(mount.errors()) == 1)
    message = list(mount.errors().values())[0]["message"]
    assert "kept in" in message
    kept = message.split("kept in ")[1].strip()
    assert open(os.path.join(kept, "data")).read() == lines([1])
    assert ids(uri) == [0]


def test_terminated_daemon_finishes_its_commits(mounts, uri):
    mount = mounts(uri)
    writers = [subprocess.Popen(["bash", "-c", f"seq -f '{{\"id\":%.0f}}' {n}00000 {n}80000 > '{mount.append}/t{n}.jsonl'"], stderr=subprocess.DEVNULL)
               for n in range(1, 5)]
    time.sleep(0.15)
    mount.process.send_signal(signal.SIGTERM)
    codes = [writer.wait(60) for writer in writers]
    assert mount.process.wait(60) == 0
    assert not os.path.ismount(mount.path)
    found = set(ids(uri))
    for n, code in zip(range(1, 5), codes):
        if code == 0:
            assert set(range(n * 100000, n * 100000 + 80001)) <= found
    mount.stop()
