# SPDX-License-Identifier: Apache-2.0
"""requests, bytes and rounds on S3 (MinIO behind a counting proxy), ours against pylance's, one fresh process each"""
import contextlib
import json
import os
import subprocess
import sys
import time

TWO = ["dep_delay", "tailnum"]
DELAY_MS = 30


# --- pylance's side: each opens the dataset and does one thing ---

def copy_in(source, bucket, name, endpoint):
    """Puts a folder into the bucket."""
    from pyarrow import fs

    def work():
        scheme, _, host = endpoint.partition("://")
        store = fs.S3FileSystem(endpoint_override=host, scheme=scheme)
        fs.copy_files(source, f"{bucket}/{name}", destination_filesystem=store)
        return {}
    return work


def pylance(uri, what, **arguments):
    import lance
    import pyarrow.csv as csv

    endpoint = {"aws_endpoint": os.environ["AWS_ENDPOINT"], "allow_http": "true"}
    rows = None
    if what == "append":
        rows = csv.read_csv(arguments["file"], convert_options=csv.ConvertOptions(strings_can_be_null=True, column_types=lance.dataset(arguments["like"]).schema.remove_metadata()))

    def work():
        if what == "append":
            lance.write_dataset(rows, uri, mode="append", storage_options=endpoint)
            return {"rows": rows.num_rows}
        dataset = lance.dataset(uri, storage_options=endpoint)
        if what == "open":
            return {"rows": len(dataset.schema)}
        if what == "count":
            return {"rows": dataset.count_rows()}
        if what == "head":
            return {"rows": dataset.head(1).to_pylist()[0]["id"]}
        if what == "table":
            return {"rows": dataset.to_table(**arguments).num_rows}
        if what == "scan":
            return {"rows": sum(b.num_rows for b in dataset.to_batches(**arguments))}
        if what == "take":
            return {"rows": dataset.take(arguments["offsets"]).num_rows}
        return {"rows": len(dataset.versions())}
    return work


def whole_program(uri):
    """`python -c "lance.dataset(...).head(1)"`, for what a user waits."""
    return [sys.executable, "-c", f"import lance; print(lance.dataset({uri!r}, storage_options={{'allow_http': 'true'}}).head(1).to_pylist())"]


# --- measuring ---

def operations(data, bucket):
    """(name, our command's arguments, how to get the compared value from its output, pylance's arguments)"""
    flights = f"s3://{bucket}/flights_2.2.lance"
    versions = f"s3://{bucket}/versions300.lance"
    _, offsets = data.offsets(100, 3)
    taken = ",".join(map(str, offsets))
    middle = data.rows * 3 // 5

    def lines(out):
        return out.count(b"\n")
    return [
        ("open", ["cat", flights, "schema.json"], lambda out: len(json.loads(out)["fields"]), (flights, "open", {})),
        ("count", ["cat", flights, "count"], int, (flights, "count", {})),
        ("first row", ["cat", flights, "query/limit=1/rows.jsonl"], lambda out: json.loads(out)["id"], (flights, "head", {})),
        ("count of a filter", ["cat", flights, "query/filter=dep_delay > 60 AND origin = 'JFK'/count"], int,
         (flights, "table", {"filter": "dep_delay > 60 AND origin = 'JFK'", "columns": ["origin"]})),
        ("filter 1 in 10,000, 2 columns", ["cat", flights, "query/filter=dep_delay > 600/select=dep_delay,tailnum/rows.jsonl"], lines,
         (flights, "table", {"filter": "dep_delay > 600", "columns": TWO})),
        ("filter 1 in 10,000, all columns", ["cat", flights, "query/filter=dep_delay > 600/rows.jsonl"], lines, (flights, "table", {"filter": "dep_delay > 600"})),
        ("take 100 rows", ["cat", flights, f"query/take={taken}/rows.jsonl"], lines, (flights, "take", {"offsets": offsets})),
        ("offset and limit 10", ["cat", flights, f"query/offset={middle}/limit=10/rows.jsonl"], lines, (flights, "table", {"offset": middle, "limit": 10})),
        ("scan, 2 columns", ["cat", flights, "query/select=dep_delay,tailnum/rows.csv"], lambda out: lines(out) - 1, (flights, "scan", {"columns": TWO})),
        ("list 300 versions", ["ls", versions, "versions"], lambda out: sum(1 for n in out.split() if n.strip(b"/").isdigit()), (versions, "versions", {})),
    ]


def appends(bench, bucket):
    file = str(bench.data.file("thousand.csv"))
    target = f"s3://{bucket}/small.lance"
    return [("append 1,000 rows", ["--json", "append", target, file], lambda out: json.loads(out)["rows"],
             (target, "append", {"file": file, "like": str(bench.data.file("small.lance"))}))]


