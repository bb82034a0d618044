# SPDX-License-Identifier: Apache-2.0
"""100 MB of CSV into append/ by cp and by `lancefs append`, against pyarrow.csv with pylance"""
import os
import pathlib
import shutil


def files_of(folder):
    return {os.path.join(path, f) for path, _, files in os.walk(folder) for f in files}


def arrow_pylance(uri, csv_file, sync):
    import lance
    import pyarrow.csv as csv

    schema = lance.dataset(uri).schema.remove_metadata()
    before = files_of(uri)

    def work():
        options = csv.ConvertOptions(strings_can_be_null=True, column_types=schema)
        rows = csv.read_csv(csv_file, convert_options=options)
        lance.write_dataset(rows, uri, mode="append")
        if sync:  # what a commit of ours does: the files, then their folders
            new = files_of(uri) - before
            for path in sorted(new) + sorted({os.path.dirname(p) for p in new}):
                handle = os.open(path, os.O_RDONLY)
                os.fsync(handle)
                os.close(handle)
        return {}
    return work


def contents(uri, skip):
    """What other readers find after the append."""
    import lance
    import pyarrow.compute as pc

    def work():
        rows = lance.dataset(uri).to_table(columns=["id", "tailnum", "arr_delay"], offset=skip)
        return {"rows": [rows.num_rows, pc.sum(rows["id"]).as_py(), pc.sum(rows["arr_delay"]).as_py(), pc.count_distinct(rows["tailnum"]).as_py()]}
    return work


def run(bench):
    from harness import cpu_seconds, process_field

    csv_file = bench.data.file("rows.csv")
    size = os.path.getsize(csv_file) / 1e6
    table = bench.table(f"Appending {size:.0f} MB of CSV ({sum(1 for _ in open(csv_file, 'rb')) - 1} rows) to a 2.2 dataset",
                        ["what", "time", "CPU", "peak memory", "bytes added", "bytes written by the process", "times pylance's time"])

    def fresh():
        target = bench.folder / "append.lance"
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(bench.data.file("small.lance"), target)
        os.sync()  # so that no side pays for what another one left behind
        return target

    def finish(target, measurement):
        measurement.rows = bench.peer("append", "contents", uri=str(target), skip=1000).rows
        measurement.extra["added"] = sum(os.path.getsize(p) for p in files_of(target)) - added_before
        return measurement

    added_before = sum(os.path.getsize(p) for p in files_of(bench.data.file("small.lance")))

    def through_mount():
        target = fresh()
        with bench.mount(target) as (directory, pid):
            measurement = bench.run(["cp", csv_file, directory / "append/rows.csv"])
            measurement.cpu += cpu_seconds(pid)
            io = dict(line.split(": ") for line in pathlib.Path(f"/proc/{pid}/io").read_text().splitlines())
            measurement.rss_mb = process_field(pid, "status", "VmHWM") / 1024
            measurement.extra["written"] = int(io["write_bytes"])
        return finish(target, measurement)

    def by_command():
        target = fresh()
        return finish(target, bench.run([bench.lancefs, "append", target, csv_file]))

    def peer(sync):
        target = fresh()
        return finish(target, bench.peer("append", "arrow_pylance", uri=str(target), csv_file=str(csv_file), sync=sync))

    sides = {"cp into append/": through_mount, "lancefs append": by_command,
             "pyarrow.csv + pylance": lambda: peer(False), "pyarrow.csv + pylance + fsync": lambda: peer(True)}
    results = {name: [] for name in sides}
    for turn in range(bench.runs + (0 if bench.quick else 1)):
        for name, call in sides.items():
            try:
                measurement = call()
            except bench.Failure as failure:
                bench.fail(f"append, {name}: {failure}")
                continue
            if turn > 0 or bench.quick:
                results[name].append(measurement)
    if not results["pyarrow.csv + pylance + fsync"]:
        return
    reference = bench.median(results["pyarrow.csv + pylance + fsync"])
    for name, list_ in results.items():
        if not list_:
            continue
        best = bench.median(list_)
        if best.rows != reference.rows:
            bench.fail(f"append, {name}: the dataset holds {best.rows} (rows, checksums) instead of {reference.rows}")
        written = best.extra.get("written")
        table.add(name, bench.show_seconds(best.seconds), f"{best.cpu:.2f} s", f"{best.rss_mb:.0f} MB", bench.show_bytes(best.extra["added"]),
                  bench.show_bytes(written) if written is not None else "", f"{best.seconds / reference.seconds:.2f}")
    table.notes.append("The last column is against pylance with fsync, the durability that lancefs always gives; goal: at most 0.50.")
