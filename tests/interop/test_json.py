# SPDX-License-Identifier: Apache-2.0
"""JSON columns: shown as pylance shows them, filtered by the functions that it has, appended as text."""
import io
import json
import random
import re
import subprocess

import lance
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from programs import Adapter, Refused, lancefs

DOCUMENTS = [
    '{"a":1,"b":"x","c":[1,2,{"d":3.5}],"e":null,"f":true,"g":{"h":"deep"},"book":[{"price":5,"name":"n1"},{"price":50}]}',
    '[1,"two",3,[4,[5]],{"a":6}]',
    '"str"',
    "12",
    "null",
    None,
    '{"a":"7","f":false,"tags":["x","y"]}',
    '{"a":1.5,"f":"yes","tags":[]}',
    '{"big":12345678901234567890,"neg":-5,"fl":1e300,"a":-0.0}',
    '{}',
    "[]",
    '{"a":null,"a.b":1,"späce key":{"ü":"\\ud83d\\ude00\\n\\u0001"},"tags":"x"}',
    '{"a":18446744073709551615,"g":{"h":{"h":"deeper"}}}',
    "true",
    '{"z":1,"a":2,"y":3}',
    '{"n":[0,255,256,65535,65536,4294967295,4294967296,-1,-128,-129,-32768,-32769,-2147483649,9223372036854775807,-9223372036854775808]}',
]
PATHS = ["$", "$.a", "$.b", "$.c", "$.c[0]", "$.c[last]", "$.c[last - 1]", "$.c[0 to 1]", "$.c[0,2]", "$.c[*]", "$[*]", "$.*", "$.g.*",
         "$.g.h", '$."a.b"', '$["a"]', "$:a", "$.c[2].d", "a", "$.nope.x", "$[1]", "$[3][1][0]", "$.**", "$.**{1}", "$.**{1 to 2}",
         "$.book[*]?(@.price > 10)", '$.book[*]?(@.name == "n1")', "$.book[*]?(exists(@.name))", "$.a > 1", "$.a == null", '$.b starts with "x"',
         "$.tags[*]", "$.book[*]?(@.price > 1 && @.price < 10)", "$.book[*]?(@.price > 10 || @.name == \"n1\").price", " $ . a ", "$.n[*]"]
KEYS = ["a", "b", "f", "g", "c", "0", "1", "9", "big", "neg", "fl", "späce key", "tags", ""]


def json_column(values):
    return pa.array(values, pa.json_())


@pytest.fixture(scope="module")
def adapter():
    adapter = Adapter()
    yield adapter
    adapter.close()


