# SPDX-License-Identifier: Apache-2.0
"""Arrow tables of every type with their edges, and the canonical JSON of their values, written from docs/formats.md."""
import base64
import datetime
import decimal
import json
import math

import numpy as np
import pyarrow as pa

I64 = [0, 1, -1, 2**53, 2**53 + 1, 2**63 - 1, -(2**63), 10, 99, 100, 12345678901234567]
F64 = [0.0, -0.0, 1.0, 0.1, 1e15, 1e16, 1e-4, 1e-5, 5e-324, 1.7976931348623157e308, 2.0**53, math.nan, math.inf, -math.inf,
       123456.789, 1 / 3, -2.5e-7, 1e22, 1e23]
F32 = [0.0, -0.0, 0.1, 16777216.0, 3.4028235e38, 1e-45, 1.1754944e-38, math.nan, math.inf, -math.inf, 1 / 3, 1e16, 9.999999e15]
STR = ["", "plain", 'quo"te', "back\\slash", "a,b", "tab\there", "line\nbreak", "cr\rhere", "\x00\x01\x1f", "\x7f", "é€😀",
       " padded ", "null", "NaN", "=1+1", '"', '""', "x" * 5000, 'y"' * 3000, "0123456789abcde\n0123456789abcdef", "é" * 40 + '"', ","]
BIN = [b"", b"\x00", b"ab", b"abc", bytes(range(256)), b"\xff" * 7000]
DEC = ["0", "-12.50", "0.01", "-0.99", "99999999.99", "-99999999.99"]


def nulls(values):
    """A null after every value, so that bitmaps matter."""
    return [x for v in values for x in (v, None)]


def ints_as(values, storage, target):
    return pa.array(nulls(values), storage).view(target)


