# SPDX-License-Identifier: Apache-2.0
"""Data file sizes per type and shape, ours against pylance's for the same rows.

usage: sizes.py [--rows 70000] [--versions 2.2,2.1,2.0] [--only TEXT] [--limit 1.0]
Needs LANCEFS_BUILD. Prints one line a column, worst first; exits 1 if one is above the limit.
"""
import argparse
import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tests/interop"))
import write_cases  # noqa: E402
from test_write_files import write  # noqa: E402
from lance.file import LanceFileWriter  # noqa: E402


def reference_size(table, path, version):
    with LanceFileWriter(path, table.schema, version=version) as writer:
        writer.write_batch(table)
    return os.path.getsize(path)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=70000)
    parser.add_argument("--versions", default="2.2,2.1,2.0")
    parser.add_argument("--only", default="")
    parser.add_argument("--limit", type=float, default=1.0)
    options = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for version in options.versions.split(","):
            for case in write_cases.cases():
                if version not in case.versions or options.only not in case.name:
                    continue
                table = case.table(options.rows)
                path = os.path.join(folder, "x.lance")
                ours = write(table, path, version)["bytes"]
                try:
                    theirs = reference_size(table, path, version)
                except BaseException as error:  # pylance refuses or panics
                    print(f"{version} {case.name:32} {ours:>10}  pylance: {str(error)[:60]}")
                    continue
                results.append((ours / theirs, version, case.name, ours, theirs))
    results.sort(reverse=True)
    for ratio, version, name, ours, theirs in results:
        print(f"{version} {name:32} {ours:>10} {theirs:>10} {ratio:6.3f}")
    above = sum(1 for r in results if r[0] > options.limit)
    for version in options.versions.split(","):
        ratios = [r[0] for r in results if r[1] == version]
        if ratios:
            print(f"{version}: {len(ratios)} columns, {sum(1 for r in ratios if r > options.limit)} above {options.limit}, "
                  f"mean {sum(ratios) / len(ratios):.3f}, sum of bytes {sum(r[3] for r in results if r[1] == version) / sum(r[4] for r in results if r[1] == version):.3f}")
    return 1 if above else 0


if __name__ == "__main__":
    sys.exit(main())
