# SPDX-License-Identifier: Apache-2.0
"""Random datasets of pylance's, read by pylance and by the engine. 200 seeds; with LANCEFS_FULL=1 all 5,000."""
import os

import pytest

from generated import histories, running

SEEDS = 5000 if os.environ.get("LANCEFS_FULL") == "1" else 200
VERSIONS = ["0.1", "2.0", "2.1", "2.2", "2.3"]


def test_datasets_read_the_same():
    seeds = [seed for seed in range(SEEDS * 5 // len(VERSIONS) + 5) if histories.version_of(seed) in VERSIONS][:SEEDS]
    total = running.many(seeds, jobs=os.cpu_count())
    print(total.text())
    assert not total.failures, total.text()
    # A writer that refuses all, or a reader that is asked nothing, proves nothing.
    assert sum(total.runs.values()) > 0.95 * SEEDS and all(total.runs[version] for version in VERSIONS)
    assert total.answers > 3 * SEEDS and total.columns > SEEDS and total.steps > SEEDS


def test_a_difference_is_found(tmp_path, monkeypatch):
    """The comparison sees a wrong row, a wrong order, a missing row and a refusal."""
    from generated import compare

    real = compare.Adapter.ask
    spoils = {"row": lambda a: a.replace(b"1", b"2", 1), "order": lambda a: b"".join(reversed(a.splitlines(True))), "end": lambda a: b"".join(a.splitlines(True)[:-1])}
    checker = compare.Checker(tmp_path)
    history = histories.History(tmp_path, 1).write()
    assert checker.check(history.uri, 1, []) == []
    for name, spoil in spoils.items():
        monkeypatch.setattr(compare.Adapter, "ask", lambda self, op, *a, **k: spoil(real(self, op, *a, **k)) if op in ("read", "take") else real(self, op, *a, **k))
        assert checker.check(history.uri, 1, []), name
    monkeypatch.undo()
    assert checker.same("a version", history.uri, b"", version=999) is False
    checker.close()
