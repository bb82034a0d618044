# SPDX-License-Identifier: Apache-2.0
"""the whole table as rows.jsonl and rows.csv, by cat through a mount and by `lancefs cat`, against polars"""


def write_text(uri, kind):
    import lance
    import polars

    def work():
        frame = polars.from_arrow(lance.dataset(uri).to_table())
        frame.write_ndjson("/dev/null") if kind == "jsonl" else frame.write_csv("/dev/null")
        return {"rows": len(frame)}
    return work


def same_rows(uri, path, kind):
    """Reads our text back with polars and compares every value with pylance's."""
    import lance
    import polars
    from polars.testing import assert_frame_equal

    def work():
        want = polars.from_arrow(lance.dataset(uri).to_table())
        if kind == "jsonl":
            schema = {k: polars.String if v.is_temporal() else v for k, v in want.schema.items()}
            got = polars.read_ndjson(path, schema=schema)
        else:
            got = polars.read_csv(path, infer_schema_length=None, schema_overrides={k: v for k, v in want.schema.items() if not v.is_temporal()})
        times = [k for k, v in want.schema.items() if v.is_temporal()]
        got = got.with_columns([polars.col(k).cast(polars.String).str.to_datetime(time_unit="us", time_zone="UTC").alias(k) for k in times])
        want = want.with_columns([polars.col(k).cast(polars.Datetime("us")).dt.replace_time_zone("UTC").alias(k) for k in times])
        try:
            assert_frame_equal(got, want, check_exact=True)
        except AssertionError as error:
            return {"rows": len(got), "difference": str(error)[:500]}
        return {"rows": len(got)}
    return work


def check(bench, kind):
    uri = str(bench.data.file("once.lance"))
    with bench.mount(uri) as (directory, _):
        got = bench.peer("text", "same_rows", uri=uri, path=str(directory / f"rows.{kind}"), kind=kind)
    if "difference" in got.extra:
        bench.fail(f"rows.{kind} read back by polars differs from pylance's rows: {got.extra['difference']}")
    with bench.mount(bench.data.flights()) as (directory, _):
        lines = bench.lines_of(directory / f"rows.{kind}") - (kind == "csv")
    if lines != bench.data.rows:
        bench.fail(f"rows.{kind} has {lines} rows instead of {bench.data.rows}")


def run(bench):
    table = bench.timed_table("The whole table as text, to /dev/null")
    uri = str(bench.data.flights())
    for kind in ("jsonl", "csv"):
        check(bench, kind)
        polars = {"polars": lambda: bench.peer("text", "write_text", uri=uri, kind=kind)}
        bench.compare(table, f"cat rows.{kind}, fresh mount", lambda: bench.read_in_mount(uri, f"rows.{kind}"), polars, goal="3")
        bench.compare(table, f"cat rows.{kind}, fresh mount, -o spill=64m", lambda: bench.read_in_mount(uri, f"rows.{kind}", ["spill=64m"]), polars, goal="3")
        bench.compare(table, f"lancefs cat rows.{kind}", lambda: bench.run([bench.lancefs, "cat", uri, f"rows.{kind}"]), polars, goal="3")
    table.notes.append("The mount's memory is the daemon's peak; `lancefs cat` counts the start of the process, the peers' imports are not counted.")
