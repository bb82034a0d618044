# SPDX-License-Identifier: Apache-2.0
import os
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def build_dir():
    path = pathlib.Path(os.environ.get("LANCEFS_BUILD", ROOT / "build"))
    if not path.is_dir():
        pytest.skip(f"no build in {path}")
    return path
