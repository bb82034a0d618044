# SPDX-License-Identifier: Apache-2.0
"""Random datasets written by older releases of pylance. They come from PyPI when they are not there yet (a wheel each, 20 to 60 MB);
with LANCEFS_FULL=1 all of them write 150 each, else two write 20 each."""
import os

import pytest

from generated import old_writers

FULL = os.environ.get("LANCEFS_FULL") == "1"
RELEASES = old_writers.RELEASES if FULL else ["0.18.2", "1.0.4"]


@pytest.mark.parametrize("release", RELEASES)
def test_datasets_of_old_writers_read_the_same(release):
    seeds = 150 if FULL else 20
    total = old_writers.run(release, range(seeds))
    print(total.text())
    assert not total.failures, total.text()
    assert sum(total.runs.values()) > 0.9 * seeds and total.answers > seeds and total.steps > seeds
