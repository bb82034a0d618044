# SPDX-License-Identifier: Apache-2.0
"""rules.tsv names the tests of every rule of docs/rules.md, and they are there."""
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def table():
    lines = pathlib.Path(__file__).with_name("rules.tsv").read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines if line and not line.startswith("#")]


def exists(test):
    file, _, name = test.partition("::")
    path = ROOT / file
    if not path.is_file() or not name:
        return False
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        return re.search(rf"^def {re.escape(name)}\(", text, re.M) is not None
    suite, _, case = name.partition(".")
    return re.search(rf"^TEST(_F|_P)?\({re.escape(suite)}, {re.escape(case)}\)", text, re.M) is not None


def test_every_rule_is_in_the_table():
    rules = re.findall(r"^(\d+)\. ", (ROOT / "docs/rules.md").read_text(encoding="utf-8"), re.M)
    assert rules == [str(number) for number in range(1, len(rules) + 1)] and len(rules) >= 42
    assert list(dict.fromkeys(row[0] for row in table())) == rules


@pytest.mark.parametrize("row", table(), ids=lambda row: row[0] + " " + row[1])
def test_row(row):
    number, state, rest = row
    assert state in ("tested", "not yet") and rest
    if state == "tested":
        missing = [test for test in rest.split(" ") if not exists(test)]
        assert not missing


def test_the_check_sees_what_is_missing():
    assert not exists("tests/rules/test_rules.py::test_of_nothing")
    assert not exists("tests/nothing.py::test_row")
    assert not exists("tests/fs/result_test.cc::ResultTest.OfNothing")
