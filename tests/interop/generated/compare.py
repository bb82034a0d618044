# SPDX-License-Identifier: Apache-2.0
"""Reads a dataset through pylance and through the engine and says where they differ."""
import collections
import os

import canonical
import lance
import lance.arrow  # registers bfloat16 as an extension type
import pyarrow as pa
from programs import Adapter, Refused

from .histories import text_of
from .schemas import has_empty_struct
from .values import Maker

PYTHON_ROWS = 24  # rows whose text is also rendered in Python, from pylance's values


class Unreadable(Exception):
    """The reference cannot read what it wrote."""


def scan(dataset, **options):
    names = options.get("columns") or dataset.schema.names
    if len(names) > 1 and any(has_empty_struct(dataset.schema.field(name).type) for name in names):
        # What stands behind an empty struct is read as null (pylance 14): one column at a time.
        parts = [scan(dataset, **options | {"columns": [name]}) for name in names]
        fields = [(f, part.column(i)) for part in parts[:1] for i, f in enumerate(part.schema)][:1]
        fields += [(part.schema.field(0), part.column(0)) for part in parts[1:]]
        fields += [(f, parts[0].column(f.name)) for f in parts[0].schema if f.name == "_rowid"]
        return pa.table([column for _, column in fields], schema=pa.schema([f for f, _ in fields]))
    return dataset.scanner(scan_in_order=True, blob_handling="all_binary", **options).to_table()


def type_text(kind):
    return str(kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind)


def has_extension(kind):
    if isinstance(kind, pa.BaseExtensionType):
        return True
    return any(has_extension(kind.field(i).type) for i in range(kind.num_fields))


def has_packed(field):
    kind = getattr(field.type, "storage_type", field.type)
    packed = any(key in (field.metadata or {}) for key in (b"packed", b"lance-encoding:packed"))
    return packed or any(has_packed(kind.field(i)) for i in range(kind.num_fields))


