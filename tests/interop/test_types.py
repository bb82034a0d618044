# SPDX-License-Identifier: Apache-2.0
"""Every type that the reference can write, in every file version, as JSON Lines, CSV, Arrow and Parquet: values and types."""
import datetime
import decimal
import io

import lance
import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq
import pytest

import rows_cases
from programs import Adapter, lancefs

VERSIONS = ["0.1", "2.0", "2.1", "2.2"]


def fixed_width():
    """One short array of every fixed-width type, without nulls."""
    out = {"bool": pa.array([True, False, True, True, False, False])}
    for bits in (8, 16, 32, 64):
        out[f"int{bits}"] = pa.array([0, -1, 2 ** (bits - 1) - 1, -(2 ** (bits - 1)), 7, 8], f"int{bits}")
        out[f"uint{bits}"] = pa.array([0, 1, 2**bits - 1, 5, 6, 7], f"uint{bits}")
    for name in ("float16", "float32", "float64"):
        out[name] = pa.array(np.array([0, -0.0, 1.5, np.nan, np.inf, -np.inf], name))
    day = datetime.date(2020, 2, 29)
    out["date32"] = pa.array([day] * 5 + [datetime.date(1, 1, 1)], pa.date32())
    out["date64"] = pa.array([day] * 5 + [datetime.date(9999, 12, 31)], pa.date64())
    for unit, width in (("s", 32), ("ms", 32), ("us", 64), ("ns", 64)):
        out[f"time_{unit}"] = pa.array([0, 1, 2, 3, 4, 86399], f"int{width}").view(getattr(pa, f"time{width}")(unit))
    for unit in ("s", "ms", "us", "ns"):
        for zone in (None, "UTC", "+08:00", "America/St_Johns"):
            out[f"timestamp_{unit}_{str(zone).replace('/', '_')}"] = pa.array([0, 1, -1, 2, 3, 1_600_000_000], pa.int64()).view(pa.timestamp(unit, zone))
        out[f"duration_{unit}"] = pa.array([0, 1, -1, 2, 3, 4], pa.int64()).view(pa.duration(unit))
    out["decimal128"] = pa.array([decimal.Decimal(x) for x in ("0.00", "1.10", "-9.99", "5", "6", "7")], pa.decimal128(38, 2))
    out["decimal256"] = pa.array([decimal.Decimal(x) for x in ("0.00", "1.10", "-9.99", "5", "6", "7")], pa.decimal256(76, 2))
    out["binary3"] = pa.array([b"abc", b"\0\0\0", b"\xff\xfe\xfd"] * 2, pa.binary(3))
    return out


def dictionaries():
    """String and number dictionaries with every index type, with nulls in both places."""
    out = {}
    for bits in (8, 16, 32, 64):
        for sign in ("int", "uint"):
            indices = pa.array([2, 0, None, 1, 2, 2], f"{sign}{bits}")
            out[f"dict_{sign}{bits}"] = pa.DictionaryArray.from_arrays(indices, pa.array(["x", "y", "z,\""]))
    indices = pa.array([2, 0, None, 1, 2, 2], pa.int8())
    for kind in (pa.int64(), pa.float64(), pa.binary(), pa.large_string(), pa.binary(2), pa.date32(), pa.decimal128(9, 2)):
        plain = {pa.binary(): [b"a", b"", b"\0"], pa.large_string(): ["a", "", "é"], pa.binary(2): [b"ab", b"cd", b"ef"],
                 pa.decimal128(9, 2): [decimal.Decimal("1.10"), decimal.Decimal("2"), decimal.Decimal("-3")],
                 pa.date32(): [datetime.date(2020, 1, i) for i in (1, 2, 3)]}.get(kind, [1, 2, 3])
        out[f"dict_of_{kind}"] = pa.DictionaryArray.from_arrays(indices, pa.array(plain, kind))
    return out


