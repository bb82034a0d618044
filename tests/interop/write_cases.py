# SPDX-License-Identifier: Apache-2.0
"""Columns for writing tests and the size table: every type, null pattern, shape and nesting."""
import datetime
import decimal

import numpy as np
import pyarrow as pa


def _mask(rng, n, nulls):
    if nulls == "none":
        return None
    if nulls == "all":
        return np.ones(n, bool)
    if nulls == "blocks":
        return (np.arange(n) // 700) % 3 == 1
    return rng.random(n) < {"some": 0.2, "few": 0.001, "most": 0.98}[nulls]


def _words(rng, n, count, length):
    pool = ["".join(rng.choice(list("abcdefghij klmnop"), size=length)) for _ in range(count)]
    return [pool[i] for i in rng.integers(0, count, n)]


NUMBER_TYPES = {
    "int8": (pa.int8(), np.int8), "int16": (pa.int16(), np.int16), "int32": (pa.int32(), np.int32), "int64": (pa.int64(), np.int64),
    "uint8": (pa.uint8(), np.uint8), "uint16": (pa.uint16(), np.uint16), "uint32": (pa.uint32(), np.uint32), "uint64": (pa.uint64(), np.uint64),
    "float16": (pa.float16(), np.float16), "float32": (pa.float32(), np.float32), "float64": (pa.float64(), np.float64),
    "date32": (pa.date32(), np.int32), "time32": (pa.time32("s"), np.int32), "time64": (pa.time64("us"), np.int64),
    "timestamp": (pa.timestamp("us", "UTC"), np.int64), "duration": (pa.duration("ns"), np.int64),
}
SHAPES = ["random", "small", "constant", "few", "runs", "sorted", "negative", "zipf"]


def numbers(rng, name, shape, n, nulls="none"):
    arrow_type, dtype = NUMBER_TYPES[name]
    is_float = np.issubdtype(dtype, np.floating)
    info = np.finfo(dtype) if is_float else np.iinfo(dtype)
    top = 30000 if name == "float16" else (86399 if name.startswith("time32") else (86_399_999_999 if name == "time64" else min(int(info.max), 2**62)))
    if shape == "random":
        values = rng.random(n) if is_float else rng.integers(0, top, n, dtype=np.int64)
    elif shape == "small":
        values = rng.integers(0, 100, n)
    elif shape == "constant":
        values = np.full(n, 42)
    elif shape == "few":
        pool = rng.integers(0, top, 20, dtype=np.int64)
        values = pool[rng.integers(0, 20, n)]
    elif shape == "runs":
        values = np.repeat(rng.integers(0, min(top, 10**6), n // 100 + 1), 100)[:n]
    elif shape == "sorted":
        values = np.arange(n) % (top + 1)
    elif shape == "zipf":
        values = np.minimum(rng.zipf(1.5, n), 100)
    else:
        low = 0 if name.startswith(("u", "time32", "time64")) else -100
        values = rng.integers(low, 100, n)
    values = values.astype(dtype)
    array = pa.array(values, mask=_mask(rng, n, nulls)) if name.startswith(("int", "uint", "float")) else pa.array(
        values, pa.int32() if dtype == np.int32 else pa.int64(), mask=_mask(rng, n, nulls)).view(arrow_type)
    return array.cast(arrow_type) if array.type != arrow_type else array


STRING_SHAPES = ["unique", "words", "few", "constant", "empty", "prefix", "long", "mixed", "runs"]


def strings(rng, shape, n, nulls="none", arrow_type=pa.string()):
    if shape == "unique":
        values = [f"user-{i:07d}-{i * 7919 % 1000003}" for i in range(n)]
    elif shape == "words":
        values = _words(rng, n, max(1, n), 9) if n <= 5000 else [f"{a} {b}" for a, b in zip(_words(rng, n, 500, 5), _words(rng, n, 500, 7))]
    elif shape == "few":
        values = _words(rng, n, 12, 8)
    elif shape == "constant":
        values = ["the same text"] * n
    elif shape == "empty":
        values = [""] * n
    elif shape == "prefix":
        values = [f"https://example.org/path/{i // 50}/item?id={i}" for i in range(n)]
    elif shape == "long":
        values = [" ".join(_words(rng, 40, 50, 7)) for _ in range(min(n, 300))]
        values = [values[i % len(values)] + str(i) for i in range(n)] if values else []
    elif shape == "mixed":
        values = ["" if i % 3 == 0 else "x" * (i % 40) for i in range(n)]
    elif shape == "runs":
        values = [f"group {i // 200}" for i in range(n)]
    elif shape == "huge":
        values = [("%06d" % i) * (40000 // 6) for i in range(n)]
    else:
        raise ValueError(shape)
    mask = _mask(rng, n, nulls)
    if mask is not None:
        values = [None if m else v for v, m in zip(values, mask)]
    if pa.types.is_binary(arrow_type) or pa.types.is_large_binary(arrow_type) or pa.types.is_binary_view(arrow_type):
        values = [None if v is None else v.encode() for v in values]
    return pa.array(values, arrow_type)


def lists(rng, items, n, nulls="none", empties=0.1, mean=3, large=False):
    """A list column of n rows over `items(count)`; items under null lists are left in the child."""
    lengths = rng.poisson(mean, n)
    lengths[rng.random(n) < empties] = 0
    if empties == 0:
        lengths = np.maximum(lengths, 1)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    values = items(int(offsets[-1]))
    mask = _mask(rng, n, nulls)
    cls = pa.LargeListArray if large else pa.ListArray
    offset_type = pa.int64() if large else pa.int32()
    mask_array = None if mask is None else pa.array(mask)
    return cls.from_arrays(pa.array(offsets, offset_type), values, mask=mask_array)


def structs(rng, children, n, nulls="none"):
    mask = _mask(rng, n, nulls)
    names = list(children)
    return pa.StructArray.from_arrays([children[k] for k in names], names=names, mask=None if mask is None else pa.array(mask))


def maps(rng, keys, values, n, nulls="none"):
    base = lists(rng, lambda count: pa.nulls(count), n, nulls)
    offsets = base.offsets
    count = offsets[-1].as_py() if n else 0
    mask = None if nulls == "none" else base.is_null()
    return pa.MapArray.from_arrays(offsets, keys(count), values(count), mask=mask) if mask is not None else pa.MapArray.from_arrays(
        offsets, keys(count), values(count))


def fixed_lists(rng, items, size, n, nulls="none"):
    mask = _mask(rng, n, nulls)
    return pa.FixedSizeListArray.from_arrays(items(n * size), size, mask=None if mask is None else pa.array(mask))


class Case:
    def __init__(self, name, make, versions=("2.0", "2.1", "2.2"), metadata=None, nullable=True, refused=()):
        self.name, self.make, self.versions, self.metadata, self.nullable, self.refused = name, make, versions, metadata, nullable, refused

    def table(self, n, seed=7):
        rng = np.random.default_rng(seed)
        array = self.make(rng, n)
        field = pa.field("c", array.type, self.nullable, self.metadata)
        return pa.Table.from_arrays([array], schema=pa.schema([field]))


def cases():
    out = []

    def add(name, make, **kw):
        out.append(Case(name, make, **kw))

    structural = ("2.1", "2.2")
    for name in NUMBER_TYPES:
        for shape in SHAPES:
            add(f"{name}-{shape}", lambda rng, n, name=name, shape=shape: numbers(rng, name, shape, n))
    for name in ("int8", "int32", "int64", "float32", "float64", "timestamp"):
        for nulls in ("some", "few", "most", "all", "blocks"):
            add(f"{name}-random-{nulls}", lambda rng, n, name=name, nulls=nulls: numbers(rng, name, "random", n, nulls))
        add(f"{name}-constant-some", lambda rng, n, name=name: numbers(rng, name, "constant", n, "some"))
        add(f"{name}-runs-blocks", lambda rng, n, name=name: numbers(rng, name, "runs", n, "blocks"))
        add(f"{name}-few-some", lambda rng, n, name=name: numbers(rng, name, "few", n, "some"))
        add(f"{name}-required", lambda rng, n, name=name: numbers(rng, name, "small", n), nullable=False)
    add("price-float64", lambda rng, n: pa.array(np.round(rng.gamma(2, 12, n), 2)))
    add("float64-special", lambda rng, n: pa.array(rng.choice([0.0, -0.0, 1.5, float("inf"), -float("inf")], n)))
    for nulls in ("none", "some", "few", "all", "blocks"):
        add(f"bool-random-{nulls}", lambda rng, n, nulls=nulls: pa.array(rng.random(n) < 0.5, mask=_mask(rng, n, nulls)))
    add("bool-constant", lambda rng, n: pa.array(np.ones(n, bool)))
    add("bool-constant-some", lambda rng, n: pa.array(np.ones(n, bool), mask=_mask(rng, n, "some")))
    add("bool-runs", lambda rng, n: pa.array((np.arange(n) // 1000) % 2 == 0))
    add("null", lambda rng, n: pa.nulls(n))
    add("decimal128", lambda rng, n: pa.array([decimal.Decimal(int(v)).scaleb(-2) for v in rng.integers(-10**6, 10**6, n)], pa.decimal128(20, 2)))
    add("decimal128-few", lambda rng, n: pa.array([decimal.Decimal(int(v)) for v in rng.integers(0, 9, n)], pa.decimal128(20, 0)))
    add("decimal256-some", lambda rng, n: pa.array([None if m else decimal.Decimal(i) for i, m in enumerate(_mask(rng, n, "some"))], pa.decimal256(40, 0)))
    add("fsb16-random", lambda rng, n: pa.array([rng.bytes(16) for _ in range(n)], pa.binary(16)))
    add("fsb16-few-some", lambda rng, n: pa.array([None if m else bytes([int(v)]) * 16 for v, m in zip(rng.integers(0, 5, n), _mask(rng, n, "some"))], pa.binary(16)))
    add("fsb3", lambda rng, n: pa.array([rng.bytes(3) for _ in range(n)], pa.binary(3)))
    add("fsb300", lambda rng, n: pa.array([rng.bytes(300) for _ in range(min(n, 3000))], pa.binary(300)))
    add("date64", lambda rng, n: pa.array(rng.integers(0, 20000, n) * 86400000, pa.int64()).view(pa.date64()))

    for shape in STRING_SHAPES:
        add(f"string-{shape}", lambda rng, n, shape=shape: strings(rng, shape, n))
        add(f"string-{shape}-some", lambda rng, n, shape=shape: strings(rng, shape, n, "some"))
    add("string-huge", lambda rng, n: strings(rng, "huge", min(n, 60), "some"))
    add("string-all-null", lambda rng, n: strings(rng, "few", n, "all"))
    add("string-blocks", lambda rng, n: strings(rng, "words", n, "blocks"))
    add("large_string-words", lambda rng, n: strings(rng, "words", n, "some", pa.large_string()))
    add("large_string-few", lambda rng, n: strings(rng, "few", n, "some", pa.large_string()))
    add("large_string-long", lambda rng, n: strings(rng, "long", min(n, 5000), "some", pa.large_string()))
    add("string_view", lambda rng, n: strings(rng, "words", n, "some", pa.string_view()))
    add("binary_view", lambda rng, n: strings(rng, "mixed", n, "some", pa.binary_view()))
    add("binary-words", lambda rng, n: strings(rng, "words", n, "some", pa.binary()))
    add("large_binary-mixed", lambda rng, n: strings(rng, "mixed", n, "some", pa.large_binary()))
    add("binary-1k-random", lambda rng, n: pa.array([rng.bytes(1000) for _ in range(min(n, 2000))]))
    add("binary-16-random", lambda rng, n: pa.array([rng.bytes(16) for _ in range(n)]))

    for nulls in ("none", "some", "all"):
        add(f"fsl4-float-{nulls}", lambda rng, n, nulls=nulls: fixed_lists(rng, lambda c: numbers(rng, "float32", "random", c), 4, n, nulls))
        add(f"fsl128-float-{nulls}", lambda rng, n, nulls=nulls: fixed_lists(rng, lambda c: numbers(rng, "float32", "random", c), 128, min(n, 3000), nulls))
    add("fsl3-inner-nulls", lambda rng, n: fixed_lists(rng, lambda c: numbers(rng, "int32", "random", c, "some"), 3, n, "some"))
    add("fsl100-inner-nulls", lambda rng, n: fixed_lists(rng, lambda c: numbers(rng, "float64", "random", c, "some"), 100, min(n, 2000), "some"))
    add("fsl5-bool", lambda rng, n: fixed_lists(rng, lambda c: pa.array(rng.random(c) < 0.5), 5, n, "some"))
    add("fsl16-bool-inner", lambda rng, n: fixed_lists(rng, lambda c: pa.array(rng.random(c) < 0.5, mask=_mask(rng, c, "some")), 16, n, "some"))
    add("fsl-nested", lambda rng, n: fixed_lists(rng, lambda c: fixed_lists(rng, lambda d: numbers(rng, "int16", "random", d, "some"), 3, c, "some"), 2, n, "some"))

    def dictionary(rng, n, index, values, nulls="none"):
        keys = rng.integers(0, len(values), n) if len(values) else np.zeros(n, int)
        return pa.DictionaryArray.from_arrays(pa.array(keys, index, mask=_mask(rng, n, nulls)), values)

    for nulls in ("none", "some", "all"):
        add(f"dict-string-{nulls}", lambda rng, n, nulls=nulls: dictionary(rng, n, pa.int32(), pa.array([f"value {i}" for i in range(50)]), nulls))
    add("dict-int8-string", lambda rng, n: dictionary(rng, n, pa.int8(), pa.array(["a", "b", ""]), "some"))
    add("dict-large", lambda rng, n: dictionary(rng, n, pa.int32(), pa.array([f"value {i}" for i in range(3000)]), "some"))
    add("dict-null-value", lambda rng, n: dictionary(rng, n, pa.int16(), pa.array(["a", None, "c"]), "some"))

    ints = lambda rng: (lambda c: numbers(rng, "int32", "small", c))
    ints_null = lambda rng: (lambda c: numbers(rng, "int32", "random", c, "some"))
    texts = lambda rng: (lambda c: strings(rng, "words" if c < 20000 else "few", c, "some"))
    for nulls in ("none", "some", "all", "blocks"):
        for empties in (0, 0.3):
            add(f"list-int-{nulls}-{empties}", lambda rng, n, nulls=nulls, e=empties: lists(rng, ints(rng), n, nulls, e))
    add("list-int-nulls", lambda rng, n: lists(rng, ints_null(rng), n, "some"))
    add("list-empty", lambda rng, n: lists(rng, ints(rng), n, "none", 1.0))
    add("list-mostly-empty", lambda rng, n: lists(rng, ints(rng), n, "some", 0.999))
    add("list-long", lambda rng, n: lists(rng, ints_null(rng), min(n, 40), "some", 0.2, 9000))
    add("list-string", lambda rng, n: lists(rng, texts(rng), n, "some"))
    add("list-long-string", lambda rng, n: lists(rng, lambda c: strings(rng, "long", c, "some"), min(n, 1000), "some"))
    add("list-bool", lambda rng, n: lists(rng, lambda c: pa.array(rng.random(c) < 0.5), n, "some"))
    add("large_list-int", lambda rng, n: lists(rng, ints_null(rng), n, "some", large=True))
    add("list-constant", lambda rng, n: lists(rng, lambda c: numbers(rng, "int64", "constant", c), n, "some"))
    add("list-all-null-items", lambda rng, n: lists(rng, lambda c: numbers(rng, "int64", "constant", c, "all"), n, "some"))
    add("list-list", lambda rng, n: lists(rng, lambda c: lists(rng, ints_null(rng), c, "some", 0.2), n, "some", 0.2))
    add("list-list-empty", lambda rng, n: lists(rng, lambda c: lists(rng, ints_null(rng), c, "some", 0.99), min(n, 3000), "some", 0.2, 200))
    add("list-list-list", lambda rng, n: lists(rng, lambda c: lists(rng, lambda d: lists(rng, texts(rng), d, "some"), c, "some"), min(n, 5000), "some"))
    add("list-fsl", lambda rng, n: lists(rng, lambda c: fixed_lists(rng, ints(rng), 3, c, "some"), n, "some"))
    add("list-dict", lambda rng, n: lists(rng, lambda c: dictionary(rng, c, pa.int32(), pa.array(["a", "b", "c"]), "some"), n, "some"), versions=structural)
    add("struct", lambda rng, n: structs(rng, {"a": numbers(rng, "int32", "small", n, "some"), "b": strings(rng, "words", n, "some")}, n))
    add("struct-nulls", lambda rng, n: structs(rng, {"a": numbers(rng, "int32", "small", n, "some"), "b": strings(rng, "few", n, "some")}, n, "some"), versions=structural, refused=("2.0",))
    add("struct-all-null", lambda rng, n: structs(rng, {"a": numbers(rng, "int32", "small", n)}, n, "all"), versions=structural)
    add("struct-child-null", lambda rng, n: structs(rng, {"a": numbers(rng, "int32", "small", n, "all"), "b": pa.nulls(n)}, n, "some"), versions=structural)
    add("struct-deep", lambda rng, n: structs(rng, {"x": structs(rng, {"y": structs(rng, {"z": numbers(rng, "int64", "random", n, "some")}, n, "some")}, n, "some")}, n, "some"), versions=structural)
    add("struct-list", lambda rng, n: structs(rng, {"l": lists(rng, ints_null(rng), n, "some"), "m": lists(rng, texts(rng), n, "some")}, n, "some"), versions=structural)
    add("list-struct", lambda rng, n: lists(rng, lambda c: structs(rng, {"a": numbers(rng, "int32", "small", c, "some"), "b": strings(rng, "few", c, "some")}, c, "some"), n, "some"), versions=structural)
    add("list-struct-valid", lambda rng, n: lists(rng, lambda c: structs(rng, {"a": numbers(rng, "int32", "small", c, "some"), "b": strings(rng, "few", c, "some")}, c), n, "some"))
    add("list-struct-list", lambda rng, n: lists(rng, lambda c: structs(rng, {"a": lists(rng, ints_null(rng), c, "some")}, c, "some"), n, "some"), versions=structural)
    add("empty-struct", lambda rng, n: pa.array([{}] * n, pa.struct([])))
    add("map-string-int", lambda rng, n: maps(rng, lambda c: strings(rng, "words", c), lambda c: numbers(rng, "int64", "small", c, "some"), n, "some"), versions=("2.2",), refused=("2.0", "2.1"))
    add("map-int-list", lambda rng, n: maps(rng, lambda c: numbers(rng, "int32", "random", c), lambda c: lists(rng, texts(rng), c, "some"), n, "none"), versions=("2.2",))
    add("fsl-struct", lambda rng, n: fixed_lists(rng, lambda c: structs(rng, {"a": numbers(rng, "int32", "small", c, "some"), "b": strings(rng, "words", c, "some")}, c, "some"), 3, n, "some"), versions=("2.2",), refused=("2.0", "2.1",))
    add("packed-struct", lambda rng, n: structs(rng, {"a": numbers(rng, "int32", "small", n), "b": numbers(rng, "float64", "random", n)}, n), metadata={"packed": "true"})
    add("packed-struct-nulls", lambda rng, n: structs(rng, {"a": numbers(rng, "int32", "small", n), "b": numbers(rng, "float64", "random", n)}, n, "some"), metadata={"packed": "true"}, versions=structural)

    for key, values in {"lance-encoding:compression": ("zstd", "lz4", "fsst", "none"), "lance-encoding:structural-encoding": ("fullzip", "miniblock")}.items():
        for value in values:
            meta = {key: value}
            add(f"string-words-{value}", lambda rng, n: strings(rng, "words", n, "some"), metadata=meta)
            add(f"string-long-{value}", lambda rng, n: strings(rng, "long", min(n, 3000), "some"), metadata=meta)
            add(f"int32-small-{value}", lambda rng, n: numbers(rng, "int32", "small", n, "some"), metadata=meta)
            add(f"float64-random-{value}", lambda rng, n: numbers(rng, "float64", "random", n), metadata=meta)
            add(f"list-int-{value}", lambda rng, n: lists(rng, ints_null(rng), n, "some"), metadata=meta)
            add(f"fsl4-{value}", lambda rng, n: fixed_lists(rng, lambda c: numbers(rng, "float32", "random", c), 4, n, "some"), metadata=meta)
    return out
