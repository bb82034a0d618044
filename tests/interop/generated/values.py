# SPDX-License-Identifier: Apache-2.0
"""Arrays of every type and many shapes, from a seeded generator. Runs under any pyarrow since 14."""
import json
import random

import numpy as np
import pyarrow as pa

ODD_TEXTS = ["", " ", "ü", "日本語テキスト", "🙂🙃", 'a"b', "it's", "back\\slash", "tab\there", "nl\nx", "cr\r\nx", "\x00nul", "\x01\x1f\x7f", "null",
             "NaN", "100%", "\u2028ls", "e\u0301", "\U0010ffff", "x" * 300, "long " * 900]
DOCUMENTS = ['{"a":1}', "[]", "{}", '"text"', "null", "true", "-12.5", '{"k":[1,2,{"x":null}],"ü":"日本"}', "[1,[2,[3,[4]]]]", '{"n":9007199254740993}',
             '{"b":false,"a":"z"}', "1e300", '""', '{"deep":{"deep":{"deep":[{}]}}}']
PATTERNS = ["constant", "few", "runs", "long runs", "sequential", "falling", "random", "small", "sparse", "steps", "extremes"]
NULLS = ["none", "none", "none", "few", "some", "runs", "alternate", "all", "first", "last", "half", "one left", "blocks"]
LENGTHS = ["small", "small", "one", "same", "skewed", "empty", "mostly empty", "first long"]
MOST_ITEMS = 150_000
MOST_BYTES = 6_000_000