@pytest.fixture(scope="module", params=["2.0", "2.1", "2.2"])
def dataset(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("json") / request.param
    nested = pa.StructArray.from_arrays([pa.array(range(len(DOCUMENTS))), json_column(DOCUMENTS)],
                                        fields=[pa.field("i", pa.int64()), pa.field("j", pa.json_())])
    table = pa.table({"id": range(len(DOCUMENTS)), "j": json_column(DOCUMENTS), "s": nested})
    return lance.write_dataset(table, path, data_storage_version=request.param)


def answers(adapter, dataset, sql):
    """Ids, or None where it is an error: ours and the reference's."""
    try:
        want = dataset.to_table(filter=sql, columns=["id"]).column("id").to_pylist()
    except (ValueError, OSError, RuntimeError):
        want = None
    try:
        got = [json.loads(line)["id"] for line in adapter.read(dataset.uri, filter=sql, select=["id"]).splitlines()]
    except Refused as error:
        assert "internal" not in str(error), error
        got = None
    return got, want


def test_shown(adapter, dataset):
    want = dataset.to_table().column("j").to_pylist()
    got = [json.loads(line) for line in adapter.read(dataset.uri).splitlines()]
    assert [row["j"] for row in got] == want
    assert [row["s"]["j"] for row in got] == want
    shown = json.loads(adapter.ask("info", dataset.uri))["schema"]
    assert [field["type"] for field in shown] == ["int64", "string", "struct<i: int64, j: string>"]
    assert [json.loads(line)["id"] for line in adapter.read(dataset.uri, filter="s.j IS NULL").splitlines()] == [5]


def test_kept_in_files(dataset):
    """Arrow and Parquet files say that the text is JSON."""
    table = pa.ipc.open_file(io.BytesIO(lancefs("cat", dataset.uri, "rows.arrow"))).read_all()
    assert table.schema.field("j").type == pa.json_()
    assert table.column("j").cast(pa.string()).to_pylist() == dataset.to_table().column("j").to_pylist()
    table = pq.read_table(io.BytesIO(lancefs("cat", dataset.uri, "rows.parquet")))
    assert table.column("j").cast(pa.string()).to_pylist() == dataset.to_table().column("j").to_pylist()


@pytest.mark.parametrize("function", ["json_extract", "json_exists", "json_array_length", "json_array_contains"])
def test_paths(adapter, dataset, function):
    for path in PATHS:
        quoted = path.replace("'", "''")
        questions = {
            "json_extract": [f"json_extract(j, '{quoted}') IS NOT NULL"] + [
                f"json_extract(j, '{quoted}') = '{value}'" for value in ("1", '"x"', "true", "false", "null", "[1,2]", "3", '{"h":"deep"}')],
            "json_exists": [f"json_exists(j, '{quoted}')"],
            "json_array_length": [f"json_array_length(j, '{quoted}') {test}" for test in ("= 0", "= 2", "> 2", "IS NULL")],
            "json_array_contains": [f"json_array_contains(j, '{quoted}', '{value}')" for value in ("1", "x", "2", "two")],
        }[function]
        for sql in questions:
            got, want = answers(adapter, dataset, sql)
            assert got == want, sql


def test_extracted_text(adapter, dataset):
    """What a path selects, compared as text with what the reference's own filter says of it."""
    for path in PATHS:
        try:
            lines = adapter.read(dataset.uri, select=["id", f"json_extract(j, '{path}') AS v"]).splitlines()
        except Refused:
            with pytest.raises((ValueError, OSError)):
                dataset.count_rows(f"json_extract(j, '{path}') = ''")
            continue
        for line in lines:
            row = json.loads(line)
            test = "IS NULL" if row["v"] is None else "= '" + row["v"].replace("'", "''") + "'"
            sql = f"id = {row['id']} AND json_extract(j, '{path}') {test}"
            assert dataset.count_rows(sql) == 1, sql


@pytest.mark.parametrize("function", ["json_get_int", "json_get_float", "json_get_bool", "json_get_string", "json_get"])
def test_keys(adapter, dataset, function):
    """Row by row, since one value that cannot be converted fails the reference's whole query, and ours."""
    tests = {"json_get_int": ["= 1", "> 1", "IS NULL"], "json_get_float": ["= 1.5", "> 2", "IS NULL"], "json_get_bool": ["", "IS NULL", "= false"],
             "json_get_string": ["= 'x'", "= '1'", "= 'true'", "IS NULL", "= '1.5'"], "json_get": ["IS NULL"]}[function]
    for key in KEYS:
        for test in tests:
            for row in range(len(DOCUMENTS)):
                sql = f"{function}(j, '{key}') {test} AND id = {row}"
                # The reference evaluates the function for the other rows too; ask it about a table of that row alone.
                try:
                    want = dataset.to_table(filter=sql, columns=["id"]).num_rows
                except (ValueError, OSError, RuntimeError):
                    want = None
                try:
                    got = len(adapter.read(dataset.uri, filter=sql, select=["id"]).splitlines())
                except Refused:
                    got = None
                assert got == want, sql


def test_chains(adapter, dataset):
    for sql in ("json_get_string(json_get(j, 'g'), 'h') = 'deep'", "json_get_string(json_get(json_get(j, 'g'), 'h'), 'h') = 'deeper'",
                "json_get_int(json_get(j, 'c'), 1) = 2", "json_extract(json_get(j, 'g'), '$.h') = '\"deep\"'",
                "json_get_string(s.j, 'b') = 'x'", "json_exists(j, NULL)", "json_get_int(j, 0) = 1"):
        got, want = answers(adapter, dataset, sql)
        assert got == want, sql


def test_text_columns(adapter, tmp_path):
    """JSON in string columns, which the reference's functions do not take."""
    lance.write_dataset(pa.table({"id": [0, 1, 2], "t": ['{"a": 1}', None, '{"a": [2]}']}), tmp_path / "d")
    got = adapter.read(tmp_path / "d", filter="json_extract(t, '$.a') = '1'", select=["id"])
    assert got == b'{"id":0}\n'
    with pytest.raises(Refused, match="invalid JSON path"):
        adapter.read(tmp_path / "d", filter="json_extract(t, '$.a[') = '1'")


def random_document(rng, depth=0):
    kind = rng.randrange(8 if depth < 4 else 6)
    if kind == 0:
        return rng.choice([None, True, False])
    if kind in (1, 2):
        return rng.choice([0, 1, -1, 2**rng.randrange(63), -(2**rng.randrange(63)), 2**64 - 1])
    if kind == 3:
        return rng.choice([0.5, -1e-7, 1e22, rng.random() * 10**rng.randrange(-20, 20)])
    if kind in (4, 5):
        return "".join(rng.choice("ab\"\\\n\u00e9\u4e2d\U0001f600 ") for _ in range(rng.randrange(6)))
    if kind == 6:
        return [random_document(rng, depth + 1) for _ in range(rng.randrange(4))]
    return {"".join(rng.choice("abc\u00e9") for _ in range(rng.randrange(3))): random_document(rng, depth + 1) for _ in range(rng.randrange(4))}


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "arrow", "parquet"])
@pytest.mark.parametrize("version", ["2.0", "2.2"])
def test_append(adapter, tmp_path, suffix, version):
    """The same text appended by the reference and by us is the same column."""
    rng = random.Random(suffix)
    values = [None if rng.random() < 0.1 else json.dumps(random_document(rng), ensure_ascii=rng.random() < 0.5) for _ in range(200)] + DOCUMENTS
    table = pa.table({"id": range(len(values)), "j": json_column(values)})
    for name in ("ours", "theirs"):
        lance.write_dataset(table.slice(0, 3), tmp_path / name, data_storage_version=version)
    file = tmp_path / f"rows.{suffix}"
    if suffix == "jsonl":
        file.write_text("".join(json.dumps({"id": i, "j": value}) + "\n" for i, value in enumerate(values)))
    elif suffix == "csv":
        cell = lambda value: "" if value is None else '"' + value.replace('"', '""') + '"'
        file.write_text("id,j\n" + "".join(f"{i},{cell(value)}\n" for i, value in enumerate(values)))
    elif suffix == "arrow":
        with pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)
    else:
        pq.write_table(table, file)
    lancefs("append", tmp_path / "ours", file)
    lance.write_dataset(table, tmp_path / "theirs", mode="append")
    ours, theirs = lance.dataset(tmp_path / "ours").to_table(), lance.dataset(tmp_path / "theirs").to_table()
    assert ours.column("j").to_pylist() == theirs.column("j").to_pylist()
    assert ours.schema == theirs.schema
    assert adapter.read(tmp_path / "ours") == adapter.read(tmp_path / "theirs")
    # Byte for byte what the reference stores: equal binary values under the same question.
    for path in ("$.a", "$[0]", "$.n[*]"):
        sql = f"json_extract(j, '{path}') IS NOT NULL"
        assert lance.dataset(tmp_path / "ours").count_rows(sql) == lance.dataset(tmp_path / "theirs").count_rows(sql)


