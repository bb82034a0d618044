# SPDX-License-Identifier: Apache-2.0
"""The interoperability corpus, where it is there: datasets written by ten versions of pylance with their expected answers."""
import re
import subprocess
import sys

import pytest

from programs import BUILD


def check(shared, *arguments):
    command = [sys.executable, shared / "corpora/tools/check.py", "--corpus", shared / "corpora/open", "--batch", str(BUILD / "tests/corpus/corpus_adapter"), *arguments]
    result = subprocess.run(command, capture_output=True, text=True, timeout=600)
    passed, failed, unjudged = map(int, re.search(r"(\d+) passed, (\d+) failed\s+\((\d+) unjudged", result.stdout).groups())
    return passed, failed, unjudged, result.stdout


def test_first_reads(shared):
    passed, failed, unjudged, text = check(shared, "--ids", str(shared / "corpora/first.ids"))
    assert failed == 0, text
    assert passed + unjudged == 3300


def test_appends(shared):
    passed, failed, _, text = check(shared, "--category", "^append", "--verify-appends")
    assert failed == 0 and passed >= 150, text


# Cases of the corpus that may fail, as regular expressions on their ids. Everything else is read exactly.
ALLOWED = []


def test_everything_to_the_byte(shared):
    """All reads, descriptions and tables in the canonical form; searches wait for the indices."""
    _, failed, _, text = check(shared, "--strict", "--skip", "^(append|fts|nearest|search)", "--max-failures", "5000")
    lines = [line for line in text.splitlines() if "FAIL" in line]
    assert len(lines) == failed
    wrong = [line for line in lines if not any(re.search(pattern, line) for pattern in ALLOWED)]
    assert wrong == []
