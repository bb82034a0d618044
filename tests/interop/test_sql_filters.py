# SPDX-License-Identifier: Apache-2.0
"""Filters answered by pylance and by engine/sql (through sql_probe), compared row by row.

Environment: LANCEFS_BUILD = the build folder (default <repository>/build), LANCEFS_SHARED = the folder of the shared
corpora (default beside the repository).

Rows must be equal; where pylance fails, ours must fail too, unless its planner refuses valid SQL (STRICT). What
differs on purpose stands in KNOWN, with the reason, and must still differ.
"""
import collections
import datetime
import decimal
import glob
import json
import os
import subprocess
import tempfile

import pyarrow as pa
import pytest

lance = pytest.importorskip("lance")

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("LANCEFS_BUILD", os.path.join(ROOT, "build"))
PROBE = os.path.join(BUILD, "tests/engine/sql/sql_probe")
SHARED = os.environ.get("LANCEFS_SHARED", os.path.join(os.path.dirname(ROOT), "shared"))

# How the reference's planner words a refusal of valid SQL; we may answer these.
STRICT = ("could not convert to literal of type", "is not supported SQL in lance", "is not supported,", "Unary operator",
          "does not support escape_char", "Must provide precision", "The filter NULL", "Task was aborted")


class Probe:
    """sql_probe over a table."""

    def __init__(self, table, directory):
        self.path = os.path.join(directory, "table.arrow")
        with pa.ipc.new_file(self.path, table.schema) as writer:
            writer.write_table(table, max_chunksize=1000)
        self.process = subprocess.Popen([PROBE, self.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"sql_probe died on {request}")
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def read_with_ids(dataset):
    """All rows with _rowid, _rowaddr, _rowoffset; columns that pyarrow cannot write to IPC are left out."""
    table = dataset.scanner(with_row_id=True, with_row_address=True).to_table()
    return table.append_column("_rowoffset", pa.array(range(table.num_rows), pa.uint64()))


def reference_rows(dataset, rowaddr_to_row, query):
    try:
        found = dataset.scanner(columns=[], filter=query, with_row_address=True, use_scalar_index=False).to_table()
        return {"rows": [rowaddr_to_row[a] for a in found["_rowaddr"].to_pylist()]}
    except BaseException as error:  # pyo3 panics are no Exceptions
        if isinstance(error, KeyboardInterrupt):
            raise
        return {"error": str(error)}


def compare(expected, answer):
    """None when they agree, else what is wrong."""
    if "roundtrip" in answer:
        return f"canonical text {answer.get('text')!r}: {answer['roundtrip']}"
    if "error" in expected:
        if "error" in answer or any(text in expected["error"] for text in STRICT):
            return None
        return f"reference fails ({expected['error'][:120]}), we give {len(answer['rows'])} rows"
    if "error" in answer:
        return f"reference gives {len(expected['rows'])} rows, we fail: {answer['error']}"
    if expected["rows"] != answer["rows"]:
        more = sorted(set(answer["rows"]) - set(expected["rows"]))[:5]
        less = sorted(set(expected["rows"]) - set(answer["rows"]))[:5]
        return f"{len(expected['rows'])} rows expected, {len(answer['rows'])} found; too many: {more}, missing: {less}"
    return None


def sample_table():
    nan, inf = float("nan"), float("inf")
    n = 24
    day = datetime.date(2020, 1, 1)
    ts = datetime.datetime(2020, 1, 1, 12, 30, 1, 5)

    def cycle(values):
        return [values[i % len(values)] for i in range(n)]

    text = cycle([None, "", "a", "abc", "ABC", "5", "a%c", "日本語", "x_y", "NaN", "éa", "Ünï Code", " pad ", "-7", "1.5", "2020-01-03"])
    floats = cycle([None, 0.0, -0.0, nan, inf, -inf, 0.1, 1.5, -2.5, 1e30, 2.5, 1e-7, 12345.678])
    days = [None] + [day + datetime.timedelta(days=37 * i - 200) for i in range(1, n)]
    stamps = [None] + [ts + datetime.timedelta(hours=31 * i, microseconds=i) for i in range(1, n)]
    lists = cycle([None, [], [1, 2], [3, None], [5], [1, 2, 3], [None], [9], [8, 8], [0]])
    words = cycle([None, [], ["a"], ["a", None], ["b", "a"], ["abc"], ["ABC", ""]])
    columns = {
        "id": pa.array(range(n), pa.int64()),
        "flag": pa.array(cycle([None, True, False, True, False])),
        "s": pa.array(text),
        "ls": pa.array(text, pa.large_utf8()),
        "bin": pa.array([None if t is None else t.encode() for t in text]),
        "f16": pa.array([None if f is None else f for f in floats], pa.float32()).cast(pa.float16()),
        "f32": pa.array(floats, pa.float32()),
        "f64": pa.array(floats, pa.float64()),
        "d": pa.array(days),
        "d64": pa.array(days, pa.date64()),
        "ts": pa.array(stamps, pa.timestamp("us")),
        "tsz": pa.array(stamps, pa.timestamp("us", "UTC")),
        "tny": pa.array(stamps, pa.timestamp("us", "America/New_York")),
        "tns": pa.array(stamps, pa.timestamp("ns")),
        "tms": pa.array(stamps, pa.timestamp("us")).cast(pa.timestamp("ms"), safe=False),
        "tsec": pa.array(stamps, pa.timestamp("us")).cast(pa.timestamp("s"), safe=False),
        "t32": pa.array([None] + [datetime.time(1, 2, i) for i in range(1, n)], pa.time32("s")),
        "t64": pa.array([None] + [datetime.time(1, 2, i, i) for i in range(1, n)], pa.time64("us")),
        "dur": pa.array([None] + [datetime.timedelta(seconds=i) for i in range(1, n)], pa.duration("us")),
        "dec": pa.array([None] + [decimal.Decimal(i - 8) / 4 for i in range(1, n)], pa.decimal128(12, 3)),
        "dec256": pa.array([None] + [decimal.Decimal(i - 8) / 4 for i in range(1, n)], pa.decimal256(40, 3)),
        "st": pa.array([None] + [{"x": i % 7, "y": text[i], "Z": {"w": i / 2}} for i in range(1, n)]),
        "l": pa.array(lists),
        "ll": pa.array(lists, pa.large_list(pa.int32())),
        "fsl": pa.array([None] + [[i, i + 1] for i in range(1, n)], pa.list_(pa.float32(), 2)),
        "tags": pa.array(words),
        "dict": pa.array(cycle([None, "a", "b", "a", "c", "a", "d"])).dictionary_encode(),
        "Mixed": pa.array(range(n), pa.int32()),
        "a b": pa.array(range(n), pa.int32()),
    }
    for bits in (8, 16, 32, 64):
        low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
        columns[f"i{bits}"] = pa.array(cycle([None, low, high, 0, 1, -1, 5, 7, 10, 3, -7]), getattr(pa, f"int{bits}")())
        columns[f"u{bits}"] = pa.array(cycle([None, 0, 2**bits - 1, 1, 2, 3, 5, 7, 10, 100]), getattr(pa, f"uint{bits}")())
    return pa.table(columns)


def generated_filters():
    ints = ["i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64"]
    floats = ["f16", "f32", "f64"]
    ops = ["=", "!=", "<", "<=", ">", ">="]
    for column in ints + floats + ["dec", "dec256"]:
        for op in ops:
            for value in ("0", "5", "-1", "200", "2.5", "1e1", "'5'", "NULL", "9223372036854775807", "-0.0", "0.1"):
                yield f"{column} {op} {value}"
            yield f"NOT ({column} {op} 5.5)"
            yield f"{column} {op} 2 + 3"
            yield f"7 {op} {column}"
        yield f"{column} IN (5, 7)"
        yield f"{column} NOT IN (5, NULL)"
        yield f"{column} IN (5, 1.5, 0)"
        yield f"{column} BETWEEN -1 AND 7"
        yield f"{column} NOT BETWEEN 1 AND 7"
        yield f"{column} IS DISTINCT FROM 5"
        yield f"{column} IS NOT DISTINCT FROM NULL"
        yield f"coalesce({column}, 1) = 1"
        yield f"nullif({column}, 5) IS NULL"
        yield f"CAST({column} AS string) = '5'"
        for kind in ("tinyint", "int", "bigint unsigned", "double", "float", "decimal(10,2)", "string", "boolean"):
            yield f"TRY_CAST({column} AS {kind}) IS NULL"
            yield f"CAST({column} AS {kind}) IS NULL"
        for other in ints + floats + ["dec"]:
            yield f"{column} < {other}"
            yield f"{column} = {other}"
            yield f"{column} + {other} > 3"
            yield f"{column} - {other} > 3"
            yield f"{column} * {other} > 3"
            yield f"{column} / 3 > {other}"
            yield f"{column} % 4 = {other}"
        for function in ("abs", "round", "sqrt", "ln", "signum", "isnan", "iszero"):
            yield f"{function}({column})" + ("" if function.startswith("is") else " >= 1")
        yield f"length(CAST({column} AS string)) > 2"
        yield f"-{column} < 0"
    for column in ("s", "ls", "dict", "bin"):
        for op in ops:
            for value in ("'a'", "''", "'5'", "5", "NULL", "X'61'", "s", "'日本語'"):
                yield f"{column} {op} {value}"
        for pattern in ("a%", "%c", "%b%", "_", "a\\%c", "%", "", "a_c", "%_%", "日%", "x\\_y", "\\", "a%c%", "%a%b%c%", "__%"):
            yield f"{column} LIKE '{pattern}'"
            yield f"{column} NOT LIKE '{pattern}'"
            yield f"{column} ILIKE '{pattern}'"
        yield f"{column} IN ('a', 'abc', NULL)"
        yield f"{column} NOT IN ('a', 'abc')"
        yield f"{column} BETWEEN 'a' AND 'b'"
        for kind in ("int", "double", "boolean", "date", "timestamp", "decimal(10,2)", "binary", "bigint unsigned"):
            yield f"TRY_CAST({column} AS {kind}) IS NOT NULL"
            yield f"CAST({column} AS {kind}) IS NULL"
        for call in ("lower({})='abc'", "upper({})='ABC'", "length({})=3", "octet_length({})>3", "bit_length({})=8", "reverse({})='cba'",
                     "left({},1)='a'", "right({},-1)='bc'", "left({},-1)='ab'", "strpos({},'b')=2", "ascii({})=97", "initcap({})='Abc'",
                     "contains({},'b')", "starts_with({},'a')", "ends_with({},'c')", "concat({},'x')='ax'", "concat({}, NULL, 1)='a1'",
                     "concat_ws('-',{},'z')='a-z'", "{}||'x'='ax'", "replace({},'a','b')='bbc'", "translate({},'abc','xy')='xy'",
                     "repeat({},2)='aa'", "lpad({},5,'xy')='xyabc'", "rpad({},5)='abc  '", "lpad({},2)='ab'", "split_part({},'b',1)='a'",
                     "split_part({},'b',-1)='c'", "btrim({})='pad'", "ltrim({})='pad '", "rtrim({},' d')=' pa'", "regexp_like({},'^A','i')",
                     "regexp_match({},'b')", "NOT regexp_match({},'b')", "regexp_match({},'(a)(b)') IS NULL", "regexp_like({},'[')",
                     "regexp_replace({},'b','X')='aXc'", "regexp_replace({},'[a-c]','X','g')='XXX'", "regexp_count({},'[ac]')=2",
                     "levenshtein({},'abd')=1", "length(substr({},2))=2", "length(substr({},0,2))=1", "coalesce({},'q')='q'", "nullif({},'a') IS NULL",
                     "to_hex(length({}))='3'", "chr(97)={}", "contains_tokens({},'abc')", "upper({},1)='A'", "md5({})='x'"):
            yield call.format(column)
    for column in ("d", "d64", "ts", "tsz", "tny", "tns", "tms", "tsec"):
        for value in ("date '2020-02-03'", "timestamp '2020-01-10 00:00:00'", "timestamp '2020-01-03T02:30:01.000002Z'", "'2020-01-10'",
                      "timestamp(0) '2020-01-10 00:00:00'", "timestamp(9) '2020-01-10 00:00:00.000000001'", "NULL", "5", "ts", "d", "tny",
                      "CAST('2020-02-03' AS date)", "to_timestamp('2020-01-10T00:00:00')"):
            for op in ("=", "<", ">="):
                yield f"{column} {op} {value}"
        yield f"{column} BETWEEN date '2019-12-01' AND date '2020-02-01'"
        yield f"{column} IN (date '2020-02-03', NULL)"
        for field in ("year", "quarter", "month", "week", "day", "dow", "doy", "hour", "minute", "second", "epoch", "isodow", "millisecond",
                      "microsecond", "nosuch"):
            yield f"date_part('{field}', {column}) > 3"
        for unit in ("year", "quarter", "month", "week", "day", "hour", "minute", "second", "nosuch"):
            yield f"date_trunc('{unit}', {column}) = {column}"
            yield f"date_trunc('{unit}', {column}) < timestamp '2020-01-05'"
        for kind in ("date", "timestamp", "timestamp(0)", "timestamp(9)", "string", "bigint", "int", "double"):
            yield f"CAST({column} AS {kind}) IS NULL"
        yield f"CAST({column} AS string) > '2020-01-10'"
        yield f"CAST({column} AS date) = date '2020-02-03'"
        yield f"{column} - {column} IS NOT NULL"
        yield f"to_unixtime({column}) > 1580000000"
    for column in ("l", "ll", "fsl", "tags"):
        for call in ("array_length({})=2", "array_length({})=0", "cardinality({})=1", "cardinality({})=0", "empty({})", "array_has({},2)",
                     "array_has({},'a')", "array_has({},NULL)", "array_has_any({},[1,9])", "array_has_all({},[1,2])", "array_has_any({},['a','z'])",
                     "array_has_all({},['a'])", "array_position({},2)=2", "array_position({},'a')=2", "{}[1]=1", "{}[-1]=2", "{}[1]='a'",
                     "{} = [1,2]", "{} = ['a']", "{} IS NULL", "array_has({}, id)", "{} = {}", "array_max({})=2", "array_to_string({},',')='1,2'",
                     "array_has_any({},[])", "array_has_all({},[])", "list_contains({},2)", "array_contains({},2.0)", "{}[0] IS NULL", "{}['a']=1"):
            yield call.replace("{}", column)
    yield from ("flag", "NOT flag", "flag = true", "flag = 1", "flag = 'true'", "flag IS TRUE", "flag IS NOT TRUE", "flag IS FALSE", "flag IS NOT FALSE",
                "flag IS UNKNOWN", "flag AND NULL", "flag OR NULL", "NOT NULL", "NULL", "flag IN (true, NULL)", "flag > false", "flag AND 5",
                "(flag AND i32 > 0) IS NULL", "flag = (i32 > 0)", "i32", "s", "5", "'a'", "i32 = 5 = true", "NOT flag = true", "st.x = 3", "ST.x = 3",
                "st.X = 3", "st['x'] = 3", "st.Z.w > 2.0", "st.Z.w > 2", "st.x IN (1, 2)", "st.y LIKE 'a%'", "st IS NULL", "st.Z IS NULL", "st = st",
                "st.nosuch = 1", "st.x.y = 1", "mixed = 3", "MIXED = 3", "Mixed = 3", "`Mixed` = 3", "`mixed` = 3", "`a b` = 3", "a b = 3", "\"s\" = 'a'",
                "s = \"a\"", "nosuch = 1", "t32 = 3723", "t32 > 3723.5", "t64 > t32", "dur > 5", "dur = dur", "_rowid = 3", "_rowaddr > 3", "_rowoffset < 4",
                "i32 + s > 1", "s + s = 'a'", "s - 1 = 4", "i32 || i32 = '55'", "i32 || s = '5a'", "i32 << 1 = 10", "i32 >> 1 = 2", "i32 & 1 = 1", "~i32 = 1",
                "i32 / 0 = 1", "f64 / 0 > 1", "i32 % 0 = 1", "10 / u8 > 1", "i64 / -1 > 0", "1 / 0 = 1", "f64 % 1 = 0.5", "u64 + 1 > 5",
                "u64 = 18446744073709551615", "i64 = 9223372036854775808", "f64 > 1e400", "i32 = --5", "i32 = - -5", "i32 = -(5)", "i32 = +5", "--x",
                "i32 = 5 -- x", "/* a /* b */ c */ i32 = 5", "i32 = 5 /*", "i32 == 5", "i32 <> 5", "i32 = = 5", "i32 <=> 5", "i32 IN ()", "i32 IN (5,)",
                "i32 BETWEEN 1", "i32 NOT 5", "(i32 = 5", "i32 = 5)", "i32 =", "= 5", "", "  ", "s = 'x", "`s = 'x'", "nosuchfunc(i32)", "length()",
                "length(s, s)", "CAST(s AS nosuch) = 1", "CAST(i32 AS int", "d = date 'x'", "ts > timestamp 'x'", "count(*) > 1", "i32 = (SELECT 1)",
                "is_valid(i32)", "is_valid(st.x)", "arrow_cast(i32, 'Utf8') = '5'", "arrow_cast(i32, 'Nosuch') = 5", "power(i8, 2) = 25", "power(f64, 2) = 2.25",
                "power(2, 3) = i8", "greatest(i32, 5) = 5", "least(i32, i8, 5) = 5", "ceil(f64) = 2", "coalesce(floor(f64), 0) = 1", "trunc(f64) = 1",
                "round(f64, 1) = 0.1", "log10(i32) = 1", "exp(f32) > 1", "nvl(s, 'x') = 'x'", "nvl2(s, 1, 2) = 2", "pi() > 3", "gcd(i32, 10) = 5",
                "lcm(i32, 10) = 10", "to_date('2020-02-03') = d", "make_date(2020, 2, 3) = d", "now() > ts", "d - date '2020-01-01' > 30",
                "d + 1 = d", "ts - ts IS NULL", "i32 = 5 AND s = 'x' OR flag", "NOT (NOT (flag OR i32 < 0) AND u8 > 128)", "i32=1andu8>3", "i32 IS NULL IS FALSE",
                "st.x IS NOT NULL AND l[1] = 5", "true", "false", "1 = 1", "1 = 2", "NULL IS NULL", "date_trunc('month', ts) = timestamp '2020-01-01'")


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    directory = str(tmp_path_factory.mktemp("sql"))
    dataset = lance.write_dataset(sample_table(), os.path.join(directory, "sample.lance"), data_storage_version="2.2")
    table = read_with_ids(dataset)
    probe = Probe(table, directory)
    yield dataset, {a: i for i, a in enumerate(table["_rowaddr"].to_pylist())}, probe
    probe.close()


# Filters on which we differ: text (or all texts that match a pattern) -> reason.
HALF = "we compute half floats with decimals, the reference's planner has no common type"
KNOWN = {
    "TRY_CAST(f16 AS decimal(10,2)) IS NULL": "we cast half floats to decimals, the reference cannot",
    "f16 + dec > 3": HALF, "f16 - dec > 3": HALF, "f16 * dec > 3": HALF,
    "dec + f16 > 3": HALF, "dec - f16 > 3": HALF, "dec * f16 > 3": HALF,
    "dec256 + f16 > 3": HALF, "dec256 - f16 > 3": HALF, "dec256 * f16 > 3": HALF,
    "coalesce(bin,'q')='q'": "we read a string beside binary values as bytes, the reference refuses it",
    "octet_length(bin)>3": "the reference counts the bytes of strings only",
    "bit_length(bin)=8": "the reference counts the bits of strings only",
    "date_part('year', tns) > 3": "the reference turns the year into a range of nanoseconds, which overflows, and finds nothing",
    "_rowoffset < 4": "the reference has _rowoffset in results only, we also in filters",
    "/* a /* b */ c */ i32 = 5": "comments nest here as in the SQL standard",
    "i32 = 5)": "the reference stops at the unbalanced bracket and ignores what follows, we refuse the text",
}


needs_probe = pytest.mark.skipif(not os.path.exists(PROBE), reason="sql_probe is not built")


@needs_probe
def test_generated_filters(sample):
    dataset, rows, probe = sample
    wrong = []
    filters = [text for text in dict.fromkeys(generated_filters()) if text not in KNOWN]
    for text in filters:
        problem = compare(reference_rows(dataset, rows, text), probe.ask({"filter": text}))
        if problem:
            wrong.append(f"{text}: {problem}")
    assert not wrong, f"{len(wrong)} of {len(filters)} differ:\n" + "\n".join(wrong)


@needs_probe
@pytest.mark.parametrize("text", KNOWN)
def test_known_differences_remain(sample, text):
    dataset, rows, probe = sample
    assert compare(reference_rows(dataset, rows, text), probe.ask({"filter": text})), f"no difference any more, remove it: {KNOWN[text]}"


def corpus_filters(corpus):
    """(dataset path, query without filter, filters with their expectation) of every dataset in the corpus."""
    for path in sorted(glob.glob(os.path.join(corpus, "expected", "*.json"))):
        with open(path, encoding="utf-8") as file:
            expected = json.load(file)
        if not isinstance(expected, dict) or "reads" not in expected:
            continue
        groups = collections.defaultdict(dict)
        for read in expected["reads"]:
            query = read["query"]
            if "filter" in query:
                key = tuple((k, query[k]) for k in ("version", "tag", "branch") if k in query)
                lenient = any(k in {**read, **read["expect"]} for k in ("or_error", "error_not_intended"))
                groups[key].setdefault(query["filter"], lenient)
        yield os.path.join(corpus, expected["dataset"]), groups


def open_version(path, key):
    query = dict(key)
    dataset = lance.dataset(path)
    if "branch" in query:
        return dataset.checkout_version((query["branch"], query.get("version")))
    if "tag" in query:
        return dataset.checkout_version(query["tag"])
    return dataset.checkout_version(query["version"]) if "version" in query else dataset


def run_corpus(corpus):
    passed, wrong, skipped = 0, [], []
    for path, groups in corpus_filters(corpus):
        for key, filters in groups.items():
            with tempfile.TemporaryDirectory() as directory:
                try:
                    dataset = open_version(path, key)
                    if not dataset.data_storage_version.startswith("2"):
                        skipped.append(f"{os.path.basename(path)}: data storage {dataset.data_storage_version}")
                        continue
                    table = read_with_ids(dataset)
                    probe = Probe(table, directory)
                except BaseException as error:
                    if isinstance(error, KeyboardInterrupt):
                        raise
                    skipped.append(f"{os.path.basename(path)} {dict(key)}: {str(error)[:150]}")
                    continue
                rows = {a: i for i, a in enumerate(table["_rowaddr"].to_pylist())}
                for text, lenient in filters.items():
                    reference = reference_rows(dataset, rows, text)
                    answer = probe.ask({"filter": text})
                    problem = None if lenient and ("error" in answer or "error" in reference) else compare(reference, answer)
                    if problem:
                        wrong.append(f"{os.path.basename(path)} {dict(key)} {text}: {problem}")
                    else:
                        passed += 1
                probe.close()
    return passed, wrong, skipped


@needs_probe
@pytest.mark.skipif(not os.path.isdir(os.path.join(SHARED, "corpora", "open")), reason="the corpus is not here")
def test_corpus_filters():
    passed, wrong, _ = run_corpus(os.path.join(SHARED, "corpora", "open"))
    assert not wrong, f"{len(wrong)} differ:\n" + "\n".join(wrong)
    assert passed > 1000

