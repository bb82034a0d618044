# SPDX-License-Identifier: Apache-2.0
"""Every tool of reading_tools.tsv on a mounted query and on a plain copy: the same result or, where the
mount could not tell a file's size, a loud failure. Never a wrong or short result with exit status 0."""
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys

import lance
import pyarrow as pa
import pytest

from mounts import Mount
from programs import BUILD, lancefs

HERE = pathlib.Path(__file__).parent
ROWS = 30000
QUERY = "query/filter=id >= 0"
FILES = ["rows.jsonl", "rows.csv", "rows.parquet", "rows.arrow", "count", "schema.json", "explain.txt"]
LISTED = [name for name in FILES if name != "rows.arrow"]
SECONDS = 10
# In "late" no open waits for the end of its result, so it streams unless it is done at once.
OPTIONS = {"exact": ["open-budget=9s"], "stream": ["sizes=stream"], "late": ["open-budget=0"]}

# What asks for the size by name alone may be told the estimate (RULES 14).
BY_NAME = {"du -b", "ls/stat", "diff"}
# It divides by the size that fstat told before it reads: while that is an estimate, the parts are others, but none is lost.
BY_FSTAT = {"split"}
# The kernel has no copy_file_range between two filesystems.
NEVER = {"cfr"}
# Tools that may be absent everywhere; the others must be there.
OPTIONAL = {"go"}


def read_table():
    with open(HERE / "reading_tools.tsv", encoding="utf-8") as lines:
        return dict(line.rstrip("\n").split("\t", 1) for line in lines if not line.startswith("#"))


TOOLS = read_table()


def programs_of(command):
    """The programs that a command needs, by the words that start its parts."""
    words = {re.split(r"\s", part.strip(), maxsplit=1)[0] for part in re.split(r"[|;]|&&", re.sub(r'"[^"]*"', "", command))}
    return {word for word in words if word and not word.startswith("$") and word not in ("cd", "test")}


class Workplace:
    """The dataset, its plain copy and our own readers."""

    def __init__(self, base):
        self.base = base
        self.uri = base / "t.lance"
        lance.write_dataset(pa.table({
            "id": pa.array(range(ROWS), pa.int64()),
            "item": [f"item {i} " + "abcdefghij" * (i % 5) for i in range(ROWS)],
            "price": [i / 8 for i in range(ROWS)],
            "kind": [("new", "used", "worn")[i % 3] for i in range(ROWS)],
        }), str(self.uri), max_rows_per_file=8000)
        self.plain = base / "plain"
        self.plain.mkdir()
        for name in FILES:
            (self.plain / name).write_bytes(lancefs("cat", self.uri, f"{QUERY}/{name}"))
        assert (self.plain / "rows.jsonl").stat().st_size > 2_000_000
        # Folders are copied whole: the plain one holds what the mounted one lists.
        self.copy = base / "copy"
        self.copy.mkdir()
        for name in FILES:
            shutil.copy(self.plain / name, self.copy)
        (self.plain / "rows.arrow").unlink()
        self.programs = base / "programs"
        self.programs.mkdir()
        self.expected = {}

    def build(self, word):
        """Our own reader behind the $W word of a command, once."""
        if word == "$W/sf" and not (self.programs / "sf").exists():
            built = BUILD / "tests/e2e/e2e_syscalls"
            if built.exists():
                shutil.copy(built, self.programs / "sf")
            else:
                subprocess.run(["cc", "-O1", "-o", self.programs / "sf", HERE / "syscalls.c"], check=True)
        elif word == "$W/rdgo" and not (self.programs / "rdgo").exists():
            subprocess.run(["go", "build", "-o", self.programs / "rdgo", HERE / "rdgo.go"], check=True,
                           env={"GOCACHE": str(self.base / "go-cache"), **os.environ, "GOFLAGS": "-mod=mod", "GO111MODULE": "off"})
        elif word == "java" and not (self.programs / "Rd.class").exists():
            subprocess.run(["javac", "-d", self.programs, HERE / "Rd.java"], check=True)

    def run(self, command, folder):
        """(exit status, everything that the command gave: stdout and the files of $O)"""
        out = self.base / "out"
        out.mkdir()
        arrow = self.copy if folder == self.plain else folder
        command = command.replace("$D/rows.arrow", f"'{arrow}/rows.arrow'")
        environment = {**os.environ, "F": str(folder / "rows.jsonl"), "P": str(folder / "rows.parquet"), "D": str(folder),
                       "O": str(out), "R": str(self.copy), "PY": sys.executable, "W": str(self.programs)}
        # The paths of a query hold blanks, so every variable is quoted: $F as a word of its own and inside others.
        command = re.sub(r'(?<!["\w])\$([FPDORW]\b|PY\b)', r'"$\1"', command)
        try:
            result = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, timeout=SECONDS * 3 if folder == self.plain else SECONDS,
                                    env=environment, stdin=subprocess.DEVNULL, check=False)
            paths = [path for path in sorted(out.rglob("*")) if path.is_file()]
            files = {str(path.relative_to(out)): hashlib.md5(path.read_bytes()).hexdigest() for path in paths}
            self.parts = hashlib.md5(b"".join(path.read_bytes() for path in paths) if command.startswith("split") else b"").hexdigest()
            return result.returncode, (result.stdout, files), result.stderr.decode(errors="replace")[-1500:]
        finally:
            shutil.rmtree(out)

    def right(self, tool):
        if tool not in self.expected:
            status, outcome, errors = self.run(TOOLS[tool], self.plain)
            if tool not in NEVER:
                assert status == 0, f"{tool} fails on a plain file: {errors}"
            self.expected[tool] = outcome
        return self.expected[tool]


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    return Workplace(tmp_path_factory.mktemp("matrix"))


