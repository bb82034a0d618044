# SPDX-License-Identifier: Apache-2.0
"""python tests/interop/generated/old_writers.py [--seeds A-B] [RELEASE...]

Datasets written by older releases of pylance, read by today's and by the engine. The releases come from PyPI into a
folder each (LANCEFS_OLD_WRITERS, else .deps/old_writers) and run on the tests' own pyarrow."""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
RELEASES = ["0.10.18", "0.18.2", "0.25.2", "1.0.4", "4.0.2", "8.0.1"]
if __name__ == "__main__":
    sys.path[:] = [str(HERE.parent), str(HERE.parents[1] / "lib")] + [p for p in sys.path if p != str(HERE)]


def folder_of(release):
    return pathlib.Path(os.environ.get("LANCEFS_OLD_WRITERS", ROOT / ".deps/old_writers")) / release


def install(release):
    """Only the wheel itself, 20 to 60 MB; what it needs is there."""
    folder = folder_of(release)
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps", "--target", folder, f"pylance=={release}"], check=True)
        (folder / "complete").touch()
    return folder


def write(seeds, folder):
    """Runs under the old release: a line of JSON for each dataset."""
    sys.path.insert(0, str(HERE.parent))
    from generated import histories
    answers = os.fdopen(os.dup(1), "w")
    log = os.open(f"{folder}/stderr", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    versions = histories.versions_of_writer()
    for seed in seeds:
        history = histories.History(folder, seed, version=versions[seed % len(versions)])
        columns = [f"{c.field.name!r}: {c.field.type} {c.field.metadata or ''}" for c in history.columns]
        result = {"seed": seed, "version": history.version, "columns": columns}
        try:
            history.write()
        except histories.Skip as error:
            result["skipped"] = str(error)
        result.update(steps=history.steps, refused=history.refused, failed_steps=history.failed_steps, written=len(history.columns))
        print(json.dumps(result), file=answers, flush=True)


def run(release, seeds, keep=None):
    """Lets `release` write `seeds` and compares; a Total as running.many gives."""
    from generated import compare, running
    base = keep or tempfile.mkdtemp(prefix="old-writer-", dir=running.scratch())
    os.makedirs(base, exist_ok=True)
    total, todo = running.Total(), list(seeds)
    checker = compare.Checker(base)
    environment = {**os.environ, "PYTHONPATH": str(install(release)), "RUST_BACKTRACE": "0", "LANCE_LOG": "error"}
    while todo:
        command = [sys.executable, str(HERE / "old_writers.py"), "--write", base, *map(str, todo)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as writer:
            for line in writer.stdout:
                result = json.loads(line)
                todo.remove(result["seed"])
                result.update(failures=[], notes=[])
                uri = f"{base}/d{result['seed']}.lance"
                if "skipped" not in result:
                    judge(checker, uri, result)
                result.update(answers=checker.counts["answers"], unreadable=dict(checker.unreadable))
                checker.counts.clear()
                checker.unreadable.clear()
                total.add(result)
                if not keep:
                    shutil.rmtree(uri, ignore_errors=True)
        if todo:  # the writer died of its first dataset
            total.skipped[f"pylance {release} ended with {writer.returncode}"] += 1
            todo.pop(0)
    checker.close()
    if not keep:
        shutil.rmtree(base, ignore_errors=True)
    return total


def judge(checker, uri, result):
    from generated import compare
    try:
        result["failures"] = checker.check(uri, result["seed"], result["notes"])
        result["rows"] = checker.counts["rows"]
    except compare.Unreadable as error:
        result["skipped"] = f"today's pylance: {error}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="0-150")
    parser.add_argument("--keep", help="a folder that keeps the datasets")
    parser.add_argument("--write", metavar="FOLDER", help=argparse.SUPPRESS)
    parser.add_argument("releases", nargs="*")
    options = parser.parse_args()
    if options.write:
        return write(map(int, options.releases), options.write)
    first, last = map(int, options.seeds.split("-"))
    failed = 0
    for release in options.releases or RELEASES:
        total = run(release, range(first, last), options.keep)
        failed += len(total.failures)
        print(f"== pylance {release}\n{total.text()}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
