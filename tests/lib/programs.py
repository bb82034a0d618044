# SPDX-License-Identifier: Apache-2.0
"""The programs under test and how to talk to them."""
import json
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("LANCEFS_BUILD", ROOT / "build"))
LANCEFS = BUILD / "lancefs"


def environment_without(*prefixes):
    """This process's environment, but for the variables whose names begin so."""
    return {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}


class Refused(Exception):
    """The engine answered with an error."""


class Adapter:
    """The engine behind the corpus checker's batch protocol; one process for many requests."""

    def __init__(self, env=None):
        self.process = subprocess.Popen([BUILD / "tests/corpus/corpus_adapter"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        env={**os.environ, **(env or {})})

    def ask(self, op, dataset, **request):
        line = json.dumps({"op": op, "dataset": str(dataset), **request})
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()
        head = self.process.stdout.readline()
        assert head, "the adapter ended"
        answer = json.loads(head)
        if not answer["ok"]:
            raise Refused(answer["error"])
        return b"".join(self.process.stdout.readline() for _ in range(answer["lines"]))

    def read(self, dataset, **request):
        return self.ask("read", dataset, **request)

    def close(self):
        self.process.stdin.close()
        self.process.wait(30)


def lancefs(*arguments, check=True, **options):
    """Runs the program; its stdout as bytes. Everything is logged where the server's wrapper looks for secrets."""
    logs = {key: value for key, value in os.environ.items() if key.startswith("LANCEFS_LOG_")}
    options["env"] = {**logs, **(options.get("env") or os.environ)}
    result = subprocess.run([LANCEFS, *map(str, arguments)], capture_output=True, **options)
    if check and result.returncode != 0:
        raise AssertionError(f"lancefs {arguments} gave {result.returncode}: {result.stderr.decode(errors='replace')}")
    return result.stdout if check else result
