# SPDX-License-Identifier: Apache-2.0
"""Manifest files as bytes: looking at their fields and changing them, without the program's own reader
(docs/lance/table.md 2). What is not named here is kept as it is."""
import pathlib
import struct


def varint(number):
    out = b""
    number &= 2**64 - 1
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def _read_varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


class Message:
    """Fields in wire order, by number; subclasses name some: name -> (number, kind), kind = int, bytes, str, [int] (packed)
    or a subclass of Message, in a list when repeated."""
    FIELDS = {}

    def __init__(self, data=b""):
        parts, at = [], 0
        while at < len(data):
            key, at = _read_varint(data, at)
            wire = key & 7
            if wire == 0:
                value, at = _read_varint(data, at)
            elif wire == 2:
                size, at = _read_varint(data, at)
                value, at = data[at : at + size], at + size
            else:
                size = {1: 8, 5: 4}[wire]
                value, at = data[at : at + size], at + size
            parts.append([key >> 3, wire, value])
        self.__dict__["parts"] = parts

    def __getattr__(self, name):
        number, kind = self.FIELDS[name]
        values = [part for part in self.parts if part[0] == number]
        if isinstance(kind, list) and kind[0] is int:
            out = []
            for _, wire, value in values:
                at = 0
                while wire == 2 and at < len(value):
                    item, at = _read_varint(value, at)
                    out.append(item - 2**64 if item >> 63 else item)
            return out
        if isinstance(kind, list) or issubclass(kind, Message):
            cls = kind[0] if isinstance(kind, list) else kind
            for part in values:  # parsed once, so that changes stay
                if not isinstance(part[2], Message):
                    part[2] = cls(part[2])
            messages = [part[2] for part in values]
            return messages if isinstance(kind, list) else (messages[-1] if messages else None)
        if not values:
            return kind()
        return values[-1][2].decode() if kind is str else values[-1][2]

    def __setattr__(self, name, value):
        number, kind = self.FIELDS[name]
        self.clear(name)
        if kind is int:
            self.parts.append([number, 0, value])
        else:
            self.parts.append([number, 2, value.encode() if kind is str else value])

    def has(self, name):
        return any(part[0] == self.FIELDS[name][0] for part in self.parts)

    def clear(self, name):
        self.parts[:] = [part for part in self.parts if part[0] != self.FIELDS[name][0]]

    def encode(self):
        out = b""
        for number, wire, value in self.parts:
            out += varint(number << 3 | wire)
            if wire == 0:
                out += varint(value)
            else:
                body = value.encode() if isinstance(value, Message) else value
                out += (varint(len(body)) if wire == 2 else b"") + body
        return out


class DeletionFile(Message):
    FIELDS = {"file_type": (1, int), "read_version": (2, int), "id": (3, int), "num_deleted_rows": (4, int), "base_id": (7, int)}


class DataFile(Message):
    FIELDS = {"path": (1, str), "fields": (2, [int]), "columns": (3, [int]), "size": (6, int), "base_id": (7, int)}


class Fragment(Message):
    FIELDS = {"id": (1, int), "files": (2, [DataFile]), "deletion_file": (3, DeletionFile), "physical_rows": (4, int), "row_ids": (5, bytes)}


class Manifest(Message):
    FIELDS = {"fragments": (2, [Fragment]), "version": (3, int), "index_section": (6, int), "reader": (9, int), "writer": (10, int),
              "max_fragment_id": (11, int), "transaction_file": (12, str), "writer_version": (13, bytes), "next_row_id": (14, int), "transaction_section": (23, int),
              "max_allocated_field_id": (24, int), "future": (99, str)}


def manifest_path(uri, version):
    name = f"d{version}.manifest" if version >> 63 else f"{2**64 - 1 - version:020}.manifest"
    path = pathlib.Path(uri) / "_versions" / name
    return path if path.exists() else path.with_name(f"{version}.manifest")


def read_manifest(uri, version):
    """(the message, the index section's bytes, the transaction section's)"""
    data = manifest_path(uri, version).read_bytes()
    (at,) = struct.unpack_from("<q", data, len(data) - 16)

    def section(offset):
        (length,) = struct.unpack_from("<I", data, offset)
        return data[offset + 4 : offset + 4 + length]

    manifest = Manifest(section(at))
    index = section(manifest.index_section) if manifest.has("index_section") else b""
    transaction = section(manifest.transaction_section) if manifest.has("transaction_section") else b""
    return manifest, index, transaction


def rewrite_manifest(uri, version, change, transaction=True):
    """Writes the manifest again as `change(message)` made it, with its index section and, if wanted, its transaction."""
    manifest, index, inline = read_manifest(uri, version)
    change(manifest)
    out = b""
    for field, body in (("index_section", index), ("transaction_section", inline if transaction else b"")):
        manifest.clear(field)
        if body:
            setattr(manifest, field, len(out))
            out += struct.pack("<I", len(body)) + body
    body = manifest.encode()
    out += struct.pack("<I", len(body)) + body + struct.pack("<qHH", len(out), 0, 2) + b"LANC"
    manifest_path(uri, version).write_bytes(out)