def columns():
    c = {}
    for bits in (8, 16, 32, 64):
        lo, hi = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
        c[f"int{bits}"] = pa.array(nulls([0, 1, -1, lo, hi, 9, 10, 99, 100]), getattr(pa, f"int{bits}")())
        c[f"uint{bits}"] = pa.array(nulls([0, 1, 2**bits - 1, 10, 99, 100]), getattr(pa, f"uint{bits}")())
    c["i64"] = pa.array(nulls(I64), pa.int64())
    c["bool"] = pa.array([True, False, None] * 5)
    c["null"] = pa.nulls(7)
    c["float64"] = pa.array(nulls(F64), pa.float64())
    c["float32"] = pa.array(nulls(F32), pa.float32())
    c["float16"] = pa.array([np.float16(x) for x in (0, -0.0, 0.1, 65504, 6e-8, np.nan, np.inf, -np.inf, 1 / 3)] + [None], pa.float16())
    for bits, precision in ((32, 9), (64, 18), (128, 38), (256, 76)):
        make = getattr(pa, f"decimal{bits}", None)
        if make is None:
            continue
        c[f"decimal{bits}"] = pa.array(nulls([decimal.Decimal(x) for x in DEC[:4]]), make(precision, 2))
        c[f"decimal{bits}_int"] = pa.array(nulls([decimal.Decimal(10**precision - 1), decimal.Decimal(-(10**precision) + 1), decimal.Decimal(0)]), make(precision, 0))
        c[f"decimal{bits}_small"] = pa.array(nulls([decimal.Decimal(5).scaleb(-precision), decimal.Decimal(0)]), make(precision, precision))
    c["decimal128_neg"] = pa.array(nulls([decimal.Decimal("1200"), decimal.Decimal("-100"), decimal.Decimal(0)]), pa.decimal128(5, -2))
    days = [0, 1, -1, 18292, -719528, -719529, 2932896, 2932897, 2**31 - 1, -(2**31), 11016, 11017]
    c["date32"] = ints_as(days, pa.int32(), pa.date32())
    c["date64"] = ints_as([d * 86400000 for d in days], pa.int64(), pa.date64())
    c["time32s"] = ints_as([0, 86399, 3661], pa.int32(), pa.time32("s"))
    c["time32ms"] = ints_as([0, 86399999, 1], pa.int32(), pa.time32("ms"))
    c["time64us"] = ints_as([0, 86399999999, 1], pa.int64(), pa.time64("us"))
    c["time64ns"] = ints_as([0, 86399999999999, 1], pa.int64(), pa.time64("ns"))
    stamps = [0, 1, -1, 1580428800, 1580428800123, 1580428800123456, 1580428800123456789, 2**63 - 1, -(2**63), 253402300799, -62167219201]
    for unit in ("s", "ms", "us", "ns"):
        c[f"timestamp_{unit}"] = ints_as(stamps, pa.int64(), pa.timestamp(unit))
        c[f"timestamp_{unit}_tz"] = ints_as(stamps, pa.int64(), pa.timestamp(unit, "Europe/Berlin"))
        c[f"duration_{unit}"] = ints_as([0, -1, 2**63 - 1], pa.int64(), pa.duration(unit))
    for name, ty in (("string", pa.string()), ("large_string", pa.large_string()), ("string_view", pa.string_view())):
        c[name] = pa.array(nulls(STR), ty)
    for name, ty in (("binary", pa.binary()), ("large_binary", pa.large_binary()), ("binary_view", pa.binary_view())):
        c[name] = pa.array(nulls(BIN), ty)
    c["fixed_binary"] = pa.array([b"abcd", None, b"\x00\xff\xfe\x80"], pa.binary(4))
    lists = [[1, 2, None], [], None, [4], [], list(range(40))]
    c["list"] = pa.array(lists, pa.list_(pa.int32()))
    c["large_list"] = pa.array(lists, pa.large_list(pa.float32()))
    c["list_view"] = pa.array(lists, pa.list_view(pa.int64()))
    c["large_list_view"] = pa.array(lists, pa.large_list_view(pa.int16()))
    c["fixed_list"] = pa.array([[1.5, None, math.nan], None, [4, 5, 6]], pa.list_(pa.float32(), 3))
    c["fixed_list0"] = pa.array([[], None, []], pa.list_(pa.int8(), 0))
    c["list_string"] = pa.array([['a"b', "c,\n", None, ""], [], None], pa.list_(pa.string()))
    deep = pa.list_(pa.struct([("a", pa.list_(pa.float64())), ('k"ey', pa.map_(pa.string(), pa.list_(pa.date32())))]))
    c["deep"] = pa.array([[{"a": [1.0, None], 'k"ey': [("x", [datetime.date(2020, 1, 31), None]), ("y", None)]}, None], None, [],
                          [{"a": None, 'k"ey': None}, {"a": [], 'k"ey': []}]], deep)
    c["struct"] = pa.array([{"x": 1, "y": "a"}, None, {"x": None, "y": None}], pa.struct([("x", pa.int8()), ("y", pa.string())]))
    c["map"] = pa.array([[("a", 1), ("b", None)], None, []], pa.map_(pa.string(), pa.int32()))
    c["dict"] = pa.array(["b", "a", None, "b", 'q"'] * 4).dictionary_encode()
    c["dict_small"] = pa.DictionaryArray.from_arrays(pa.array([2, 0, None, 1], pa.uint8()), pa.array(["x", None, "z,"]))
    c["dict_date"] = pa.array([datetime.date(2020, 1, 1), None, datetime.date(1, 1, 1)] * 5).dictionary_encode()
    c["ree"] = pa.RunEndEncodedArray.from_arrays(pa.array([2, 3, 7], pa.int32()), pa.array(["a", None, "c"]))
    c["uuid"] = pa.ExtensionArray.from_storage(pa.uuid(), pa.array([bytes(range(16)), None], pa.binary(16)))
    c["bfloat16"] = pa.array([b"\x80\x3f", None, b"\xcd\x3d", b"\x80\xff", b"\xc0\x7f"], pa.binary(2))
    c["json"] = pa.ExtensionArray.from_storage(pa.json_(), pa.array(['{"a":[1,"é\\n"]}', None, "null"]))
    return c


def table_of(name, array):
    metadata = {"ARROW:extension:name": "lance.bfloat16"} if name == "bfloat16" else None
    return pa.Table.from_arrays([array], schema=pa.schema([pa.field(name, array.type, metadata=metadata)]))


def civil(days):
    """Years of any size: Python's own dates end at 9999."""
    eras, rest = divmod(days, 146097)
    date = datetime.date(2000, 1, 1) + datetime.timedelta(rest - 10957) if rest >= 10957 else datetime.date(1970, 1, 1) + datetime.timedelta(rest)
    return date.year + 400 * eras, date.month, date.day


def date_text(days):
    year, month, day = civil(days)
    sign = "-" if year < 0 else "+" if year > 9999 else ""
    return f"{sign}{abs(year):04d}-{month:02d}-{day:02d}"


PER_SECOND = {"s": (1, 0), "ms": (10**3, 3), "us": (10**6, 6), "ns": (10**9, 9)}


def time_text(value, unit):
    per_second, digits = PER_SECOND[unit]
    seconds, fraction = divmod(value, per_second)
    text = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return text + (f".{fraction:0{digits}d}" if digits else "")


def float_text(value, single):
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return repr(float(str(np.float32(value)))) if single else repr(float(value))


def bfloat(value):
    return float_text(value, True), not math.isfinite(value)


def storage_of(array):
    while isinstance(array.type, pa.BaseExtensionType):
        array = array.storage
    return array


