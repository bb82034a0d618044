# SPDX-License-Identifier: Apache-2.0
"""Writes dataset number `seed`: creates it and lets it live through some changes. Runs under pylance 0.10 to 14: what a
release does not have or refuses is left out and counted."""
import collections
import inspect
import pathlib
import re
import shutil

import lance
import numpy as np
import pyarrow as pa

from .schemas import columns
from .values import Maker

VERSIONS = ["0.1", "2.0", "2.1", "2.2", "2.3"]
KEYS = ["id", "id", "key column", "Kümmel", "order"]
PARAMETERS = inspect.signature(lance.write_dataset).parameters
ROWS = [(3, 0, 0), (6, 1, 1), (6, 2, 2), (20, 3, 99), (10, 100, 100), (14, 1023, 1025), (12, 4095, 4097), (20, 101, 3000), (3, 9000, 17000), (1.5, 70000, 70000)]


def version_of(seed):
    return VERSIONS[seed % len(VERSIONS)]


def versions_of_writer():
    """The file versions that the pylance at hand can write and today's can read."""
    release = tuple(int(part) for part in lance.__version__.split(".")[:2])
    if "data_storage_version" not in PARAMETERS:
        # The experimental writers before 0.16 made files that nobody reads any more.
        return VERSIONS[:2] if "use_legacy_format" in PARAMETERS and release >= (0, 16) else VERSIONS[:1]
    return VERSIONS[: 5 if release >= (14, 0) else 4 if release >= (2, 0) else 3 if release >= (0, 38) else 2]


def text_of(error):
    """An error without what differs from run to run."""
    text = str(error).split(", /")[0].split(", location")[0].replace("\n", " ")
    text = re.sub(r"Encountered internal error. Please file.*?error: (JoinError::Panic\(Id\(\d+\), )?", "panic: ", text)
    return re.sub(r"\d+", "N", re.sub(r"'[^']*'|\"[^\"]*\"|Top level field .* cannot|\([A-Z].*\)", "…", text))[:140]


class Skip(Exception):
    """The writer took no part of this dataset."""