def test_append_refuses_what_is_no_json(tmp_path):
    lance.write_dataset(pa.table({"id": [0], "j": json_column(["1"])}), tmp_path / "d")
    for text in ("{", "nope", "[1,]", '{"a" 1}', "01", "1.", '"\\ud800"', '"a\tb"', "1 2", "", '{"a":1,"a":2}'):
        file = tmp_path / "bad.jsonl"
        file.write_text(json.dumps({"id": 1, "j": text}) + "\n")
        result = lancefs("append", tmp_path / "d", file, check=False)
        assert result.returncode != 0 and b"JSON" in result.stderr, (text, result.stderr)
    assert lance.dataset(tmp_path / "d").latest_version == 1


def test_create(tmp_path):
    """A table whose schema comes from an Arrow file with a JSON column."""
    table = pa.table({"id": [0, 1], "j": json_column(['{"a": 1}', None])})
    with pa.ipc.new_file(tmp_path / "t.arrow", table.schema) as writer:
        writer.write_table(table)
    lancefs("create", tmp_path / "d", tmp_path / "t.arrow")
    lance.write_dataset(table, tmp_path / "theirs", data_storage_version="2.2")
    ours, theirs = lance.dataset(tmp_path / "d"), lance.dataset(tmp_path / "theirs")
    assert ours.schema == theirs.schema
    assert ours.to_table().column("j").to_pylist() == ['{"a":1}', None]
    # Metadata prints in any order.
    parts = [sorted(re.split(r"[{},]\s*", str(dataset.lance_schema))) for dataset in (ours, theirs)]
    assert parts[0] == parts[1]