def cells(array, extension=""):
    """Each value as (text, quoted) or None: text as in a CSV cell, quoted = stands in quotes in JSON."""
    if isinstance(array, pa.ChunkedArray):
        return [cell for chunk in array.chunks for cell in cells(chunk, extension)]
    if isinstance(array.type, pa.BaseExtensionType):
        extension = array.type.extension_name
        array = storage_of(array)
    t = array.type
    T = pa.types

    def each(function, values=None):
        return [None if v is None else function(v) for v in (array.to_pylist() if values is None else values)]

    def ints():
        return array.view(pa.int32() if t.bit_width == 32 else pa.int64()).to_pylist()

    if T.is_null(t):
        return [None] * len(array)
    if T.is_boolean(t):
        return each(lambda v: ("true" if v else "false", False))
    if T.is_integer(t):
        return each(lambda v: (str(v), False))
    if T.is_floating(t):
        return each(lambda v: (float_text(v, not T.is_float64(t)), not math.isfinite(v)))
    if T.is_decimal(t):
        return each(lambda v: (format(v, "f"), True))
    if T.is_date(t):
        return each(lambda v: (date_text(v if T.is_date32(t) else v // 86400000), True), ints())
    if T.is_time(t):
        return each(lambda v: (time_text(v, t.unit), True), ints())
    if T.is_timestamp(t):
        day = 86400 * PER_SECOND[t.unit][0]
        return each(lambda v: (date_text(v // day) + "T" + time_text(v % day, t.unit) + ("Z" if t.tz else ""), True), ints())
    if T.is_duration(t):
        return each(lambda v: (str(v), False), ints())
    if T.is_dictionary(t):
        values = cells(array.dictionary)
        return [None if i is None else values[i] for i in array.indices.to_pylist()]
    if T.is_run_end_encoded(t):
        ends = array.run_ends.to_pylist()
        runs = [sum(end <= array.offset + i for end in ends) for i in range(len(array))]
        return cells(array.values.take(pa.array(runs, pa.int64())))
    if extension == "arrow.uuid":
        return each(lambda v: ("-".join((v.hex()[:8], v.hex()[8:12], v.hex()[12:16], v.hex()[16:20], v.hex()[20:])), True))
    if extension == "lance.bfloat16":
        return each(lambda v: bfloat(np.frombuffer(b"\0\0" + v, "<f4")[0]))
    if T.is_string(t) or T.is_large_string(t) or T.is_string_view(t):
        return each(lambda v: (v, True))
    if T.is_binary(t) or T.is_large_binary(t) or T.is_binary_view(t) or T.is_fixed_size_binary(t):
        return each(lambda v: (base64.b64encode(v).decode(), True))
    return nested(array)


def json_of(cell):
    if cell is None:
        return "null"
    return json.dumps(cell[0], ensure_ascii=False) if cell[1] else cell[0]


def nested(array):
    t = array.type
    out = []
    for scalar in array:
        if not scalar.is_valid:
            out.append(None)
        elif pa.types.is_struct(t):
            parts = [json.dumps(t.field(i).name, ensure_ascii=False) + ":" + json_of(cells(one(array.field(i), len(out)))[0]) for i in range(t.num_fields)]
            out.append(("{" + ",".join(parts) + "}", False))
        elif pa.types.is_map(t):
            pairs = scalar.values
            keys, values = cells(pairs.field(0)), cells(pairs.field(1))
            out.append(("[" + ",".join('{"key":%s,"value":%s}' % (json_of(k), json_of(v)) for k, v in zip(keys, values)) + "]", False))
        else:
            out.append(("[" + ",".join(map(json_of, cells(scalar.values))) + "]", False))
    return out


def one(array, row):
    return array.slice(row, 1)


def extension_of(field):
    return (field.metadata or {}).get(b"ARROW:extension:name", b"").decode()


def jsonl(table):
    rows = zip(*[[json.dumps(f.name, ensure_ascii=False) + ":" + json_of(c) for c in cells(table.column(i), extension_of(f))]
                 for i, f in enumerate(table.schema)])
    return [("{" + ",".join(row) + "}") for row in rows]


def csv_cell(cell, separator, array_type):
    if cell is None:
        return ""
    text, quoted = cell
    t = array_type
    while isinstance(t, pa.BaseExtensionType):
        t = t.storage_type
    if pa.types.is_nested(t) and not pa.types.is_run_end_encoded(t):
        quote = True
    else:
        quote = text == "" or any(c in text for c in (separator, '"', "\n", "\r"))
    return '"' + text.replace('"', '""') + '"' if quote else text


def csv(table, separator):
    def name(text):
        return csv_cell((text, True), separator, pa.string())

    lines = [separator.join(name(f.name) for f in table.schema)]
    rows = zip(*[[csv_cell(c, separator, f.type) for c in cells(table.column(i), extension_of(f))] for i, f in enumerate(table.schema)])
    return "".join(line + "\n" for line in lines + [separator.join(row) for row in rows])
