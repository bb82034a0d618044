# SPDX-License-Identifier: Apache-2.0
import os

import pytest
from mounts import Mounts
from programs import LANCEFS


@pytest.fixture
def mounts(tmp_path):
    """mounts(uri, *options, ...) -> Mount; all are taken down however the test ends."""
    if not LANCEFS.exists():
        pytest.fail(f"{LANCEFS} is not built (LANCEFS_BUILD names another build folder)")
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("/dev/fuse cannot be opened")
    made = Mounts(tmp_path)
    try:
        yield made
    finally:
        made.close()