def need(tool):
    command = TOOLS[tool]
    words = programs_of(command) | ({"go"} if "$W/rdgo" in command else set()) | ({"javac"} if command.startswith("java ") else set())
    missing = sorted(word for word in words if shutil.which(word) is None)
    if not missing:
        return
    if set(missing) <= OPTIONAL or os.environ.get("LANCEFS_ALLOW_MISSING_TOOLS") == "1":
        pytest.skip(f"{tool}: {missing} not installed")
    pytest.fail(f"{missing} not installed (LANCEFS_ALLOW_MISSING_TOOLS=1 to go without)")


def test_the_table_is_whole():
    assert len(TOOLS) >= 74
    assert BY_NAME <= set(TOOLS) and NEVER <= set(TOOLS)


@pytest.mark.parametrize("mode", OPTIONS)
@pytest.mark.parametrize("tool", TOOLS)
def test_tool(work, tool, mode):
    need(tool)
    for word in ("$W/sf", "$W/rdgo", "java"):
        if TOOLS[tool].startswith(word):
            work.build(word)
    right = work.right(tool)
    # A new mount each: no size is known and no page cached from the tool before.
    with Mount(work.uri, *OPTIONS[mode]) as mount:
        status, outcome, errors = work.run(TOOLS[tool], mount.path / QUERY)
    if tool in NEVER:
        assert status != 0
        return
    if tool in BY_NAME:
        if outcome == right and status == 0:
            return
        if tool == "diff":
            assert status != 0
        else:
            told, true = int(outcome[0]), int(right[0])
            assert told % 4096 == 0 and told >= true, f"the estimate {told} for {true}"
        return
    if mode == "exact":
        assert status == 0, f"failed: {errors}"
    if mode != "exact" and tool in BY_FSTAT:
        assert work.parts == hashlib.md5((work.plain / "rows.jsonl").read_bytes()).hexdigest()
        return
    if status == 0:
        assert outcome == right, f"wrong with exit status 0: {errors}"


@pytest.mark.parametrize("tool", ["cat", "head -n5", "tail -n5", "wc -l", "grep", "jq", "cp", "gzip", "awk", "py read", "pandas parquet", "polars scan_parquet", "pyarrow ipc mmap"])
@pytest.mark.parametrize("mode", ["stream", "late"])
def test_must_work_while_streaming(work, tool, mode):
    """A loud failure is honest, but these have to work: sequential readers, and formats that open to their end.

    pandas.read_csv is not among them: it cuts what it takes for the file's size into parts for its threads, so that it works
    or fails by how far the rows have come."""
    need(tool)
    right = work.right(tool)
    with Mount(work.uri, *OPTIONS[mode]) as mount:
        status, outcome, errors = work.run(TOOLS[tool], mount.path / QUERY)
    assert (status, outcome) == (0, right), errors


@pytest.mark.parametrize("tool", ["wc -c", "rsync", "tar c1"])
def test_a_loud_failure_heals_itself(work, tool):
    """These trust fstat: while the size is an estimate they fail, but then the result is there with its true size."""
    need(tool)
    right = work.right(tool)
    with Mount(work.uri, *OPTIONS["stream"]) as mount:
        assert work.run(TOOLS[tool], mount.path / QUERY)[0] != 0
        status, outcome, errors = work.run(TOOLS[tool], mount.path / QUERY)
    assert (status, outcome) == (0, right), errors


def test_the_modes_are_what_they_say(work):
    size = (work.plain / "rows.jsonl").stat().st_size
    for mode, exact in (("exact", True), ("stream", False), ("late", False)):
        with Mount(work.uri, *OPTIONS[mode]) as mount:
            path = mount.path / QUERY / "rows.jsonl"
            assert path.stat().st_size % 4096 == 0 and path.stat().st_blocks == 0
            with open(path, "rb") as file:
                assert (os.fstat(file.fileno()).st_size == size) == exact
                assert len(file.read(10)) == 10
                assert file.seek(0, os.SEEK_END) == size
