# SPDX-License-Identifier: Apache-2.0
"""Many writers at once, ours and pylance's: every append is one version, no row is lost or doubled (RULES 29, 30)."""
import json
import os
import subprocess
import sys
import time

import lance
import pyarrow as pa

from appenders import PYLANCE
from mounts import Mount
from programs import LANCEFS

APPENDS = 25
ROWS_EACH = 3

# Our writers: each copies files into append/ with cp; a failing cp ends the writer with its message.
COPIER = """
for i in $(seq 0 $(($3 - 1))); do
  cp "$1/$2-$i.jsonl" "$4/" || exit 1
done
"""


def make_dataset(place, name):
    uri = place.uri(name)
    seed = pa.table({"id": pa.array([-1], pa.int64()), "text": ["first"]})
    return uri, lance.write_dataset(seed, uri, storage_options=place.storage_options)


def write_files(folder, writer):
    for i in range(APPENDS):
        lines = [json.dumps({"id": (writer * 1000 + i) * 10 + r, "text": f"ours {writer}"}) for r in range(ROWS_EACH)]
        (folder / f"{writer}-{i}.jsonl").write_text("\n".join(lines) + "\n")


def check(place, uri, before, writers):
    after = lance.dataset(uri, storage_options=place.storage_options)
    expected = sorted([-1] + [(w * 1000 + i) * 10 + r for w in writers for i in range(APPENDS) for r in range(ROWS_EACH)])
    got = sorted(after.to_table(columns=["id"])["id"].to_pylist())
    assert len(got) == len(set(got)), "rows are doubled"
    assert got == expected, f"{len(expected) - len(got)} rows are missing"
    assert after.version == before + APPENDS * len(writers)


def join(processes, seconds):
    deadline = time.monotonic() + seconds
    failures = []
    for process in processes:
        try:
            _, errors = process.communicate(timeout=max(1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            _, errors = process.communicate()
            errors += b"\nstill running after the time limit"
        if process.returncode != 0:
            failures.append((process.args[:4], process.returncode, errors.decode(errors="replace")[-1000:]))
    assert not failures, failures


def start(command, env=None):
    return subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=env)


def pylance_writers(place, uri, writers):
    options = json.dumps(place.storage_options)
    return [start([sys.executable, "-c", PYLANCE, uri, writer, APPENDS, ROWS_EACH, options]) for writer in writers]


def test_mounts_and_pylance(place, tmp_path):
    uri, first = make_dataset(place, "mixed.lance")
    env = {**os.environ, **place.env}
    for writer in range(4):
        write_files(tmp_path, writer)
    with Mount(uri, env=env) as one, Mount(uri, env=env) as two:
        ours = [start(["bash", "-c", COPIER, "copier", tmp_path, writer, APPENDS, (one, two)[writer % 2].path / "append"]) for writer in range(4)]
        theirs = pylance_writers(place, uri, range(4, 8))
        join(ours + theirs, 120)
        commits = [json.loads(line) for mount in (one, two) for line in (mount.path / "status/commits.jsonl").read_text().splitlines()]
        assert len([c for c in commits if c["version"]]) == 4 * APPENDS
        assert len({c["version"] for c in commits}) == 4 * APPENDS
        assert sum(c["rows"] for c in commits) == 4 * APPENDS * ROWS_EACH
    check(place, uri, first.version, range(8))


def test_program_and_pylance(place, tmp_path):
    uri, first = make_dataset(place, "program.lance")
    env = {**os.environ, **place.env}
    for writer in range(4):
        write_files(tmp_path, writer)
    loop = 'for i in $(seq 0 $(($4 - 1))); do "$1" append "$5" "$2/$3-$i.jsonl" || exit 1; done'
    ours = [start(["bash", "-c", loop, "appender", LANCEFS, tmp_path, writer, APPENDS, uri], env) for writer in range(4)]
    join(ours + pylance_writers(place, uri, [4]), 120)
    check(place, uri, first.version, range(5))
