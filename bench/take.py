# SPDX-License-Identifier: Apache-2.0
"""1,000 random rows by offset, first time in a process and again, against pylance take"""
import dataclasses
import time

TWO = ["dep_delay", "tailnum"]


def take(uri, offsets, again, columns=None):
    import lance

    first, second = ([int(line) for line in open(path)] for path in (offsets, again))

    def work():
        start = time.perf_counter()
        dataset = lance.dataset(uri)
        rows = dataset.take(first, columns=columns).num_rows
        middle = time.perf_counter()
        dataset.take(second, columns=columns)
        return {"rows": rows, "seconds": middle - start, "again_seconds": time.perf_counter() - middle}
    return work


def run(bench):
    table = bench.timed_table("1,000 random rows (first = open and take; again = 1,000 others in the same process)")
    offsets, _ = bench.data.offsets(1000, 1)
    again, _ = bench.data.offsets(1000, 2)
    for version in ("2.0", "2.1", "2.2"):
        uri = str(bench.data.flights(version))
        for what, columns in (("all columns", None), ("2 columns", TWO)):
            options = ["--columns", ",".join(columns)] if columns else []

            def ours():
                return bench.tool("take", uri, "--offsets", str(offsets), "--again", str(again), *options)

            def theirs():
                return bench.peer("take", "take", uri=uri, offsets=str(offsets), again=str(again), columns=columns)

            def second(call):
                measurement = call()
                return dataclasses.replace(measurement, seconds=measurement.extra["again_seconds"])
            bench.compare(table, f"{what}, {version}", ours, {"pylance": theirs}, goal="3")
            bench.compare(table, f"{what}, {version}, again", lambda: second(ours), {"pylance": lambda: second(theirs)}, goal="3")
    table.notes.append("CPU is that of both takes, for lancefs with the start of the process.")
