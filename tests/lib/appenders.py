# SPDX-License-Identifier: Apache-2.0
"""Four writers of each kind, pylance and the program, that append to one table at the same time."""
import json
import os
import subprocess
import sys

import lance
import pyarrow as pa
from programs import LANCEFS, lancefs

APPENDS = 25 if os.environ.get("LANCEFS_FULL") == "1" else 4  # of each writer
WRITERS = 4  # of each kind
ROWS = 3  # in an append

PYLANCE = """
import json, random, sys, time
import lance, pyarrow as pa
uri, writer, appends, rows, options = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), json.loads(sys.argv[5])
for i in range(appends):
    ids = [(writer * 1000 + i) * 10 + r for r in range(rows)]
    table = pa.table({"id": pa.array(ids, pa.int64()), "text": [f"row {n}" for n in ids]})
    for attempt in range(50):
        try:
            lance.write_dataset(table, uri, mode="append", storage_options=options)
            break
        except Exception as error:  # gives up after 20 rounds of its own
            if "onflict" not in str(error):
                raise
            time.sleep(random.random() / 5)
    else:
        sys.exit("50 conflicts")
"""

OURS = """
for i in $(seq 0 $(($4 - 1))); do
  "$1" append "$2" "$3-$i.jsonl" || exit 1
done
"""


def start(writer, uri, options, environment, folder):
    if writer < WRITERS:
        command = [sys.executable, "-c", PYLANCE, uri, writer, APPENDS, ROWS, json.dumps(options)]
    else:
        for i in range(APPENDS):
            rows = ({"id": n, "text": f"row {n}"} for n in ((writer * 1000 + i) * 10 + r for r in range(ROWS)))
            (folder / f"{writer}-{i}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        command = ["sh", "-c", OURS, "sh", LANCEFS, uri, folder / str(writer), APPENDS]
    return subprocess.Popen([str(word) for word in command], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                            stderr=subprocess.PIPE)


def check_that_nothing_is_lost(uri, options, environment, folder):
    """`options` are pylance's, `environment` is for programs, `folder` for files. The table must not exist."""
    lance.write_dataset(pa.table({"id": pa.array([-1], pa.int64()), "text": ["row -1"]}), uri, storage_options=options)
    writers = [start(writer, uri, options, environment, folder) for writer in range(2 * WRITERS)]
    try:
        for writer in writers:
            _, errors = writer.communicate(timeout=600)
            assert writer.returncode == 0, errors.decode(errors="replace")[-2000:]
    finally:
        for writer in writers:
            writer.kill()
    expected = [-1] + [(w * 1000 + i) * 10 + r for w in range(2 * WRITERS) for i in range(APPENDS) for r in range(ROWS)]
    dataset = lance.dataset(uri, storage_options=options)
    assert sorted(dataset.to_table()["id"].to_pylist()) == expected
    assert dataset.version == 1 + 2 * WRITERS * APPENDS
    assert sorted(json.loads(line)["id"] for line in lancefs("cat", uri, "rows.jsonl", env=environment).splitlines()) == expected
