# SPDX-License-Identifier: Apache-2.0
"""scan to Arrow, every data version, flights and each kind of type, against pylance to_batches"""
VERSIONS = ("2.0", "2.1", "2.2")
TWO = ["dep_delay", "tailnum"]


def to_batches(uri, columns=None):
    import lance

    def work():
        return {"rows": sum(batch.num_rows for batch in lance.dataset(uri).to_batches(columns=columns))}
    return work


def run(bench):
    table = bench.timed_table("Scan to Arrow (open included, files in the page cache)")
    for version in VERSIONS:
        uri = str(bench.data.flights(version))
        for what, columns in (("all columns", None), ("2 columns", TWO)):
            options = ["--columns", ",".join(columns)] if columns else []
            bench.compare(table, f"{what}, {version}", lambda: bench.tool("scan", uri, *options),
                          {"pylance": lambda: bench.peer("scan", "to_batches", uri=uri, columns=columns)}, goal="3")
    table = bench.timed_table("Scan to Arrow by type (open included, files in the page cache)")
    for name in ("ints", "strings", "vectors", "nested"):
        for version in VERSIONS:
            uri = str(bench.data.typed(bench.python, name, version))
            bench.compare(table, f"{name}, {version}", lambda: bench.tool("scan", uri), {"pylance": lambda: bench.peer("scan", "to_batches", uri=uri)}, goal="3")
