#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs a command that needs no server, and fails when its log shows what signs requests.

    watch_log.py COMMAND [ARGUMENT...]
"""
import sys

from running import run

if __name__ == "__main__":
    sys.exit(run(sys.argv[1:], {}) if sys.argv[1:] else __doc__)