class Maker:
    """What decides about one array: `r` chooses shapes, `g` fills them."""

    def __init__(self, *seed):
        self.r = random.Random("/".join(map(str, seed)))
        self.g = np.random.default_rng(self.r.getrandbits(63))

    def chance(self, p):
        return self.r.random() < p

    # numbers ---------------------------------------------------------------------------------------
    def numbers(self, n, pattern=None):
        """int64 in a shape that an encoding likes or dislikes."""
        pattern = pattern or self.r.choice(PATTERNS)
        g, r = self.g, self.r
        if pattern == "constant":
            return np.full(n, r.choice([0, 1, -1, 7, 2**40 + 5, -(2**63), r.getrandbits(40)]), np.int64)
        if pattern == "few":
            return g.choice(g.integers(-(2**63), 2**63 - 1, r.choice([2, 3, 20, 90])) >> r.choice([0, 8, 30, 55]), n)
        if pattern in ("runs", "long runs"):
            lengths = g.integers(1, 40 if pattern == "runs" else 3000, n + 1)
            lengths = lengths[: int(np.searchsorted(np.cumsum(lengths), n)) + 1]
            return np.repeat(g.integers(-500, 10**r.choice([3, 12]), len(lengths)), lengths)[:n]
        if pattern == "sequential":
            return np.arange(n, dtype=np.int64) * r.choice([1, 1, 3, 1000]) + r.choice([0, -50, 2**33])
        if pattern == "falling":
            return r.choice([0, 100, 2**40]) - np.arange(n, dtype=np.int64)
        if pattern == "random":
            return g.integers(-(2**63), 2**63 - 1, n)
        if pattern == "small":
            return g.integers(r.choice([0, 0, -3]), 2 ** r.choice([1, 3, 7, 8, 13, 20]), n)
        if pattern == "sparse":
            return np.where(g.random(n) < 0.01, g.integers(-(2**63), 2**63 - 1, n), 0)
        if pattern == "steps":
            return g.integers(0, 2**62, n) >> ((np.arange(n) // r.choice([64, 1024, 1500])) * 7 % 63)
        return g.choice(np.array([-(2**63), 2**63 - 1, 0, 1, -1, 127, -128, 255, 32767, 65535, 2**31 - 1, -(2**31), 2**32 - 1], np.int64), n)

    def mask(self, n, nullable):
        """True where null; None without nulls."""
        kind = self.r.choice(NULLS) if nullable else "none"
        if kind == "none" or n == 0:
            return None
        g, at = self.g, np.arange(n)
        if kind == "few":
            return g.random(n) < 0.03
        if kind == "some":
            return g.random(n) < self.r.choice([0.2, 0.5, 0.9])
        if kind == "runs":
            return (at // self.r.choice([5, 100, 700])) % 3 == self.r.randrange(3)
        if kind == "alternate":
            return at % 2 == self.r.randrange(2)
        if kind == "all":
            return np.ones(n, bool)
        if kind in ("first", "last"):
            return at == (0 if kind == "first" else n - 1)
        if kind == "half":
            return (at < n // 2) == self.chance(0.5)
        if kind == "one left":
            return at != self.r.randrange(n)
        return (at // 1024) % 2 == 1

    # leaves ------------------------------------------------------------------------------------------
    def fixed(self, kind, n, nullable, dtype, values):
        mask = self.mask(n, nullable)
        data = np.ascontiguousarray(values, dtype)
        validity = None if mask is None else pa.py_buffer(np.packbits(~mask, bitorder="little"))
        return pa.Array.from_buffers(kind, n, [validity, pa.py_buffer(data)])

    def integer(self, kind, n, nullable):
        dtype = np.dtype(kind.to_pandas_dtype())
        numbers = self.numbers(n)
        if self.chance(0.15):
            numbers = self.g.choice(np.array([np.iinfo(dtype).min, np.iinfo(dtype).max, 0], dtype), n)
        return self.fixed(kind, n, nullable, dtype, numbers.astype(dtype))

    def floating(self, kind, n, nullable):
        width = kind.bit_width
        dtype = np.dtype(f"f{width // 8}")
        how = self.r.choice(["unit", "ints", "tenths", "bits", "special", "palette", "normal", "zeros"])
        if how == "bits":
            values = self.g.integers(0, 2 ** min(width, 63), n, dtype=np.uint64).astype(f"u{width // 8}").view(dtype)
        elif how == "special":
            info = np.finfo(dtype)
            values = self.g.choice(np.array([np.nan, np.inf, -np.inf, -0.0, 0.0, info.max, info.min, info.tiny, info.smallest_subnormal, 0.1, 1 / 3], dtype), n)
        elif how == "palette":
            values = self.g.choice(self.g.normal(0, 1e4, self.r.choice([1, 3, 30])), n).astype(dtype)
        elif how == "zeros":
            values = np.where(self.g.random(n) < 0.02, -0.0, 0.0).astype(dtype)
        else:
            values = {"unit": lambda: self.g.random(n), "ints": lambda: self.numbers(n, "small"), "tenths": lambda: np.arange(n) * 0.1, "normal": lambda: self.g.normal(0, 1000, n)}[how]()
        with np.errstate(over="ignore", invalid="ignore"):
            return self.fixed(kind, n, nullable, dtype, np.asarray(values).astype(dtype))

    def boolean(self, kind, n, nullable):
        how = self.r.choice(["random", "rare", "true", "false", "runs"])
        values = {"random": lambda: self.g.random(n) < 0.5, "rare": lambda: self.g.random(n) < 0.01, "true": lambda: np.ones(n, bool),
                  "false": lambda: np.zeros(n, bool), "runs": lambda: (np.arange(n) // 300) % 2 == 0}[how]()
        return pa.array(values, kind, mask=self.mask(n, nullable))

    def decimal(self, kind, n, nullable):
        width = kind.bit_width // 8
        palette = self._wide_integers(10**kind.precision - 1)
        values = pa.Array.from_buffers(kind, len(palette), [None, pa.py_buffer(b"".join(v.to_bytes(width, "little", signed=True) for v in palette))])
        return self.pick(kind, values, n, nullable)

    def _wide_integers(self, top):
        count = self.r.choice([1, 4, 40, 200])
        values = [self.r.randint(-top, top) // 10 ** self.r.randrange(len(str(top))) for _ in range(count)]
        return values + [top, -top, 0, -1] if self.chance(0.6) else values

    def temporal(self, kind, n, nullable):
        width = kind.bit_width
        numbers = self.numbers(n)
        if pa.types.is_time(kind):
            numbers = np.abs(numbers % (86400 * {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[kind.unit]))
        elif pa.types.is_date64(kind):
            numbers = (numbers % 20_000_000 - 10_000_000 if self.chance(0.3) else numbers % 40_000 - 9_000) * 86_400_000
        elif self.chance(0.5):
            numbers = numbers % 3_000_000_000 if width == 64 else numbers % 60_000 - 20_000
        return self.fixed(kind, n, nullable, f"i{width // 8}", numbers.astype(f"i{width // 8}"))

    def pick(self, kind, palette, n, nullable):
        """Values out of a few, in some pattern."""
        values = palette if isinstance(palette, pa.Array) else pa.array(palette, kind)
        at = self.numbers(n) % len(values)
        return values.take(pa.array(at, pa.int64(), mask=self.mask(n, nullable)))

    def text(self, kind, n, nullable):
        binary = pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
        how = self.r.choice(["odd", "numbered", "letters", "letters", "words", "constant", "empty", "links", "long", "huge"])
        if how in ("odd", "words", "constant", "empty", "links"):
            palette = {"odd": lambda: ODD_TEXTS if n < 3000 else ODD_TEXTS[:-1], "words": lambda: [self._word() for _ in range(self.r.choice([2, 12, 300]))], "constant": lambda: [self._word() * 2],
                       "empty": lambda: [""], "links": lambda: [f"https://example.com/{self._word()}/{i}?id={self.r.getrandbits(20)}" for i in range(400)]}[how]()
            return self.pick(kind, [p.encode() for p in palette] if binary else palette, n, nullable)
        if how == "numbered":
            texts = [f"{self.r.choice(['v', 'value ', 'käse'])}{i}" for i in self.numbers(min(n, 5000)).tolist()]
            return self.pick(kind, ([t.encode() for t in texts] if binary else texts) or [b"" if binary else ""], n, nullable)
        most = {"letters": self.r.choice([3, 12, 60]), "long": 1500, "huge": 45_000}[how]
        lengths = self.g.integers(0, most + 1, n)
        if how == "huge":
            lengths = np.where(self.g.random(n) < 5 / max(n, 1), lengths, lengths % 9)
        return self.letters(kind, lengths, binary, self.mask(n, nullable))

    def _word(self):
        return "".join(self.r.choice("abcdefghijklmnopqrstuvwxyzäöü€") for _ in range(self.r.randint(1, 14)))

    def letters(self, kind, lengths, binary, mask):
        lengths = np.where(np.cumsum(lengths) < MOST_BYTES, lengths, 0)
        if mask is not None and self.chance(0.7):
            lengths = np.where(mask, 0, lengths)
        large = pa.types.is_large_binary(kind) or pa.types.is_large_string(kind)
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64 if large else np.int32)
        low, high = (0, 256) if binary and self.chance(0.8) else (97, self.r.choice([99, 110, 123]))
        data = self.g.integers(low, high, int(offsets[-1]), np.uint8)
        validity = None if mask is None else pa.py_buffer(np.packbits(~mask, bitorder="little"))
        return pa.Array.from_buffers(kind, len(lengths), [validity, pa.py_buffer(offsets), pa.py_buffer(data)])

    def fixed_binary(self, kind, n, nullable):
        width = kind.byte_width
        if width == 0 or self.chance(0.3) or n * width > MOST_BYTES:
            return self.pick(kind, [bytes(self.g.integers(0, 256, width, np.uint8)) for _ in range(self.r.choice([1, 7]))], n, nullable)
        return self.fixed(kind, n, nullable, np.uint8, self.g.integers(0, 256, n * width, np.uint8))

    def dictionary(self, kind, n, nullable):
        count = self.r.choice([1, 2, 5, 40, 100])
        values = self.array(kind.value_type, count, False)
        while values.nbytes * n > 4 * MOST_BYTES * count:  # the rows repeat them
            values = self.array(kind.value_type, count, False)
        if self.chance(0.85):
            values = values.unique()
        if self.chance(0.1):
            values = pa.concat_arrays([values, pa.nulls(1, kind.value_type)])
        keys = (self.numbers(n) % len(values)).astype(kind.index_type.to_pandas_dtype())
        return pa.DictionaryArray.from_arrays(pa.array(keys, kind.index_type, mask=self.mask(n, nullable)), values, ordered=kind.ordered)

    # nested ------------------------------------------------------------------------------------------
    def lengths(self, n):
        how, g = self.r.choice(LENGTHS), self.g
        most = max(0, min(4, MOST_ITEMS // max(n, 1)))
        if how == "small":
            return g.integers(0, most + 1, n)
        if how in ("one", "same"):
            return np.full(n, min(most, 1 if how == "one" else 3))
        if how == "skewed":
            return np.where(g.random(n) < min(0.02, 60 / max(n, 1)), g.integers(0, 900, n), g.integers(0, 2, n))
        if how == "empty":
            return np.zeros(n, np.int64)
        if how == "mostly empty":
            return (g.random(n) < 0.05).astype(np.int64) * 2
        return np.where(np.arange(n) == 0, 5000 if n < 500 else 20, g.integers(0, 2, n))

    def offsets(self, n, nullable):
        lengths, mask = self.lengths(n), self.mask(n, nullable)
        if mask is not None and self.chance(0.7):  # else there are items under the nulls
            lengths = np.where(mask, 0, lengths)
        return np.concatenate([[0], np.cumsum(lengths)]), mask

    def list(self, kind, n, nullable):
        offsets, mask = self.offsets(n, nullable)
        large = pa.types.is_large_list(kind)
        items = self.array(kind.value_type, int(offsets[-1]), kind.value_field.nullable)
        maker = pa.LargeListArray if large else pa.ListArray
        # An array without nulls is made by its buffers: the makers want a mask or offsets alone.
        validity = None if mask is None else pa.py_buffer(np.packbits(~mask, bitorder="little"))
        buffer = pa.py_buffer(offsets.astype(np.int64 if large else np.int32))
        return maker.from_buffers(kind, n, [validity, buffer], children=[items])

    def map(self, kind, n, nullable):
        offsets, mask = self.offsets(n, nullable)
        total = int(offsets[-1])
        entries = pa.StructArray.from_arrays([self.array(kind.key_type, total, False), self.array(kind.item_type, total, kind.item_field.nullable)],
                                             fields=[kind.key_field, kind.item_field])
        validity = None if mask is None else pa.py_buffer(np.packbits(~mask, bitorder="little"))
        return pa.MapArray.from_buffers(kind, n, [validity, pa.py_buffer(offsets.astype(np.int32))], children=[entries])

    def fixed_list(self, kind, n, nullable):
        items = self.array(kind.value_type, n * kind.list_size, kind.value_field.nullable and self.chance(0.4))
        mask = self.mask(n, nullable)
        validity = None if mask is None else pa.py_buffer(np.packbits(~mask, bitorder="little"))
        return pa.FixedSizeListArray.from_buffers(kind, n, [validity], children=[items])

    def struct(self, kind, n, nullable):
        fields = [kind.field(i) for i in range(kind.num_fields)]
        children = [self.array(f.type, n, f.nullable) for f in fields]
        mask = self.mask(n, nullable)
        validity = None if mask is None else pa.py_buffer(np.packbits(~mask, bitorder="little"))
        return pa.StructArray.from_buffers(kind, n, [validity], children=children)

    def extension(self, kind, n, nullable):
        if kind.extension_name == "arrow.json":
            return pa.ExtensionArray.from_storage(kind, self.pick(kind.storage_type, DOCUMENTS, n, nullable))
        if kind.extension_name == "lance.blob.v2":
            return self.blob(n, nullable)
        return pa.ExtensionArray.from_storage(kind, self.array(kind.storage_type, n, nullable))

    def blob(self, n, nullable):
        """Small ones stay in the page, those of over 64 KiB go to a file of their own kind."""
        from lance import blob_array
        values = self.text(pa.large_binary(), n, nullable).to_pylist()
        for _ in range(self.r.choice([0, 0, 2])):
            if n:
                values[self.r.randrange(n)] = self.g.integers(0, 256, self.r.choice([65_535, 65_537, 200_000]), np.uint8).tobytes()
        return blob_array(values)

    def array(self, kind, n, nullable):
        types = pa.types
        if isinstance(kind, pa.BaseExtensionType):
            return self.extension(kind, n, nullable)
        for test, make in ((types.is_null, lambda *_: pa.nulls(n)), (types.is_boolean, self.boolean), (types.is_integer, self.integer),
                           (types.is_floating, self.floating), (types.is_decimal, self.decimal), (types.is_temporal, self.temporal),
                           (types.is_fixed_size_binary, self.fixed_binary), (types.is_dictionary, self.dictionary), (types.is_struct, self.struct),
                           (types.is_map, self.map), (types.is_fixed_size_list, self.fixed_list),
                           (lambda k: types.is_list(k) or types.is_large_list(k), self.list)):
            if test(kind):
                return make(kind, n, nullable)
        return self.text(kind, n, nullable)


assert all(json.loads(text) is not ... for text in DOCUMENTS)
