# SPDX-License-Identifier: Apache-2.0
"""The canonical JSON Lines form (docs/formats.md), written down a second time in Python, so that what
the program prints can be compared byte for byte with what pylance reads."""
import base64
import datetime
import json
import math
import struct
import uuid

import numpy as np
import pyarrow as pa

UNIT_DIGITS = {"s": 0, "ms": 3, "us": 6, "ns": 9}
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def text(value):
    out = []
    for char in value:
        if char in _ESCAPES:
            out.append(_ESCAPES[char])
        elif ord(char) < 0x20:
            out.append("\\u%04x" % ord(char))
        else:
            out.append(char)
    return '"' + "".join(out) + '"'


def _non_finite(value):
    if math.isnan(value):
        return '"NaN"'
    return '"Infinity"' if value > 0 else '"-Infinity"'


def double(value):
    return repr(float(value)) if math.isfinite(value) else _non_finite(value)


def single(value):
    """The shortest text that reads back to the same float32, laid out as Python lays out floats."""
    if not math.isfinite(value):
        return _non_finite(value)
    return repr(float(str(np.float32(value))))


def date(days):
    # The calendar repeats after 400 years of 146,097 days, which datetime's years are moved by.
    eras = (days + 719162) // 146097
    day = datetime.date(1970, 1, 1) + datetime.timedelta(days=days - eras * 146097)
    year = day.year + eras * 400
    sign = "" if 0 <= year <= 9999 else "-" if year < 0 else "+"
    return '"%s%04d-%02d-%02d"' % (sign, abs(year), day.month, day.day)


def _clock(value, unit):
    digits = UNIT_DIGITS[unit]
    seconds, fraction = divmod(value, 10**digits)
    head = "%02d:%02d:%02d" % (seconds // 3600, seconds // 60 % 60, seconds % 60)
    return head + (".%0*d" % (digits, fraction) if digits else "")


def timestamp(value, unit, zone):
    per_day = 86400 * 10 ** UNIT_DIGITS[unit]
    days, rest = divmod(value, per_day)
    return date(days)[:-1] + "T" + _clock(rest, unit) + ('Z"' if zone else '"')


def column(array):
    """The JSON text of every value of an Arrow array or chunked array."""
    if isinstance(array, pa.ChunkedArray):
        return [cell for chunk in array.chunks for cell in column(chunk)]
    kind = array.type
    types = pa.types
    if isinstance(array, pa.ExtensionArray):
        return _extension(array)
    if types.is_null(kind):
        return ["null"] * len(array)
    if types.is_dictionary(kind):
        return column(array.dictionary_decode())
    if types.is_struct(kind):
        parts = [column(child) for child in array.flatten()]
        names = [text(kind.field(i).name) for i in range(kind.num_fields)]
        valid = array.is_valid().to_pylist()
        return ["{" + ",".join(n + ":" + p[i] for n, p in zip(names, parts)) + "}" if ok else "null" for i, ok in enumerate(valid)]
    if types.is_map(kind):
        keys, items = column(array.keys), column(array.items)
        entries = ['{"key":%s,"value":%s}' % pair for pair in zip(keys, items)]
        return _lists(array, entries, array.offsets.to_pylist())
    if types.is_fixed_size_list(kind):
        size = kind.list_size
        values = column(array.values.slice(array.offset * size, len(array) * size))
        return _lists(array, values, list(range(0, (len(array) + 1) * size, size)))
    if types.is_list(kind) or types.is_large_list(kind):
        return _lists(array, column(array.values), array.offsets.to_pylist())
    return _leaf(array)


def _extension(array):
    name, cells = array.type.extension_name, array.storage.to_pylist()
    if name == "arrow.uuid":
        return ["null" if v is None else '"%s"' % uuid.UUID(bytes=v) for v in cells]
    if name == "lance.bfloat16":
        return ["null" if v is None else single(struct.unpack("<f", b"\0\0" + v)[0]) for v in cells]
    return column(array.storage)


def _lists(array, cells, offsets):
    valid = array.is_valid().to_pylist()
    base = offsets[0] if pa.types.is_map(array.type) and len(cells) == offsets[-1] - offsets[0] else 0
    return ["[" + ",".join(cells[offsets[i] - base : offsets[i + 1] - base]) + "]" if ok else "null" for i, ok in enumerate(valid)]


def _leaf(array):
    kind = array.type
    types = pa.types
    if types.is_boolean(kind):
        show = lambda v: "true" if v else "false"
    elif types.is_integer(kind):
        show = str
    elif types.is_float64(kind):
        show = double
    elif types.is_float32(kind):
        show = single
    elif types.is_float16(kind):
        array, show = array.cast(pa.float32()), single
    elif types.is_decimal(kind):
        show = lambda v: '"%s"' % format(v, "f")
    elif types.is_date32(kind):
        array, show = array.cast(pa.int32()), date
    elif types.is_date64(kind):
        array, show = array.cast(pa.int64()), lambda v: date(v // 86400000)
    elif types.is_time(kind):
        array, show = array.cast(pa.int32() if types.is_time32(kind) else pa.int64()), lambda v: '"%s"' % _clock(v, kind.unit)
    elif types.is_timestamp(kind):
        array, show = array.cast(pa.int64()), lambda v: timestamp(v, kind.unit, kind.tz)
    elif types.is_duration(kind):
        array, show = array.cast(pa.int64()), str
    elif types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind):
        show = lambda v: '"%s"' % base64.b64encode(v).decode()
    else:
        show = text
    return ["null" if v is None else show(v) for v in array.to_pylist()]


def lines(table):
    """The canonical lines of a table, without LF."""
    names = [text(name) + ":" for name in table.column_names]
    columns = [[name + cell for cell in column(table.column(i))] for i, name in enumerate(names)]
    if not columns:
        return ["{}"] * table.num_rows
    return ["{" + ",".join(row) + "}" for row in zip(*columns)]


def jsonl(table):
    return "".join(line + "\n" for line in lines(table)).encode()


assert json.loads(text('a"\\\n\x01é')) == 'a"\\\n\x01é'
