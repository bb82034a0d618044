# SPDX-License-Identifier: Apache-2.0
"""Every tool that people drop files with, against a real mount: how many versions, which rows, which exit status."""
import os
import pathlib
import shutil
import subprocess
import sys
import time

import lance
import lancedb
import pyarrow as pa
import pytest
from mounts import Mounts, comes_true

ALLOW_MISSING = os.environ.get("LANCEFS_ALLOW_MISSING_TOOLS") == "1"
SCHEMA = pa.schema([("id", pa.int64()), ("name", pa.string()), ("price", pa.float64())])
FIRST = [{"id": 0, "name": "zero", "price": 0.5}, {"id": 1, "name": None, "price": None}]

SMALL = [(i, f"item {i}", i / 4) for i in range(10, 15)]
BIG = [(i, f"item {i}", i / 4) for i in range(40_000)]
NULLS = (None, None, None)


def jsonl(rows):
    return "".join('{"id":%d,"name":"%s","price":%s}\n' % row for row in rows)


def csv(rows):
    return "id,name,price\n" + "".join("%d,%s,%s\n" % row for row in rows)


class Table:
    """The table on disk as pylance and lancedb see it, and the mount over it."""

    def __init__(self, base, mounts):
        self.base = base
        self.uri = base / "db" / "t.lance"
        lance.write_dataset(pa.Table.from_pylist(FIRST, SCHEMA), str(self.uri))
        self.work = base / "work"
        self.work.mkdir()
        (self.work / "small.jsonl").write_text(jsonl(SMALL))
        (self.work / "small.csv").write_text(csv(SMALL))
        (self.work / "big.jsonl").write_text(jsonl(BIG))
        (self.work / "Wr.java").write_text("""import java.nio.file.*; public class Wr { public static void main(String[] a) throws Exception {
            Files.writeString(Path.of(a[0]), "{}\\n"); } }""")
        (self.work / "Wc.java").write_text("""import java.nio.file.*; public class Wc { public static void main(String[] a) throws Exception {
            Files.copy(Path.of(a[0]), Path.of(a[1]), StandardCopyOption.COPY_ATTRIBUTES); } }""")
        self.mount = mounts(self.uri)
        self.seen = (1, len(FIRST))  # versions and rows as of the last check

    def dataset(self):
        return lance.dataset(str(self.uri))

    def check(self, commits, rows):
        """Exactly `commits` new versions since the last check, holding exactly `rows` in any order."""
        versions, count = self.seen
        comes_true(lambda: self.dataset().version >= versions + commits, 15)
        if commits == 0:
            (self.mount.path / "count").read_text()  # waits for what is pending
        dataset = self.dataset()
        self.seen = (len(dataset.versions()), dataset.count_rows())
        new = [tuple(row.values()) for row in dataset.to_table(offset=count).to_pylist()] if self.seen[1] > count else []
        assert self.seen[0] - versions == commits, f"{self.seen[0] - versions} versions, expected {commits}: {self.mount.commits()[-3:]}"
        key = lambda row: tuple((value is None, value) for value in row)
        assert sorted(new, key=key) == sorted(rows, key=key)
        dataset.validate()
        assert lancedb.connect(str(self.uri.parent)).open_table("t").count_rows() == self.seen[1]


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    base = tmp_path_factory.mktemp("drops")
    mounts = Mounts(base)
    try:
        yield Table(base, mounts)
    finally:
        mounts.close()


def run(table, command, timeout=60):
    """A shell line as a user would type it; $B is append/, $W a folder with small.jsonl, small.csv and big.jsonl."""
    env = {**os.environ, "B": str(table.mount.append), "W": str(table.work), "S": str(table.work / "small.jsonl"), "C": str(table.work / "small.csv"),
           "BIG": str(table.work / "big.jsonl"), "PY": sys.executable}
    result = subprocess.run(["bash", "-c", command], env=env, capture_output=True, timeout=timeout, cwd=table.work, check=False)
    return result.returncode, (result.stdout + result.stderr).decode(errors="replace")