class History:
    """One dataset in the making; `refused` counts columns and `steps` what was done."""

    def __init__(self, folder, seed, version=None, keep=None):
        self.uri = str(pathlib.Path(folder) / f"d{seed}.lance")
        self.scratch = str(pathlib.Path(folder) / "scratch.lance")
        self.seed, self.version = seed, version or version_of(seed)
        self.maker = Maker(seed, "history")
        self.r = self.maker.r
        self.refused = collections.Counter()
        self.refusals = {}
        self.steps = []
        self.failed_steps = collections.Counter()
        self.key = self.r.choice(KEYS)
        self.columns = [c for c in columns(seed, self.version) if c.field.name != self.key]
        if keep is not None:
            self.columns = [c for c in self.columns if c.number in keep]
        self.next_key = 0
        self.part = 0

    # data ---------------------------------------------------------------------------------------------
    def row_count(self):
        choice = self.r.choices(ROWS, [w for w, _, _ in ROWS])[0]
        return self.r.randint(choice[1], choice[2])

    def table(self, rows):
        keys = pa.array(np.arange(self.next_key, self.next_key + rows), pa.int64())
        fields, arrays = [pa.field(self.key, pa.int64(), False)], [keys]
        for column in self.columns:
            fields.append(column.field)
            arrays.append(column.array(rows, self.part))
        self.next_key += rows
        self.part += 1
        at = self.r.randrange(len(fields)) if self.seed % 3 else 0
        order = list(range(1, at + 1)) + [0] + list(range(at + 1, len(fields)))
        metadata = {"origin": "générateur"} if self.seed % 4 == 0 else None
        return pa.table([arrays[i] for i in order], schema=pa.schema([fields[i] for i in order], metadata))

    def as_given(self, table):
        """The table as the caller might have it: whole, cut in batches, a part of a larger one."""
        how = self.r.choice(["table", "table", "batches", "reader", "slice"])
        if how == "slice" and table.num_rows > 2:
            # The arrays keep an offset; the rows before it must not show.
            return table, pa.concat_tables([table.slice(0, 1), table]).combine_chunks().slice(1)
        if how in ("batches", "reader") and table.num_rows:
            size = max(1, self.r.choice([1, 7, 100, 1000, 1024, 5000]), table.num_rows // 60)
            batches = table.to_batches(max_chunksize=size)
            return table, pa.RecordBatchReader.from_batches(table.schema, batches) if how == "reader" else pa.Table.from_batches(batches)
        return table, table

    # writing ------------------------------------------------------------------------------------------
    def options(self):
        options = {}
        if "data_storage_version" in PARAMETERS:
            options["data_storage_version"] = "legacy" if self.version == "0.1" else self.version
        elif "use_legacy_format" in PARAMETERS:
            options["use_legacy_format"] = self.version == "0.1"
        for name, chance, value in (("enable_stable_row_ids", 0.25, True), ("enable_v2_manifest_paths", 0.5, self.r.random() < 0.5),
                                    ("max_rows_per_file", 0.35, self.r.choice([50, 1000, 3000])), ("max_rows_per_group", 0.35, self.r.choice([7, 64, 1000, 1024]))):
            roll = self.r.random()
            if name in PARAMETERS and roll < chance:
                options[name] = value
        if self.next_key > 3000 and options.get("max_rows_per_file") == 50:
            options.pop("max_rows_per_file")
        return options

    def writable(self, table, options):
        """Leaves out the columns that the writer refuses, one by one, and those that it cannot read back."""
        for column in list(self.columns):
            alone = table.select([column.field.name])
            shutil.rmtree(self.scratch, ignore_errors=True)
            try:
                lance.write_dataset(alone, self.scratch, **options)
            except BaseException as error:
                self._refuse(column, error)
        return [c for c in self.columns]

    def _refuse(self, column, error):
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise error
        self.refused[text_of(error)] += 1
        self.refusals[column.field.name] = f"{column.field.type}: {text_of(error)}"
        self.columns.remove(column)

    def create(self):
        rows = self.row_count()
        if rows > 20000:
            self.columns = self.columns[:3]
        table, given = self.as_given(self.table(rows))
        options = self.options()
        try:
            lance.write_dataset(given, self.uri, **options)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            shutil.rmtree(self.uri, ignore_errors=True)
            self.writable(table, options)
            names = [n for n in table.column_names if n == self.key or n in [c.field.name for c in self.columns]]
            try:
                lance.write_dataset(table.select(names), self.uri, **options)
            except BaseException as second:
                if isinstance(second, KeyboardInterrupt):
                    raise
                shutil.rmtree(self.uri, ignore_errors=True)
                raise Skip(text_of(second)) from None
        self.steps.append(f"create {rows} rows {options}")

    def write(self):
        self.create()
        kinds = [self.append, self.append, self.delete, self.delete, self.update, self.add_column, self.merge, self.drop, self.rename, self.cast, self.compact,
                 self.merge_insert, self.relax, self.add_nulls, self.overwrite]
        weights = [3, 3, 3, 3, 2, 1.5, 1, 1, 1, 1, 1.5, 1, 0.5, 0.7, 0.3]
        for _ in range(self.r.choice([0, 0, 1, 1, 2, 3, 5])):
            step = self.r.choices(kinds, weights)[0]
            try:
                done = step()
            except BaseException as error:
                if isinstance(error, KeyboardInterrupt):
                    raise
                self.failed_steps[f"{step.__name__}: {text_of(error)}"] += 1
            else:
                self.steps.append(step.__name__ + (f" {done}" if done else ""))
        shutil.rmtree(self.scratch, ignore_errors=True)
        return self

    # steps --------------------------------------------------------------------------------------------
    def dataset(self):
        return lance.dataset(self.uri)

    def quoted(self, name):
        return "`" + name + "`"

    def some_rows(self):
        k = self.quoted(self.key)
        last = max(self.next_key, 1)
        return self.r.choice([f"{k} % 7 = 3", f"{k} < {self.r.randrange(last)}", f"{k} >= {last - 2}", f"{k} = {self.r.randrange(last)}", f"{k} % 2 = 0",
                              f"{k} BETWEEN {last // 3} AND {last // 2}", f"{k} IN (0, 5, {last // 2}, {last - 1})", f"{k} % 101 != 7", f"{k} % 1024 = 0"])

    def append(self):
        rows = self.r.choice([1, 2, 30, 200, 1024, 1500])
        table = self.table(rows)
        schema = self.dataset().schema
        if set(schema.names) != set(table.column_names) and self.r.random() < 0.9:
            table = table.select([name for name in table.column_names if name in schema.names])
        _, given = self.as_given(table)
        lance.write_dataset(given, self.uri, mode="append", **({"max_rows_per_file": 20} if rows <= 200 and self.r.random() < 0.2 else {}))
        return rows

    def delete(self):
        where = self.some_rows()
        self.dataset().delete(where)
        return where

    def update(self):
        where = self.some_rows()
        fields = [f for f in self.dataset().schema if f.name != self.key and (pa.types.is_integer(f.type) or pa.types.is_string(f.type) or pa.types.is_floating(f.type))]
        if not fields:
            raise LookupError("no column to update")
        field = self.r.choice(fields)
        value = "'new\"text'" if pa.types.is_string(field.type) else "7"
        self.dataset().update({field.name: value}, where=where)
        return f"{field.name} where {where}"

    def add_column(self):
        name = f"made {len(self.steps)}"
        self.dataset().add_columns({name: f"{self.quoted(self.key)} * 2" if self.r.random() < 0.7 else f"concat('t', cast({self.quoted(self.key)} as string))"})

    def add_nulls(self):
        self.dataset().add_columns(pa.field(f"nulls {len(self.steps)}", self.r.choice([pa.int32(), pa.utf8(), pa.list_(pa.int8()), pa.struct([("x", pa.int32())])])))

    def merge(self):
        keys = np.arange(0, max(self.next_key, 1), self.r.choice([1, 2, 5]))
        maker = Maker(self.seed, "merge", len(self.steps))
        extra = maker.array(self.r.choice([pa.utf8(), pa.int16(), pa.float64()]), len(keys), True)
        self.dataset().merge(pa.table({self.key: pa.array(keys, pa.int64()), f"merged {len(self.steps)}": extra}), self.key)

    def _other(self):
        names = [name for name in self.dataset().schema.names if name != self.key]
        if not names:
            raise LookupError("no other column")
        return self.r.choice(names)

    def drop(self):
        name = self._other()
        self.dataset().drop_columns([name])
        return name

    def rename(self):
        name = self._other()
        self.dataset().alter_columns({"path": name, "name": f"renamed {len(self.steps)}"})
        return name

    def cast(self):
        casts = [(pa.types.is_int32, pa.int64()), (pa.types.is_int8, pa.int32()), (pa.types.is_string, pa.large_utf8()), (pa.types.is_float32, pa.float64()),
                 (pa.types.is_uint8, pa.uint32()), (pa.types.is_int16, pa.float32()), (pa.types.is_large_string, pa.utf8()), (pa.types.is_binary, pa.large_binary())]
        fits = [(f.name, to) for f in self.dataset().schema for test, to in casts if test(f.type) and f.name != self.key]
        if not fits:
            raise LookupError("no column to cast")
        name, to = self.r.choice(fits)
        self.dataset().alter_columns({"path": name, "data_type": to})
        return f"{name} to {to}"

    def relax(self):
        name = self._other()
        self.dataset().alter_columns({"path": name, "nullable": True})
        return name

    def compact(self):
        options = {"target_rows_per_fragment": self.r.choice([10, 500, 10**6])}
        if self.r.random() < 0.5:
            options["materialize_deletions"] = self.r.random() < 0.5
        self.dataset().optimize.compact_files(**options)
        return options

    def merge_insert(self):
        start, self.next_key = self.next_key, max(0, self.next_key - 3)
        table = self.table(self.r.choice([2, 20]))
        self.next_key = max(start, self.next_key)
        schema = self.dataset().schema
        if table.column_names != schema.names:
            table = table.select([name for name in schema.names if name in table.column_names])
        self.dataset().merge_insert(self.key).when_matched_update_all().when_not_matched_insert_all().execute(table)

    def overwrite(self):
        self.next_key = 0
        lance.write_dataset(self.table(self.r.choice([1, 300])), self.uri, mode="overwrite")
