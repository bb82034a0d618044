# SPDX-License-Identifier: Apache-2.0
"""What the tests of the ways to sign in share: a table whose scan sends many requests, and its readers in a given environment."""
import subprocess
import sys

import lance
import pyarrow as pa

from programs import lancefs

FRAGMENTS = 80  # many more than a scan opens ahead
ROWS_IN_EACH = 20
ROWS = FRAGMENTS * ROWS_IN_EACH

COUNT = "import lance, sys; print(lance.dataset(sys.argv[1]).count_rows())"


def write_small_files(uri, storage_options):
    """A table of many small files; its rows as text."""
    lance.write_dataset(pa.table({"id": pa.array(range(ROWS), pa.int64())}), uri, max_rows_per_file=ROWS_IN_EACH, max_rows_per_group=ROWS_IN_EACH,
                        storage_options=storage_options)
    return b"".join(b'{"id":%d}\n' % i for i in range(ROWS))


def cat(uri, environment, *options, file="rows.jsonl"):
    """What became of it, good or bad."""
    return lancefs("cat", uri, file, *options, env=environment, check=False, timeout=120)


def count_by_pylance(uri, environment):
    return subprocess.run([sys.executable, "-c", COUNT, uri], env=environment, capture_output=True, timeout=120)