def first_difference(ours, theirs):
    ours, theirs = ours.split(b"\n"), theirs.split(b"\n")
    for i, (a, b) in enumerate(zip(ours, theirs)):
        if a != b:
            at = next((k for k, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
            low = max(0, at - 80)
            return f"row {i} byte {at}: {a[low:at + 120]!r} instead of {b[low:at + 120]!r}"
    return f"{len(ours) - 1} rows instead of {len(theirs) - 1}"


class Checker:
    def __init__(self, folder):
        self.file = str(folder) + f"/table-{os.getpid()}.arrows"
        self.adapter = Adapter()
        self.counts = collections.Counter()
        self.unreadable = collections.Counter()

    def close(self):
        self.adapter.close()
        if os.path.exists(self.file):
            os.unlink(self.file)

    def rendered(self, table):
        """The canonical lines of a table of pylance's, by the engine's own printing of Arrow."""
        try:
            with pa.OSFile(self.file, "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
                writer.write_table(table)
        except pa.ArrowNotImplementedError:  # dictionaries that change and hold nulls: one stream each
            batches = table.to_batches()
            if len(batches) < 2:
                raise
            return b"".join(self.rendered(pa.Table.from_batches([batch])) for batch in batches)
        return self.adapter.ask("render", self.file)

    def readable(self, dataset, notes):
        """All rows; without the columns that the reference itself cannot read."""
        try:
            return scan(dataset), None
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            names = []
            for name in dataset.schema.names:
                try:
                    scan(dataset, columns=[name])
                    names.append(name)
                except BaseException as one:
                    self.unreadable[text_of(one)] += 1
                    notes.append(f"the reference cannot read {name}: {text_of(one)}")
            try:
                return scan(dataset, columns=names), names
            except BaseException as together:
                raise Unreadable(text_of(together)) from None

    def check(self, uri, seed, notes):
        """The differences, as texts."""
        self.found = []
        try:
            dataset = lance.dataset(uri)
        except ValueError as error:
            raise Unreadable(text_of(error)) from None
        table, names = self.readable(dataset, notes)
        self.counts["rows"] += table.num_rows
        want = self.rendered(table)
        whole = {} if names is None else {"select": names}
        if not self.same("all rows", uri, want, **whole):
            return self.found
        maker = Maker(seed, "questions")
        lines = want.split(b"\n")[:-1]
        self.by_python(table, lines, maker.r)
        self.schema(dataset, uri, names)
        self.questions(dataset, uri, table, lines, whole, maker)
        return self.found

    def same(self, what, uri, want, op="read", **request):
        self.counts["answers"] += 1
        try:
            have = self.adapter.ask(op, uri, **request)
        except Refused as error:
            self.found.append(f"{what} {request}: refused: {error}")
            return False
        except AssertionError:
            self.found.append(f"{what} {request}: the engine crashed with {self.adapter.process.wait(10)}")
            self.adapter = Adapter()
            return False
        if have != want:
            self.found.append(f"{what} {request}: {first_difference(have, want)}")
        return have == want

    def by_python(self, table, lines, r):
        start = r.randrange(max(1, table.num_rows - PYTHON_ROWS + 1))
        part = table.slice(start, PYTHON_ROWS)
        if part.nbytes > 300_000:
            part = part.slice(0, 2)
        for i, text in enumerate(canonical.lines(part)):
            if text.encode("utf-8", "surrogatepass") != lines[start + i]:
                self.found.append("the text of a row: " + first_difference(lines[start + i], text.encode()))
                return

    def schema(self, dataset, uri, names):
        import json
        ours = json.loads(self.adapter.ask("info", uri))["schema"]
        theirs = [{"name": f.name, "type": type_text(f.type), "nullable": f.nullable} for f in dataset.schema]
        for a, b, field in zip(ours, theirs, dataset.schema):
            if has_extension(field.type):
                a["type"] = b["type"]
            if a != b:
                self.found.append(f"schema: {a} instead of {b}")
        if len(ours) != len(theirs):
            self.found.append(f"schema: {len(ours)} columns instead of {len(theirs)}")

    def questions(self, dataset, uri, table, lines, whole, maker):
        r, rows = maker.r, len(lines)
        join = lambda some: b"".join(line + b"\n" for line in some)
        offset, limit = r.randrange(rows + 2), r.choice([0, 1, 5, 1000, 10**6])
        self.same("a cut", uri, join(lines[offset:offset + limit]), offset=offset, limit=limit, **whole)
        columns = r.sample(table.column_names, r.randint(1, table.num_columns))
        narrow = self.rendered(table.select(columns)) if columns != table.column_names else join(lines)
        self.same("some columns", uri, narrow, select=columns)
        if rows:
            picked = [r.randrange(rows) for _ in range(r.choice([1, 3, 20, 100]))]
            self.same("rows at", uri, join(lines[i] for i in picked), op="take", take=picked, select=table.column_names)
            narrow = narrow.split(b"\n")[:-1]
            ordered = sorted(set(picked))
            self.same("chosen rows", uri, join(narrow[i] for i in ordered), take=ordered, select=columns)
            if r.random() < 0.5:
                start = r.randrange(rows)
                run = list(range(start, min(rows, start + r.choice([10, 1100]))))
                self.same("a run of rows", uri, join(lines[i] for i in run), take=run, **whole)
        if r.random() < 0.4:
            # pylance filters 0.1 by statistics that know of nulls which the pages do not keep: test_read_v1.py is about them.
            old = dataset.data_storage_version in ("0.1", "legacy")
            keys = [f.name for f in table.schema if not f.nullable and pa.types.is_int64(f.type)]
            self.filtered(dataset, uri, table, r, keys if old else table.column_names)
        if r.random() < 0.2:
            self.same("row ids", uri, self.rendered(scan(dataset, columns=columns, with_row_id=True)), select=columns, with_row_id=True)
        if dataset.version > 1 and r.random() < 0.5:
            number = r.randint(1, dataset.version)
            try:
                old, names = self.readable(lance.dataset(uri, version=number), [])
            except (ValueError, Unreadable):
                return  # a version that is not there
            self.same("an old version", uri, self.rendered(old), version=number, **({} if names is None else {"select": names}))

    def filtered(self, dataset, uri, table, r, names):
        if not names:
            return
        name = r.choice(names)
        quoted = "`" + name + "`"
        kind = table.schema.field(name).type
        where = r.choice([f"{quoted} IS NULL", f"{quoted} IS NOT NULL"])
        if pa.types.is_integer(kind):
            where = r.choice([f"{quoted} > {r.choice([-5, 0, 3, 100])}", f"{quoted} % 7 = 3", where])
        elif pa.types.is_string(kind):
            where = r.choice([f"{quoted} > 'm'", f"{quoted} = ''", f"{quoted} LIKE '%a%'", where])
        columns = r.sample(table.column_names, r.randint(1, table.num_columns))
        options = {"filter": where, "columns": columns}
        if r.random() < 0.3:
            options |= {"limit": r.choice([1, 20]), "offset": r.choice([0, 3])}
        try:
            # Fetched late, the fields of packed structs come with wrong values (pylance 14).
            late = {"late_materialization": False} if any(map(has_packed, dataset.schema)) else {}
            answer = scan(dataset, **late, **options)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            self.counts["filters that the reference refuses"] += 1
            return
        options["select"] = options.pop("columns")
        self.same("a filter", uri, self.rendered(answer), **options)