def measured(proxy, delay, call):
    proxy.reset(delay)
    result = call()
    return result, proxy.log()


def compare(bench, stores, proxy, table, operation):
    name, command, value, (uri, what, arguments) = operation
    if command[0] == "--json":
        command = [command[1], command[0], *command[2:]]

    def ours():
        measurement, out = bench.output([bench.lancefs, *command])
        measurement.rows = value(out)
        return measurement

    def theirs():
        return bench.peer("s3", "pylance", uri=uri, what=what, **arguments)
    try:
        (mine, my_log), (other, other_log) = measured(proxy, DELAY_MS, ours), measured(proxy, DELAY_MS, theirs)
    except bench.Failure as failure:
        bench.fail(f"S3, {name}: {failure}")
        return
    if mine.rows != other.rows:
        bench.fail(f"S3, {name}: lancefs gives {mine.rows}, pylance {other.rows}")
    bad = [r for r in my_log if r["status"] >= 400]

    def total(log, field):
        return sum(r[field] for r in log)
    show = bench.show_bytes
    table.add(name, f"{len(my_log)} ({stores.kinds(my_log)})", f"{len(other_log)} ({stores.kinds(other_log)})", f"{stores.rounds(my_log)} / {stores.rounds(other_log)}",
              f"{show(total(my_log, 'received'))} / {show(total(other_log, 'received'))}", f"{show(total(my_log, 'sent'))} / {show(total(other_log, 'sent'))}",
              f"{bench.show_seconds(mine.seconds)} / {bench.show_seconds(other.seconds)}", f"{mine.rss_mb:.0f} / {other.rss_mb:.0f} MB")
    if bad:
        table.notes.append(f"{name}: lancefs got {sorted({r['status'] for r in bad})} {len(bad)} times ({', '.join(sorted({r['method'] for r in bad}))}).")


def first_row_times(bench, proxy, bucket):
    table = bench.table(f"From nothing to the first row on S3, {DELAY_MS} ms a request (whole programs)", ["what", "time", "goal"])
    uri = f"s3://{bucket}/flights_2.2.lance"
    times = {"mount": [], "cat": [], "python": []}
    for _ in range(bench.runs):
        proxy.reset(DELAY_MS)
        times["mount"].append(mount_to_first_row(bench, uri))
        times["cat"].append(bench.run([bench.lancefs, "cat", uri, "query/limit=1/rows.jsonl"]).seconds)
        times["python"].append(bench.run([bench.python, *whole_program(uri)[1:]]).seconds)
    proxy.reset(0)
    middle = {name: sorted(list_)[(len(list_) - 1) // 2] for name, list_ in times.items()}
    table.add("lancefs mount, then cat query/limit=1/rows.jsonl", bench.show_seconds(middle["mount"]), f"{middle['mount'] / middle['python']:.2f} of python's (goal 0.25)")
    table.add("lancefs cat", bench.show_seconds(middle["cat"]), f"{middle['cat'] / middle['python']:.2f}")
    table.add('python -c "lance.dataset(...).head(1)"', bench.show_seconds(middle["python"]), "")


def mount_to_first_row(bench, uri):
    directory = bench.folder / "first"
    directory.mkdir(exist_ok=True)
    start = time.perf_counter()
    try:
        bench.run([bench.lancefs, "mount", "-o", f"state-dir={bench.folder}/state", uri, directory])
        bench.run(["cat", directory / "query/limit=1/rows.jsonl"])
        return time.perf_counter() - start
    finally:
        with contextlib.suppress(Exception):
            subprocess.run([bench.lancefs, "umount", str(directory)], check=False, timeout=60)


def run(bench):
    import stores

    with stores.minio_behind_proxy(bench.python) as (environment, direct, bucket, proxy):
        bench.environment = direct
        try:
            for name in ("flights_2.2.lance", "versions300.lance", "small.lance"):
                bench.peer("s3", "copy_in", source=str(bench.data.file(name)), bucket=bucket, name=name, endpoint=direct["AWS_ENDPOINT"])
            bench.environment = environment
            table = bench.table(f"S3: requests and bytes, {DELAY_MS} ms a request, one fresh process each (lancefs / pylance)",
                                ["what", "requests of lancefs", "requests of pylance", "rounds", "bytes read", "bytes written", "time", "peak memory"])
            for operation in operations(bench.data, bucket) + appends(bench, bucket):
                compare(bench, stores, proxy, table, operation)
            table.notes.append("rounds = the longest chain of requests of which each began after the previous one had ended. "
                               "GETr = ranged GET, PUTc = conditional PUT. Time is the whole process for lancefs, without imports for pylance. "
                               "The probe for stores that ignore conditions is not counted.")
            first_row_times(bench, proxy, bucket)
        finally:
            bench.environment = {}
