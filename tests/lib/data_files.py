# SPDX-License-Identifier: Apache-2.0
"""Single data files: written by pylance, read by file_probe."""
import os
import subprocess

import pyarrow as pa
from lance.file import LanceFileWriter

from programs import BUILD

PROBE = BUILD / "tests/engine/format/file_probe"


def write(path, table, version, batch=None):
    with LanceFileWriter(str(path), table.schema, version=version) as writer:
        for part in table.to_batches(max_chunksize=batch) if batch else table.combine_chunks().to_batches():
            writer.write_batch(part)


def probe(path, *args):
    out = str(path) + ".arrows"
    with open(out, "wb") as sink:
        run = subprocess.run([PROBE, str(path), *args], stdout=sink, stderr=subprocess.PIPE)
    assert run.returncode == 0, run.stderr.decode()
    with open(out, "rb") as source:
        table = pa.ipc.open_stream(source).read_all()
    os.unlink(out)
    return table