def nested():
    out = {}
    for name, array in fixed_width().items():
        items = pa.concat_arrays([array, array])  # 12 items: 6 rows of two
        out[f"fsl_{name}"] = pa.FixedSizeListArray.from_arrays(items, 2)
        mask = pa.array([False, True, False, False, False, True])
        out[f"fsl_null_{name}"] = pa.FixedSizeListArray.from_arrays(items, 2, mask=mask)
        holes = pa.array([i % 3 == 1 for i in range(12)])
        if not pa.types.is_fixed_size_binary(array.type):
            out[f"fsl_holes_{name}"] = pa.FixedSizeListArray.from_arrays(pa.compute.if_else(holes, pa.scalar(None, array.type), items), 2)
        out[f"list_{name}"] = pa.ListArray.from_arrays(pa.array([0, 2, 2, 3, 6, 6, 6], pa.int32()), array)
    out["fsl_fsl"] = pa.FixedSizeListArray.from_arrays(
        pa.FixedSizeListArray.from_arrays(pa.array(range(36), pa.float32()), 3), 2)
    out["list_struct_list"] = pa.array([[{"a": [1, None], "b": "x"}, None], [], None, [{"a": [], "b": None}], [{"a": None, "b": ""}], [None]],
                                       pa.list_(pa.struct([("a", pa.list_(pa.int16())), ("b", pa.string())])))
    out["struct_struct"] = pa.array([{"a": {"b": 1}}, {"a": None}, None, {"a": {"b": None}}, None, {"a": {"b": 2}}],
                                    pa.struct([("a", pa.struct([("b", pa.int32())]))]))
    out["map_of_structs"] = pa.array([[("a", {"x": 1})], [], None, [("b", None), ("c", {"x": None})], [], None],
                                     pa.map_(pa.string(), pa.struct([("x", pa.int8())])))
    out["list_dict"] = pa.ListArray.from_arrays(pa.array([0, 2, 2, 3, 6, 6, 6], pa.int32()), dictionaries()["dict_int32"])
    out["struct_null"] = pa.StructArray.from_arrays([pa.nulls(6), pa.array(range(6))], ["n", "i"])
    out["list_null"] = pa.array([[None], [], None, [None, None], [], [None]], pa.list_(pa.null()))
    out["tensor"] = pa.FixedShapeTensorArray.from_numpy_ndarray(np.arange(24, dtype=np.float32).reshape(6, 2, 2))
    return out


# Fields with metadata: packed structs, extension types by name.
def with_metadata():
    packed = pa.StructArray.from_arrays([pa.array(range(6), pa.int32()), pa.array([1.5] * 6), pa.array([b"ab"] * 6, pa.binary(2))], ["i", "f", "b"])
    bfloat = pa.array([b"\x80\x3f", None, b"\xcd\x3d", b"\x80\xff", b"\xc0\x7f", b"\x00\x00"], pa.binary(2))
    vectors = pa.FixedSizeListArray.from_arrays(pa.array([b"\x80\x3f", b"\x00\x40"] * 6, pa.binary(2)), type=pa.list_(
        pa.field("item", pa.binary(2), metadata={"ARROW:extension:name": "lance.bfloat16"}), 2))
    return {
        "packed": (packed, {"packed": "true"}),
        "packed_new": (packed, {"lance-encoding:packed": "true"}),
        "bfloat16": (bfloat, {"ARROW:extension:name": "lance.bfloat16", "ARROW:extension:metadata": ""}),
        "fsl_bfloat16": (vectors, {}),
        "unknown_extension": (pa.array(range(6), pa.int32()), {"ARROW:extension:name": "some.thing", "ARROW:extension:metadata": "{}"}),
    }


def cases():
    out = {name: (array, None) for name, array in {**rows_cases.columns(), **dictionaries(), **nested()}.items() if name != "bfloat16"}
    out.update({f"plain_{name}": (array, None) for name, array in fixed_width().items()})
    out.update(with_metadata())
    return out


CASES = cases()


def write(table, path, version):
    """Opened anew: who wrote a dictionary of 0.1 still has in memory what the file cannot hold."""
    lance.write_dataset(table, path, data_storage_version="legacy" if version == "0.1" else version)
    return lance.dataset(path, session=lance.Session())


@pytest.fixture(scope="module", params=VERSIONS)
def written(request, tmp_path_factory):
    """name -> dataset, of all columns that the reference takes in this version."""
    folder = tmp_path_factory.mktemp(f"types_{request.param}")
    datasets = {}
    for name, (array, metadata) in CASES.items():
        if request.param == "0.1" and name == "fsl_bfloat16":  # the reference gives the two bytes of each there; we, numbers
            continue
        table = pa.Table.from_arrays([array], schema=pa.schema([pa.field(name, array.type, metadata=metadata)]))
        try:
            path = folder / f"{len(list(folder.iterdir()))}"
            dataset = write(table, path, request.param)
            expected = dataset.to_table()
            expected.validate(full=True)
        except BaseException as error:  # the reference panics on some
            if isinstance(error, KeyboardInterrupt):
                raise
            continue
        datasets[name] = (dataset, expected)
    return request.param, datasets


@pytest.fixture(scope="module")
def adapter():
    adapter = Adapter()
    yield adapter
    adapter.close()


def test_enough_was_written(written):
    version, datasets = written
    assert len(datasets) >= {"0.1": 270, "2.0": 270, "2.1": 275, "2.2": 280}[version], sorted(set(CASES) - set(datasets))


def failures(datasets, check):
    """All columns are looked at before the test fails."""
    problems = {}
    for name, (dataset, expected) in datasets.items():
        try:
            check(name, dataset, expected)
        except (AssertionError, RuntimeError, ValueError, OSError) as error:
            problems[name] = f"{type(error).__name__}: {error}"[:300]
        except Exception as error:  # Refused and what pyarrow raises
            problems[name] = f"{type(error).__name__}: {error}"[:300]
    assert not problems, "\n".join(f"{name}: {text}" for name, text in problems.items())


