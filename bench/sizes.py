# SPDX-License-Identifier: Apache-2.0
"""data file sizes per type and shape, ours against pylance's for the same rows

usage: sizes.py [--rows 70000] [--versions 2.2,2.1,2.0] [--only TEXT] [--limit 1.0] [--json]
Needs LANCEFS_BUILD. Prints one line a column, worst first; exits 1 if one is above the limit.
"""
import argparse
import json
import os
import pathlib
import sys
import tempfile


def reference_size(table, path, version):
    from lance.file import LanceFileWriter

    with LanceFileWriter(path, table.schema, version=version) as writer:
        writer.write_batch(table)
    return os.path.getsize(path)


def measure(options):
    """(ratio, version, name, ours, pylance's) a column; worst first. Refusals of pylance go to stderr."""
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tests/interop"))
    import write_cases
    from test_write_files import write

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
                    print(f"{version} {case.name:32} {ours:>10}  pylance: {str(error)[:60]}", file=sys.stderr)
                    continue
                results.append((ours / theirs, version, case.name, ours, theirs))
    return sorted(results, reverse=True)


def summaries(results, limit):
    """(version, columns, how many above the limit, mean ratio, ratio of the sums)"""
    for version in dict.fromkeys(r[1] for r in sorted(results, key=lambda r: r[1])):
        of_version = [r for r in results if r[1] == version]
        ratios = [r[0] for r in of_version]
        yield (version, len(ratios), sum(1 for r in ratios if r > limit), sum(ratios) / len(ratios),
               sum(r[3] for r in of_version) / sum(r[4] for r in of_version))


def whole_table(bench, version):
    """The flights as one data file: lancefs create against pylance, for the same Arrow file."""
    target = bench.folder / f"sizes_{version}.lance"
    bench.run([bench.lancefs, "create", "--data-version", version, target, bench.data.file("once.arrow")])
    ours = sum(f.stat().st_size for f in (target / "data").iterdir())
    theirs = bench.peer("sizes", "write_flights", source=str(bench.data.file("once.arrow")), folder=str(bench.folder), version=version)
    equal = bench.peer("sizes", "same_flights", source=str(bench.data.file("once.arrow")), uri=str(target))
    if not equal.rows:
        bench.fail(f"pylance reads other rows than were given to lancefs create --data-version {version}")
    return ours, theirs.extra["bytes"], theirs.extra["parquet"]


def write_flights(source, folder, version):
    import lance
    import pyarrow as pa
    import pyarrow.parquet as parquet

    def work():
        table = pa.ipc.open_file(source).read_all()
        target = pathlib.Path(folder) / f"sizes_{version}_pylance.lance"
        lance.write_dataset(table, str(target), data_storage_version=version)
        parquet.write_table(table, pathlib.Path(folder) / "x.parquet", compression="zstd")
        return {"bytes": sum(f.stat().st_size for f in (target / "data").iterdir()), "parquet": os.path.getsize(pathlib.Path(folder) / "x.parquet")}
    return work


def same_flights(source, uri):
    import lance
    import pyarrow as pa

    def work():
        return {"rows": lance.dataset(uri).to_table().equals(pa.ipc.open_file(source).read_all())}
    return work


def run(bench):
    flights = bench.table("Size of the flights' data file (336,776 rows)", ["version", "lancefs", "pylance", "ratio", "Parquet zstd", "ratio", "goal"])
    for version in ("2.0", "2.1", "2.2"):
        try:
            ours, theirs, parquet = whole_table(bench, version)
        except bench.Failure as failure:
            bench.fail(str(failure))
            continue
        flights.add(version, bench.show_bytes(ours), bench.show_bytes(theirs), f"{ours / theirs:.3f}", bench.show_bytes(parquet),
                    f"{ours / parquet:.3f}", "1.0")
    if not (bench.build / "tests/engine/format/write_probe").exists():
        flights.notes.append("(sizes per type: not run, the tests are not built)")
        return
    rows = "5000" if bench.quick else "70000"
    _, out = bench.output([bench.python, __file__, "--json", "--rows", rows, "--limit", "1e9"], environment={"LANCEFS_BUILD": str(bench.build)})
    results = [tuple(r) for r in json.loads(out)]
    table = bench.table(f"Sizes per type and shape, {rows} rows a column", ["version", "columns", "larger than pylance's", "mean ratio", "ratio of the sums"])
    for version, count, above, mean, total in summaries(results, 1.0):
        table.add(version, count, above, f"{mean:.3f}", f"{total:.3f}")
    extremes = bench.table("The five worst and the ten best of them", ["column", "version", "lancefs", "pylance", "ratio"])
    for ratio, version, name, ours, theirs in results[:5] + results[-10:]:
        extremes.add(name, version, bench.show_bytes(ours), bench.show_bytes(theirs), f"{ratio:.3f}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=70000)
    parser.add_argument("--versions", default="2.2,2.1,2.0")
    parser.add_argument("--only", default="")
    parser.add_argument("--limit", type=float, default=1.0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    results = measure(options)
    if options.json:
        print(json.dumps(results))
    else:
        for ratio, version, name, ours, theirs in results:
            print(f"{version} {name:32} {ours:>10} {theirs:>10} {ratio:6.3f}")
        for version, count, above, mean, total in summaries(results, options.limit):
            print(f"{version}: {count} columns, {above} above {options.limit}, mean {mean:.3f}, sum of bytes {total:.3f}")
    return 1 if any(r[0] > options.limit for r in results) else 0


if __name__ == "__main__":
    sys.exit(main())
