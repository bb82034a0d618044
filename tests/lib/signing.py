# SPDX-License-Identifier: Apache-2.0
"""What the tests of signatures share: a program signs requests, one a line, and another library says what is right."""
import json
import subprocess
import urllib.parse

import pytest

COUNT = 1000  # random requests
CHARACTERS = list("abcXYZ019-_.~/ +%&=?#@:;,!$'()*[]{}|\\^`\"<>\t") + ["\u00e4", "\u00df", "\u4e2d", "\U0001f600", "\u0301", "\x7f", "\u200b"]


def text(rng, low, high):
    return "".join(rng.choice(CHARACTERS) for _ in range(rng.randint(low, high)))


def key(rng):
    # urllib3 and curl squash nothing here: dot segments and empty segments stay.
    return rng.choice(["", "a//b", "./x/../y", "..", "a%2Fb", "+ +"]) + text(rng, 0, 40)


def value(rng):
    """Of a header."""
    words = ["".join(rng.choice("abc019=*\"/;,+") for _ in range(rng.randint(1, 6))) for _ in range(rng.randint(1, 4))]
    return (" " * rng.randint(1, 3)).join(words)


def ask_probe(build_dir, name, requests):
    """A line of its output for each request."""
    probe = build_dir / "tests" / "backends" / name
    if not probe.exists():
        pytest.fail(f"{probe} is not built")
    done = subprocess.run([probe], input="".join(json.dumps(r) + "\n" for r in requests), stdout=subprocess.PIPE, check=True, text=True)
    lines = done.stdout.splitlines()
    assert len(lines) == len(requests)
    return lines


def check_signatures(requests, answers, expected):
    """`expected`: of each request, the path in the URL and the Authorization header."""
    different = []
    for request, answer, (path, authorization) in zip(requests, map(json.loads, answers), expected, strict=True):
        assert answer["url"].partition("?")[0] == path
        sent = urllib.parse.parse_qsl(answer["url"].partition("?")[2], keep_blank_values=True)
        assert sorted(sent) == sorted((n, v) for n, v in request["query"])
        if answer["authorization"] != authorization:
            different.append((request, answer["authorization"], authorization))
    assert different == [], f"{len(different)} of {len(requests)} differ, the first: {different[0]}"
