# SPDX-License-Identifier: Apache-2.0
"""pylance and the program append to one table at the same time: on local disks and S3. For other places see theirs."""
import os

from appenders import check_that_nothing_is_lost


def test_nothing_is_lost(place, tmp_path):
    check_that_nothing_is_lost(str(place.uri("crowd.lance")), place.storage_options, {**os.environ, **place.env}, tmp_path)
