# SPDX-License-Identifier: Apache-2.0
"""a filter with few matches to rows.jsonl, against pylance with polars, and duckdb over Parquet"""
import json

QUESTIONS = {"1 row in 10,000": "dep_delay > 600", "1 row in 40": "dep_delay > 60 AND origin = 'JFK'"}


def pylance_polars(uri, question):
    import lance
    import polars

    def work():
        frame = polars.from_arrow(lance.dataset(uri).to_table(filter=question))
        frame.write_ndjson("/dev/null")
        return {"rows": len(frame)}
    return work


def duckdb_parquet(path, question):
    import duckdb

    def work():
        connection = duckdb.connect()
        connection.execute("set timezone='UTC'")
        return {"rows": connection.execute(f"copy (from '{path}' where {question}) to '/dev/null' (format json)").fetchone()[0]}
    return work


def ids(uri, question):
    import lance

    def work():
        return {"ids": lance.dataset(uri).to_table(columns=["id"], filter=question)["id"].to_pylist()}
    return work


def run(bench):
    table = bench.timed_table("A filter to rows.jsonl (2.2)")
    uri = str(bench.data.flights())
    for name, question in QUESTIONS.items():
        path = f"query/filter={question}/rows.jsonl"
        _, text = bench.output([bench.lancefs, "cat", uri, path])
        got = [json.loads(line)["id"] for line in text.splitlines()]
        if got != bench.peer("filter", "ids", uri=uri, question=question).extra["ids"]:
            bench.fail(f"lancefs cat {uri} '{path}' gives other rows than pylance")
        peers = {"pylance + polars": lambda: bench.peer("filter", "pylance_polars", uri=uri, question=question),
                 "duckdb (Parquet)": lambda: bench.peer("filter", "duckdb_parquet", path=str(bench.data.parquet), question=question)}
        goal = {"pylance + polars": "3", "duckdb (Parquet)": "1.5"}
        bench.compare(table, f"{name}, cat, fresh mount", lambda: bench.read_in_mount(uri, path, rows=len(got)), peers, goal=goal)
        bench.compare(table, f"{name}, lancefs cat", lambda: bench.run([bench.lancefs, "cat", uri, path], rows=len(got)), peers, goal=goal)
    scans = bench.timed_table("The same filters to Arrow, all columns")
    for version in ("2.0", "2.1", "2.2"):
        uri_of = str(bench.data.flights(version))
        for name, question in QUESTIONS.items():
            bench.compare(scans, f"{name}, {version}", lambda: bench.tool("filter", uri_of, "--filter", question),
                          {"pylance": lambda: bench.peer("filter", "to_table", uri=uri_of, question=question)}, goal="3")


def to_table(uri, question):
    import lance

    def work():
        return {"rows": lance.dataset(uri).to_table(filter=question).num_rows}
    return work