def test_jsonl(written, adapter):
    def check(name, dataset, expected):
        assert adapter.read(dataset.uri).decode().splitlines() == [line for text in rows_cases.jsonl(expected) for line in text.splitlines()]
    failures(written[1], check)


# As many rows of every column as one table needs.
WIDE_ROWS = 24


@pytest.fixture(scope="module")
def wide(written, tmp_path_factory):
    """One dataset of all columns, and what the reference reads of it."""
    version, datasets = written
    arrays, fields = [], []
    for name in datasets:
        array, metadata = CASES[name]
        arrays.append(pa.concat_arrays([array] * (WIDE_ROWS // len(array) + 1)).slice(0, WIDE_ROWS))
        fields.append(pa.field(name, array.type, metadata=metadata))
    path = tmp_path_factory.mktemp("wide") / version
    dataset = write(pa.Table.from_arrays(arrays, schema=pa.schema(fields)), path, version)
    return dataset, dataset.to_table()


def check_columns(got, expected, check):
    problems = {}
    assert got.column_names == expected.column_names
    for name in expected.column_names:
        try:
            check(name, got.select([name]), expected.select([name]))
        except AssertionError as error:
            problems[name] = str(error)[:300]
    assert not problems, "\n".join(f"{name}: {text}" for name, text in problems.items())


def test_csv(wide):
    dataset, expected = wide
    assert lancefs("cat", dataset.uri, "rows.csv").decode() == rows_cases.csv(expected, ",")


def test_arrow(wide):
    def check(name, got, expected):
        got.validate(full=True)
        assert got.schema[0].type == expected.schema[0].type, (got.schema, expected.schema)
        assert rows_cases.extension_of(got.schema[0]) == rows_cases.extension_of(expected.schema[0])
        assert got.schema[0].nullable == expected.schema[0].nullable
        assert rows_cases.jsonl(got) == rows_cases.jsonl(expected)
    dataset, expected = wide
    check_columns(pa.ipc.open_file(io.BytesIO(lancefs("cat", dataset.uri, "rows.arrow"))).read_all(), expected, check)


def parquet_type(kind):
    """The nearest type that Parquet can hold (docs/formats.md)."""
    if pa.types.is_date64(kind):
        return pa.date32()
    if pa.types.is_time32(kind) and kind.unit == "s":
        return pa.time32("ms")
    if pa.types.is_timestamp(kind) and kind.unit == "s":
        return pa.timestamp("ms", kind.tz)
    if pa.types.is_decimal(kind) and kind.scale < 0:
        return pa.decimal128(kind.precision - kind.scale, 0)
    if pa.types.is_dictionary(kind) and not (pa.types.is_string(kind.value_type) or pa.types.is_binary(kind.value_type)):
        return None
    return kind


def test_parquet(wide):
    dataset, expected = wide
    beyond = {"timestamp_s", "timestamp_s_tz"}  # values beyond what Parquet's milliseconds hold
    expected = expected.drop_columns(sorted(beyond & set(expected.column_names)))
    names = ",".join(f"`{name}`" for name in expected.column_names)
    shorten = lambda lines: [line.replace('.000"', '"').replace('.000Z"', 'Z"') for line in lines]

    def check(name, got, expected):
        assert shorten(rows_cases.jsonl(got)) == shorten(rows_cases.jsonl(expected))
        want = parquet_type(expected.schema[0].type)
        if want is not None and not pa.types.is_nested(expected.schema[0].type):
            assert got.schema[0].type == want
        assert rows_cases.extension_of(got.schema[0]) == rows_cases.extension_of(expected.schema[0])
    check_columns(pq.read_table(io.BytesIO(lancefs("cat", dataset.uri, f"query/select={names}/rows.parquet"))), expected, check)


def test_take_and_filter(written, adapter):
    """Single rows, and rows behind a filter, take other paths through the readers."""
    def check(name, dataset, expected):
        lines = rows_cases.jsonl(expected)
        for offset in (0, len(lines) // 2, len(lines) - 1):
            assert adapter.read(dataset.uri, limit=1, offset=offset).decode().splitlines() == lines[offset].splitlines()
        quoted = f"`{name}`"
        null = [line for line, value in zip(lines, expected.column(0).combine_chunks().is_null().to_pylist()) if value]
        if pa.types.is_dictionary(expected.schema[0].type) or pa.types.is_null(expected.schema[0].type):
            return
        assert adapter.read(dataset.uri, filter=f"{quoted} IS NULL").decode() == "".join(line + "\n" for line in null)
    failures(written[1], check)
