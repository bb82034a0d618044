# SPDX-License-Identifier: Apache-2.0
"""Small data files written by pylance: one column each, of every file version and encoding; seeds of the fuzz targets.

    make_seeds.py FOLDER
"""
import decimal
import os
import pathlib
import shutil
import sys
import tempfile

import lance
import numpy as np
import pyarrow as pa

ROWS = 400
MAX_BYTES = 40_000


def columns():
    """Name -> array."""
    n = ROWS
    rng = np.random.default_rng(5)
    pair = pa.struct([("a", pa.int32()), ("b", pa.string())])
    numbers = [decimal.Decimal(i) / 4 for i in range(n)]
    return {
        "i32seq": pa.array(np.arange(n, dtype=np.int32)),
        "i64rand": pa.array(rng.integers(-(2**62), 2**62, n)),
        "i64small": pa.array(rng.integers(0, 5, n), pa.int64()),
        "u8null": pa.array([None if i % 3 == 0 else i % 200 for i in range(n)], pa.uint8()),
        "u16": pa.array(rng.integers(0, 1000, n), pa.uint16()),
        "i32run": pa.array(np.repeat(rng.integers(0, 1000, 8), n // 8).astype(np.int32)),
        "const": pa.array([7] * n, pa.int64()),
        "conststr": pa.array(["same value"] * n),
        "bools": pa.array([i % 3 == 0 for i in range(n)]),
        "boolnull": pa.array([None if i % 5 == 0 else i % 3 == 0 for i in range(n)]),
        "f32": pa.array(rng.normal(size=n).astype(np.float32)),
        "f64price": pa.array(np.round(rng.uniform(0, 100, n), 2)),
        "f16": pa.array(rng.normal(size=n).astype(np.float16)),
        "str": pa.array([f"s{i}" * (1 + i % 4) for i in range(n)]),
        "strnull": pa.array([None if i % 4 == 0 else "" if i % 4 == 1 else f"row {i} of them" for i in range(n)]),
        "strdict": pa.array(["red", "green", "blue", None] * (n // 4)),
        "lstr": pa.array([f"x{i % 50}" for i in range(n)], pa.large_string()),
        "bin": pa.array([bytes([i % 256]) * (i % 9) for i in range(n)], pa.binary()),
        "fsb": pa.array([bytes([i % 256]) * 5 for i in range(n)], pa.binary(5)),
        "dict": pa.array(["a", "b", None, "c"] * (n // 4)).dictionary_encode(),
        "dec": pa.array(numbers, pa.decimal128(12, 2)),
        "dec256": pa.array(numbers, pa.decimal256(50, 2)),
        "ts": pa.array(range(n), pa.timestamp("us", "UTC")),
        "t32": pa.array(range(n), pa.time32("s")),
        "d64": pa.array([i * 86_400_000 for i in range(n)], pa.date64()),
        "null": pa.nulls(n),
        "allnull": pa.nulls(n, pa.int32()),
        "allnullstr": pa.nulls(n, pa.string()),
        "sparse": pa.array([i if i % 50 == 0 else None for i in range(n)], pa.int64()),
        "vec": pa.FixedSizeListArray.from_arrays(pa.array(rng.normal(size=n * 4).astype(np.float32)), 4),
        "vecnull": pa.array([None if i % 7 == 0 else [float(i), None, 2.0] for i in range(n)], pa.list_(pa.float32(), 3)),
        "widevec": pa.FixedSizeListArray.from_arrays(pa.array(rng.normal(size=10 * 300).astype(np.float32)), 300),
        "nestvec": pa.array([[[1.0, 2.0], [3.0, 4.0]]] * 20, pa.list_(pa.list_(pa.float64(), 2), 2)),
        "boolvec": pa.array([[True, False, None]] * 50, pa.list_(pa.bool_(), 3)),
        "list": pa.array([None if i % 11 == 0 else list(range(i % 4)) for i in range(n)], pa.list_(pa.int32())),
        "llist": pa.array([[f"v{j}" for j in range(i % 3)] for i in range(n)], pa.large_list(pa.string())),
        "listlist": pa.array([[[1], [], None, [2, 3]][: i % 4] if i % 9 else None for i in range(n)],
                             pa.list_(pa.list_(pa.int16()))),
        "struct": pa.array([{"a": i, "b": f"s{i}"} if i % 5 else None for i in range(n)], pair),
        "structfull": pa.array([{"a": i, "b": f"s{i}"} for i in range(n)], pair),
        "liststruct": pa.array([[{"a": j, "b": None if j else "q"} for j in range(i % 3)] for i in range(n)], pa.list_(pair)),
        "structlist": pa.array([{"l": [1, 2][: i % 3], "v": i} for i in range(n)],
                               pa.struct([("l", pa.list_(pa.int8())), ("v", pa.int64())])),
        "map": pa.array([[(f"k{j}", j) for j in range(i % 3)] for i in range(n)], pa.map_(pa.string(), pa.int32())),
        "fslstruct": pa.array([[{"a": 1, "b": 2.0}, {"a": 3, "b": 4.0}]] * 30,
                              pa.list_(pa.struct([("a", pa.int32()), ("b", pa.float32())]), 2)),
        "packed": pa.array([{"a": i, "b": float(i)} for i in range(n)], pa.struct([("a", pa.int32()), ("b", pa.float32())])),
        "packedvar": pa.array([{"a": i, "b": f"t{i}"} for i in range(n)], pair),
        "bigstr": pa.array([f"z{i}" * 700 for i in range(8)]),
        "bigbin": pa.array([rng.bytes(20_000), None, b""], pa.large_binary()),
        "blob": pa.array([b"blob%d" % i * 10 for i in range(20)], pa.large_binary()),
    }


WISHES = [{}, {"lance-encoding:compression": "zstd"}, {"lance-encoding:compression": "lz4"},
          {"lance-encoding:structural-encoding": "fullzip"},
          {"lance-encoding:bss": "on", "lance-encoding:compression": "lz4"}, {"lance-encoding:rle-threshold": "0.9"},
          {"lance-encoding:dict-divisor": "1"},
          {"lance-encoding:structural-encoding": "fullzip", "lance-encoding:compression": "zstd"},
          {"lance-encoding:compression": "none"}, {"lance-encoding:compression": "fsst"}]
OF_VERSION = {"0.1": [0], "2.0": [0, 1, 2, 9]}  # which wishes mean anything there; elsewhere all


def write(array, metadata, version, place):
    table = pa.table([array], schema=pa.schema([pa.field("c", array.type, metadata=metadata)]))
    with tempfile.TemporaryDirectory() as folder:
        try:
            lance.write_dataset(table, folder + "/x.lance", data_storage_version="legacy" if version == "0.1" else version)
        except BaseException:  # not every type exists in every version, and the writer may panic
            return
        for file in pathlib.Path(folder).glob("x.lance/data/*.lance"):
            if file.stat().st_size <= MAX_BYTES:
                shutil.copy(file, place)


def main():
    out = pathlib.Path(sys.argv[1])
    os.makedirs(out, exist_ok=True)
    for version in ["0.1", "2.0", "2.1", "2.2", "2.3"]:
        for name, array in columns().items():
            for k in OF_VERSION.get(version, range(len(WISHES))):
                metadata = dict(WISHES[k])
                if name.startswith("packed"):
                    metadata |= {"packed": "true", "lance-encoding:packed": "true"}
                if name == "blob":
                    metadata["lance-encoding:blob"] = "true"
                write(array, metadata, version, out / f"v{version.replace('.', '')}_{name}_{k}.lance")


if __name__ == "__main__":
    main()
