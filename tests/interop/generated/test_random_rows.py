# SPDX-License-Identifier: Apache-2.0
"""rows/<n>.json of a mount for 1,000 random rows of random datasets of every file version; the judge is pylance's take."""
import itertools
import random

import canonical
import lance
import pytest
from mounts import Mount

from generated import histories

ROWS = 1000
VERSIONS = ["0.1", "2.0", "2.1", "2.2", "2.3"]


def datasets(version, folder):
    """Datasets of some size that pylance reads again."""
    for seed in itertools.count(100_000):
        if histories.version_of(seed) != version:
            continue
        history = histories.History(folder, seed)
        # take gives descriptors of blobs instead of their bytes.
        if any("blob" in f"{column.field.type} {column.field.metadata}" for column in history.columns):
            continue
        dataset = usable(history)
        if dataset is not None:
            yield dataset


def usable(history):
    """The dataset, where it has enough rows and pylance can take some of them."""
    try:
        dataset = lance.dataset(history.write().uri)
        if 90 <= dataset.count_rows() <= 20_000 and dataset.take([0, 50]).num_rows == 2:
            return dataset
    except BaseException as error:  # panics are no Exceptions
        if isinstance(error, KeyboardInterrupt):
            raise
    return None


@pytest.mark.parametrize("version", VERSIONS)
def test_random_rows(version, tmp_path):
    r = random.Random(version)
    seen = 0
    for dataset in datasets(version, tmp_path):
        rows = dataset.count_rows()
        picks = [r.randrange(rows) for _ in range(min(ROWS - seen, 150))]
        want = canonical.lines(dataset.take(picks))
        with Mount(dataset.uri) as mount:
            for offset, line in zip(picks, want):
                got = (mount.path / f"rows/{offset}.json").read_bytes()
                assert got == line.encode() + b"\n", f"{dataset.uri} row {offset}"
        seen += len(picks)
        if seen == ROWS:
            return
