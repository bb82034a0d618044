# SPDX-License-Identifier: Apache-2.0
"""python tests/interop/generated [--seeds A-B] [--jobs N] [--versions 2.0,2.1]     runs many seeds and sums up
python tests/interop/generated --seed N [--columns 1,3] [--keep FOLDER] [--shrink]  repeats one and tells everything"""
import argparse

import pathlib
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1] / "lib")]
sys.path[:] = [p for p in sys.path if p != str(HERE)]

from generated import running  # noqa: E402


def arguments():
    parser = argparse.ArgumentParser(prog="generated", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="0-200")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--versions")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--columns")
    parser.add_argument("--keep")
    parser.add_argument("--shrink", action="store_true")
    parser.add_argument("--writer", help="a folder with another release of pylance, which writes")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def main():
    options = arguments()
    if options.worker:
        return running.serve()
    if options.seed is not None:
        keep = None if options.columns is None else [int(i) for i in options.columns.split(",") if i]
        return running.one(options.seed, keep, options.keep or tempfile.mkdtemp(prefix="generated-"), options.shrink)
    first, last = map(int, options.seeds.split("-"))
    versions = options.versions.split(",") if options.versions else None
    total = running.many(range(first, last), options.jobs, versions, progress=sys.stderr)
    print(total.text())
    return 1 if total.failures else 0


sys.exit(main())
