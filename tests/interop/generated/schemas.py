# SPDX-License-Identifier: Apache-2.0
"""Random columns: names, types nested to depth 4, nullability, the field metadata that steers Lance's encodings."""
import dataclasses

import pyarrow as pa

from .values import Maker

NAMES = ["a", "b", "value", "Value", "A", "with space", "ü", "日本", "select", "from", "null", "a-b", "a/b", "100%", 'quo"te', "it's", "tab\there", "UPPER_lower", "x" * 120,
         "1st", "_private", "emoji🙂", "a:b", "(x)", "[0]", "$var", "back\\slash", "#", "e\u0301"]
CHILD_NAMES = NAMES + ["dot.ted", "end.", "."]  # refused at the top
INDEX_TYPES = [pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()]
BLOB_VERSIONS = ["0.1", "2.0", "2.1", "2.2", "2.3"]
UNITS = ["s", "ms", "us", "ns"]
COMPRESSIONS = ["zstd", "lz4", "fsst", "none"]


@dataclasses.dataclass
class Column:
    """A column and what makes its values: part `i` of a dataset's rows has seed, number and `i`."""

    field: pa.Field
    seed: int
    number: int
    same_shape: bool

    def array(self, rows, part):
        maker = Maker(self.seed, "column", self.number, 0 if self.same_shape else part)
        if self.same_shape:
            maker.g = Maker(self.seed, "fill", self.number, part).g
        return maker.array(self.field.type, rows, self.field.nullable)