def need(tools):
    missing = [tool for tool in tools.split() if shutil.which(tool) is None]
    if missing and ALLOW_MISSING:
        pytest.skip(f"not installed: {missing}")
    assert not missing, f"not installed: {missing} (LANCEFS_ALLOW_MISSING_TOOLS=1 skips them)"


# Name, tools that must be there, command, versions made, rows added, exit status. In this order, on one mount: some build on names that
# earlier ones left.
TOOLS = [
    ("cp", "cp", "cp $S $B/a1.jsonl", 1, SMALL, 0),
    ("cp big", "cp", "cp $BIG $B/a1b.jsonl", 1, BIG, 0),
    ("cp -p", "cp", "cp -p $S $B/a2.jsonl", 1, SMALL, 0),
    ("cp -p again", "cp", "cp -p $S $B/a2.jsonl", 0, [], 0),
    ("cp -a", "cp", "cp -a $S $B/a2a.jsonl", 1, SMALL, 0),
    ("cp over a name: new time, new drop", "cp", "cp $S $B/a1.jsonl", 1, SMALL, 0),
    ("cp csv", "cp", "cp $C $B/a1.csv", 1, SMALL, 0),
    ("mv from another filesystem", "mv", "cp $S mvx.jsonl; mv mvx.jsonl $B/a3.jsonl", 1, SMALL, 0),
    ("rsync", "rsync", "rsync $S $B/a4.jsonl", 1, SMALL, 0),
    ("rsync -a", "rsync", "rsync -a $S $B/a5.jsonl", 1, SMALL, 0),
    ("rsync -a again", "rsync", "rsync -a $S $B/a5.jsonl", 0, [], 0),
    ("rsync --inplace", "rsync", "rsync -a --inplace $S $B/a6.jsonl", 1, SMALL, 0),
    ("rsync of a folder", "rsync", "mkdir -p rsd; cp -p $S rsd/one.jsonl; rsync -a rsd/ $B/", 1, SMALL, 0),
    ("rsync of a folder again", "rsync", "rsync -a rsd/ $B/", 0, [], 0),
    ("install", "install", "install -m644 $S $B/a7.jsonl", 1, SMALL, 0),
    ("dd", "dd", "dd if=$S of=$B/a8.jsonl bs=30 status=none", 1, SMALL, 0),
    ("dd conv=fsync", "dd", "dd if=$S of=$B/a9.jsonl bs=64k conv=fsync status=none", 1, SMALL, 0),
    ("dd conv=notrunc", "dd", "dd if=$S of=$B/a9n.jsonl conv=notrunc status=none", 1, SMALL, 0),
    ("cat >", "cat", "cat $S > $B/b1.jsonl", 1, SMALL, 0),
    ("cat >> an old name", "cat", "cat $S >> $B/b1.jsonl", 1, SMALL, 0),
    ("cat >> a new name", "cat", "cat $S >> $B/b2.jsonl", 1, SMALL, 0),
    ("echo", "bash", "echo '{\"id\":1}' > $B/b3.jsonl", 1, [(1, None, None)], 0),
    ("a loop of a shell", "bash", "for i in 1 2 3; do echo '{\"id\":1}'; /bin/true; done > $B/b3l.jsonl", 1, [(1, None, None)] * 3, 0),
    ("a sub-shell", "head tail", "(head -1 $S; head -2 $S | tail -1) > $B/b3s.jsonl", 1, SMALL[:2], 0),
    ("tee", "tee", "cat $S | tee $B/b4.jsonl >/dev/null", 1, SMALL, 0),
    ("tee -a", "tee", "cat $S | tee -a $B/b4.jsonl >/dev/null", 1, SMALL, 0),
    ("python", "", "$PY -c \"open('$B/b5.jsonl','w').write(open('$S').read())\"", 1, SMALL, 0),
    ("python with fsync", "", "$PY -c \"import os;f=open('$B/b6.jsonl','w');f.write('{}\\n');f.flush();os.fsync(f.fileno());f.close()\"", 1, [NULLS], 0),
    ("python, temporary name and replace", "", "$PY -c \"import os;f=open('$B/.b7.tmp','w');f.write('{}\\n');f.close();os.replace('$B/.b7.tmp','$B/b7.jsonl')\"",
     1, [NULLS], 0),
    ("python with child processes", "", "$PY -c \"import os,subprocess;f=open('$B/b8.jsonl','w');f.write('{}\\n');f.flush();subprocess.run(['true']);"
     "os.system('true');f.write('{}\\n');f.close()\"", 1, [NULLS] * 2, 0),
    ("python, inherited descriptor", "", """$PY -c "import os;fd=os.open('$B/b8i.jsonl',os.O_CREAT|os.O_WRONLY,0o644);os.write(fd,b'{}\\n');pid=os.fork()
if pid==0: os._exit(0)
os.waitpid(pid,0);os.write(fd,b'{}\\n');os.close(fd)" """, 1, [NULLS] * 2, 0),
    ("python, two descriptors one after the other", "", "$PY -c \"f=open('$B/b8w.jsonl','w');f.write('{}\\n');g=open('$B/b8w.jsonl','a');f.close();g.write('{}\\n');"
     "g.close()\"", 1, [NULLS] * 2, 0),
    ("python csv module", "", "$PY -c \"import csv;f=open('$B/b8.csv','w',newline='');w=csv.writer(f);w.writerow(['id','name']);w.writerow([7,'x, y']);f.close()\"",
     1, [(7, "x, y", None)], 0),
    ("pandas json", "", "$PY -c \"import pandas as p;p.DataFrame({'id':[1,2]}).to_json('$B/b9.jsonl',orient='records',lines=True)\"", 1,
     [(1, None, None), (2, None, None)], 0),
    ("pandas csv", "", "$PY -c \"import pandas as p;p.DataFrame({'id':[1,2],'name':['a','b']}).to_csv('$B/b9.csv',index=False)\"", 1, [(1, "a", None), (2, "b", None)], 0),
    ("pandas parquet", "", "$PY -c \"import pandas as p;p.DataFrame({'id':[1,2]}).to_parquet('$B/c1.parquet')\"", 1, [(1, None, None), (2, None, None)], 0),
    ("pandas feather", "", "$PY -c \"import pandas as p;p.DataFrame({'id':[1,2]}).to_feather('$B/c1.feather')\"", 1, [(1, None, None), (2, None, None)], 0),
    ("pyarrow parquet", "", "$PY -c \"import pyarrow as a,pyarrow.parquet as q;q.write_table(a.table({'id':[5],'name':['p']}),'$B/c1a.parquet')\"", 1, [(5, "p", None)], 0),
    ("pyarrow csv", "", "$PY -c \"import pyarrow as a,pyarrow.csv as q;q.write_csv(a.table({'id':[5],'name':['p']}),'$B/c1a.csv')\"", 1, [(5, "p", None)], 0),
    ("pyarrow feather", "", "$PY -c \"import pyarrow as a,pyarrow.feather as q;q.write_feather(a.table({'id':[5],'name':['p']}),'$B/c1a.feather')\"", 1,
     [(5, "p", None)], 0),
    ("pyarrow stream", "", "$PY -c \"import pyarrow as a;t=a.table({'id':[5]});w=a.ipc.new_stream('$B/c1a.arrows',t.schema);w.write_table(t);w.close()\"", 1,
     [(5, None, None)], 0),
    ("duckdb parquet", "", "$PY -c \"import duckdb;duckdb.sql(\\\"copy (select 1 as id) to '$B/c2.parquet' (format parquet)\\\")\"", 1, [(1, None, None)], 0),
    ("duckdb csv", "", "$PY -c \"import duckdb;duckdb.sql(\\\"copy (select 1 as id, 'x' as name) to '$B/c2.csv' (format csv, header)\\\")\"", 1, [(1, "x", None)], 0),
    ("duckdb json", "", "$PY -c \"import duckdb;duckdb.sql(\\\"copy (select 1 as id, 'x' as name) to '$B/c2.json' (format json)\\\")\"", 1, [(1, "x", None)], 0),
    ("polars parquet", "", "$PY -c \"import polars as p;p.DataFrame({'id':[1]}).write_parquet('$B/c3.parquet')\"", 1, [(1, None, None)], 0),
    ("polars csv", "", "$PY -c \"import polars as p;p.DataFrame({'id':[1],'name':['q']}).write_csv('$B/c3.csv')\"", 1, [(1, "q", None)], 0),
    ("polars ndjson", "", "$PY -c \"import polars as p;p.DataFrame({'id':[1],'name':['q']}).write_ndjson('$B/c3.ndjson')\"", 1, [(1, "q", None)], 0),
    ("polars sink", "", "$PY -c \"import polars as p;p.LazyFrame({'id':[1]}).sink_parquet('$B/c4.parquet')\"", 1, [(1, None, None)], 0),
    ("java", "java", "java Wr.java $B/c5.jsonl", 1, [NULLS], 0),
    ("java copy", "java", "java Wc.java $S $B/c5c.jsonl", 1, SMALL, 0),
    ("node", "node", "node -e \"require('fs').writeFileSync('$B/c6.jsonl','{}\\n')\"", 1, [NULLS], 0),
    ("node copy", "node", "node -e \"require('fs').copyFileSync('$S','$B/c6c.jsonl')\"", 1, SMALL, 0),
    ("tar", "tar", "tar cf x.tar small.jsonl; tar xf x.tar -C $B", 1, SMALL, 0),
    ("unzip", "zip unzip", "rm -f x.zip; zip -q x.zip small.jsonl; mkdir -p $B/z; cd $B/z; unzip -qo $W/x.zip", 1, SMALL, 0),
    ("gzip -dc >", "gzip", "gzip -c $S >x.gz; gzip -dc x.gz > $B/c7.jsonl", 1, SMALL, 0),
    ("cp of .jsonl.gz", "gzip", "gzip -c $S > $B/c7.jsonl.gz", 1, SMALL, 0),
    ("cp of .csv.zst", "zstd", "zstd -qc $C > c7.csv.zst; cp c7.csv.zst $B/", 1, SMALL, 0),
    ("curl -o", "curl", "curl -s -o $B/c8.jsonl file://$S", 1, SMALL, 0),
    ("vim, new", "vim", "vim -N -u NONE -i NONE -es -c 'call setline(1,\"{}\")' -c wq $B/d1.jsonl", 1, [NULLS], 0),
    ("vim, edit", "vim", "vim -N -u NONE -i NONE -es -c 'call append(0,\"{}\")' -c wq $B/d1.jsonl", 1, [NULLS] * 2, 0),
    ("sed -i", "sed", "sed -i s/item/x/ $B/a1.jsonl", 1, [(i, name.replace("item", "x"), price) for i, name, price in SMALL], 0),
    ("touch", "touch", "touch $B/d2.jsonl", 0, [], 0),
    ("truncate -s", "truncate", "truncate -s 100 $B/d2.jsonl", 0, [], 0),
    ("a temporary name and mv", "mv", "cp $S $B/.hid.tmp && mv $B/.hid.tmp $B/d3.jsonl", 1, SMALL, 0),
    ("a .part and mv", "mv", "cp $S $B/d4.jsonl.part && mv $B/d4.jsonl.part $B/d4.jsonl", 1, SMALL, 0),
    ("mv of a committed name", "mv", "mv $B/d4.jsonl $B/d4moved.jsonl", 0, [], 0),
    ("ln", "ln", "ln $B/d3.jsonl $B/d3l.jsonl", 0, [], 1),
    ("ln -s", "ln", "ln -s $S $B/d3s.jsonl", 0, [], 1),
    ("O_TMPFILE", "", "$PY -c \"import os;fd=os.open('$B',os.O_TMPFILE|os.O_WRONLY,0o644)\"", 0, [], 1),
    ("writing through mmap", "", "$PY -c \"import os,mmap;fd=os.open('$B/d5.jsonl',os.O_CREAT|os.O_RDWR,0o644);os.ftruncate(fd,100);m=mmap.mmap(fd,100);"
     "m[0:3]=b'{}x';os.close(fd);m[3:6]=b'yyy';m.close()\"", 0, [], 1),
    ("fallocate", "fallocate", "fallocate -l 4096 $B/d6.jsonl", 0, [], 1),
    ("busybox cp", "busybox", "busybox cp $S $B/d7.jsonl", 1, SMALL, 0),
    ("cp --preserve=all", "cp", "cp --preserve=all $S $B/d8.jsonl", 1, SMALL, 0),
    ("rm", "rm", "rm $B/a1.jsonl", 0, [], 0),
    ("cp -r of a folder", "cp", "mkdir -p dd1; cp $S dd1/; cp -r dd1 $B/", 1, SMALL, 0),
    ("two at once", "cp", "cp $S $B/e1.jsonl & cp $BIG $B/e2.jsonl & wait", 2, SMALL + BIG, 0),
    ("eight at once", "cp", "for i in 1 2 3 4 5 6 7 8; do cp $S $B/f$i.jsonl & done; wait", 8, SMALL * 8, 0),
    ("a killed sub-shell: what its child wrote is whole", "cat", "(cat $S; sleep 2) > $B/e3.jsonl & p=$!; sleep 0.5; kill -9 $p; wait 2>/dev/null; true", 1, SMALL, 0),
    ("a name with blanks and umlauts", "cp", "cp $S \"$B/ein schöner Näme ☃.jsonl\"", 1, SMALL, 0),
    ("a folder with blanks", "cp", "mkdir \"$B/my folder\"; cp $S \"$B/my folder/x y.jsonl\"", 1, SMALL, 0),
    ("no suffix, JSON", "cp", "cp $S $B/nosuffix", 1, SMALL, 0),
    ("no suffix, Parquet", "", "$PY -c \"import pandas as p;p.DataFrame({'id':[1]}).to_parquet('p.parquet')\"; cp p.parquet $B/nosuffix2", 1, [(1, None, None)], 0),
    ("no suffix, neither", "cp", "echo hello > hello; cp hello $B/hello", 0, [], 1),
    ("an unknown suffix", "cp", "cp $S $B/x.dat", 0, [], 1),
    ("a header without rows", "cp", "echo id,name > h.csv; cp h.csv $B/h.csv", 0, [], 0),
    ("a CSV that grows", "bash", "cp $C $B/g.csv; printf '77,tail,1.5\\n' >> $B/g.csv", 2, SMALL + [(77, "tail", 1.5)], 0),
    ("scp-like: write, then set the size", "", "$PY -c \"import os;d=open('$S','rb').read();fd=os.open('$B/sc.jsonl',os.O_CREAT|os.O_WRONLY|os.O_TRUNC);os.write(fd,d);"
     "os.ftruncate(fd,len(d));os.fchmod(fd,0o600);os.close(fd)\"", 1, SMALL, 0),
    ("written backwards", "", "$PY -c \"import os;d=open('$S','rb').read();fd=os.open('$B/bw.jsonl',os.O_CREAT|os.O_WRONLY);"
     "[os.pwrite(fd,d[i:i+16],i) for i in reversed(range(0,len(d),16))];os.close(fd)\"", 1, SMALL, 0),
    ("a size first, then the bytes", "", "$PY -c \"import os;d=open('$S','rb').read();fd=os.open('$B/sf.jsonl',os.O_CREAT|os.O_WRONLY);"
     "os.ftruncate(fd,len(d));os.write(fd,d);os.close(fd)\"", 1, SMALL, 0),
    ("a hole", "", "$PY -c \"import os;fd=os.open('$B/ho.jsonl',os.O_CREAT|os.O_WRONLY);os.pwrite(fd,b'{}\\n',100);os.close(fd)\"", 0, [], 1),
]


@pytest.mark.parametrize("name,tools,command,commits,rows,status", TOOLS, ids=[case[0].replace(" ", "-") for case in TOOLS])
def test_tool(table, name, tools, command, commits, rows, status):
    need(tools)
    code, text = run(table, command)
    table.check(commits, rows)
    assert (code != 0) == (status != 0), f"exit status {code}: {text}"