def decimal128(r):
    digits = r.randint(1, 38)
    return pa.decimal128(digits, r.choice([0, digits, r.randint(0, digits), -2 if r.random() < 0.2 else digits // 2]))


def fixed_leaf(r):
    return r.choice([pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64(), pa.float16(), pa.float32(), pa.float64(),
                     pa.bool_(), decimal128(r), pa.decimal256(r.randint(39, 76), r.randint(0, 20)),
                     pa.date32(), pa.date64(), pa.time32(r.choice(["s", "ms"])), pa.time64(r.choice(["us", "ns"])), pa.timestamp(r.choice(UNITS)),
                     pa.timestamp(r.choice(UNITS), r.choice(["UTC", "Europe/Berlin", "America/New_York", "+05:30", "-01:00"])), pa.duration(r.choice(UNITS)),
                     pa.binary(r.choice([1, 2, 3, 5, 16, 17, 300]))])


def leaf(r):
    roll = r.random()
    if roll < 0.5:
        return fixed_leaf(r)
    if roll < 0.85:
        return r.choice([pa.utf8(), pa.utf8(), pa.utf8(), pa.large_utf8(), pa.binary(), pa.large_binary()])
    if roll < 0.93:
        values = r.choice([pa.utf8()] * 6 + [pa.large_utf8(), pa.binary(), pa.large_binary(), pa.int64(), pa.float64(), pa.int8(), pa.date32(), pa.binary(4)])
        return pa.dictionary(r.choice(INDEX_TYPES), values, ordered=r.random() < 0.1)
    if roll < 0.96:
        return pa.null()
    return extension(r)


def extension(r):
    made = [pa.fixed_shape_tensor(pa.float32(), [2, 3])] if hasattr(pa, "fixed_shape_tensor") else []
    made += [pa.json_(pa.utf8())] * 3 if hasattr(pa, "json_") else []
    made += [pa.uuid()] * 2 if hasattr(pa, "uuid") else []
    try:
        from lance.arrow import BFloat16Type
        made += [BFloat16Type()] * 2
    except ImportError:
        pass
    return r.choice(made) if made else pa.binary(16)


def blob_type():
    from lance import blob_field
    return blob_field("b").type


def metadata(r, kind, version):
    """Some of the keys that the writer knows."""
    if r.random() < 0.6:
        return None
    types, keys = pa.types, {}
    if isinstance(kind, pa.BaseExtensionType) and kind.extension_name.startswith("lance.blob"):
        return None
    if types.is_struct(kind):
        if r.random() < 0.5:
            keys[r.choice(["lance-encoding:packed", "packed"])] = "true"
    elif types.is_large_binary(kind) and r.random() < 0.5 and version in BLOB_VERSIONS:
        keys["lance-encoding:blob"] = "true"
    else:
        if r.random() < 0.6:
            keys["lance-encoding:compression"] = r.choice(COMPRESSIONS)
            if r.random() < 0.3:
                keys["lance-encoding:compression-level"] = r.choice(["1", "3", "9"])
        for key, values in (("rle-threshold", ["0", "0.3", "1.0"]), ("bss", ["off", "on", "auto"]), ("minichunk-size", ["64", "1000", "8192", "40000"]),
                            ("dict-divisor", ["1", "2", "10"]), ("dict-size-ratio", ["0.1", "0.8", "1.0"]), ("dict-max-size", ["10", "100000"]),
                            ("dict-values-compression", ["lz4", "zstd", "none"])):
            if r.random() < 0.2:
                keys["lance-encoding:" + key] = r.choice(values)
    if r.random() < 0.4:
        keys["lance-encoding:structural-encoding"] = r.choice(["miniblock", "fullzip"] + (["sparse"] * 2 if version == "2.3" else []))
    if r.random() < 0.2:
        keys["comment"] = "ünï \"x\""
    return keys or None


def child(r, name, depth, version, nullable=None):
    kind = any_type(r, depth - 1, version)
    nullable = r.random() < 0.8 if nullable is None else nullable
    return pa.field(name, kind, nullable or pa.types.is_null(kind), metadata(r, kind, version) if r.random() < 0.4 else None)


def any_type(r, depth, version):
    if depth <= 0 or r.random() < 0.55:
        return leaf(r)
    modern = version in ("2.2", "2.3")
    roll = r.random()
    if roll < 0.3:
        return (pa.list_ if r.random() < 0.75 else pa.large_list)(child(r, r.choice(["item", "item", "element", "ü"]), depth, version))
    if roll < 0.55:
        size = r.choice([1, 2, 3, 4, 5, 7, 8, 16, 100])
        if r.random() < (0.25 if modern else 0.08):
            return pa.list_(child(r, "item", depth, version), size if size < 10 else 2)
        return pa.list_(pa.field("item", fixed_leaf(r) if r.random() < 0.5 else r.choice([pa.float32(), pa.float16(), pa.uint8(), pa.bool_()]), r.random() < 0.7), size)
    if roll < (0.68 if modern else 0.57):
        keys = r.choice([pa.utf8(), pa.utf8(), pa.int32(), pa.binary(), pa.date32(), pa.large_utf8(), pa.float64()])
        return pa.map_(keys, child(r, "value", depth, version))
    children = [child(r, name, depth, version) for name in r.sample(CHILD_NAMES, r.choice([1, 1, 2, 2, 2, 3, 3, 4, 5]))]
    if r.random() < 0.02 and not any(has_empty_struct(c.type) for c in children):
        # Only at the end: pylance 14 reads nulls for what stands behind an empty struct in files of 2.1 and later. Packed ones in
        # lists of 2.3 it reads as null in one version of a table and as empty in another.
        children.append(pa.field("without fields", pa.struct([]), r.random() < 0.5, {"packed": "true"} if r.random() < 0.3 and version != "2.3" else None))
        children = children[r.choice([0, 0, -1]):]
    elif any(has_empty_struct(c.type) for c in children[:-1]):
        children = [c for c in children if not has_empty_struct(c.type)] or [pa.field("x", pa.int8())]
    return pa.struct(children)


def has_empty_struct(kind):
    if isinstance(kind, pa.BaseExtensionType):
        return False
    if pa.types.is_struct(kind) and kind.num_fields == 0:
        return True
    return any(has_empty_struct(kind.field(i).type) for i in range(kind.num_fields))


def columns(seed, version):
    """The columns of dataset `seed`; the first is the key."""
    r = Maker(seed, "schema").r
    count = r.choice([1, 2, 3, 3, 4, 5, 6, 8, 12])
    names = r.sample(NAMES, count)
    out = []
    for number, name in enumerate(names):
        kind = any_type(r, r.choice([0, 1, 2, 3, 4]), version)
        if version in BLOB_VERSIONS and version >= "2.2" and r.random() < 0.04:
            kind = blob_type()
        nullable = r.random() < 0.85
        if version == "2.0" and pa.types.is_struct(kind) and r.random() < 0.9:
            nullable = False
        nullable = nullable or pa.types.is_null(kind)
        out.append(Column(pa.field(name, kind, nullable, metadata(r, kind, version)), seed, number + 1, r.random() < 0.5))
    return out
