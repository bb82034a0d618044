# SPDX-License-Identifier: Apache-2.0
"""The include rules of docs/architecture.md: which of our folders, and which of the big libraries, a folder may include."""
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)

# folder -> (our folders it may include, big libraries it may include). What an allowed folder may include is allowed, too.
BASE = {"base/"}
FORMAT = BASE | {"backends/object_store.h", "engine/format/", "engine/arrow_status.h"}
SQL = BASE | {"engine/sql/", "engine/arrow_status.h", "engine/rows/jsonb.h"}
ENGINE = FORMAT | SQL | {"engine/table/", "engine/scan/", "engine/write/", "engine/rows/"}
RULES = {
    "base/": (BASE, set()),
    "backends/http/": (BASE | {"backends/http/"}, {"curl"}),
    "backends/auth/": (BASE | {"backends/auth/", "backends/http/", "backends/xml.h"}, {"openssl"}),
    "backends/": (BASE | {"backends/"}, set()),
    "engine/format/": (FORMAT, {"arrow", "google"}),
    "engine/sql/": (SQL, {"arrow"}),
    "engine/table/": (ENGINE | {"backends/coordination.h"}, {"arrow", "parquet", "google"}),
    "engine/": (ENGINE, {"arrow", "parquet", "google"}),
    "fs/fuse_adapter": (BASE | ENGINE | {"fs/"}, {"arrow", "fuse"}),
    "fs/": (BASE | ENGINE | {"fs/"}, {"arrow"}),
}
BIG = {"arrow": "arrow", "parquet": "parquet", "google/protobuf": "google", "curl": "curl", "openssl": "openssl", "fuse": "fuse", "fuse3": "fuse"}
OURS = ("base/", "backends/", "engine/", "fs/", "tools/", "tests/")


def rule_for(path):
    name = path.relative_to(ROOT).as_posix()
    for prefix, rule in sorted(RULES.items(), key=lambda item: -len(item[0])):
        if name.startswith(prefix):
            return rule
    return None


def sources():
    for folder in ("base", "backends", "engine", "fs"):
        yield from (p for p in sorted((ROOT / folder).rglob("*")) if p.suffix in (".h", ".cc"))


def library_of(header):
    head = header.split("/")[0]
    if header.startswith("google/protobuf"):
        return "google"
    if head.endswith(".h") and head.startswith("fuse"):
        return "fuse"
    return BIG.get(head) if "/" in header else None


def violations(path, source):
    ours, libraries = rule_for(path)
    found = []
    for kind, header in INCLUDE.findall(source):
        if kind == '"' and header.startswith(OURS):
            if not any(header.startswith(allowed) for allowed in ours):
                found.append(header)
        else:
            library = library_of(header)
            if library is not None and library not in libraries:
                found.append(header)
    return found


def test_every_layer_includes_only_what_its_row_allows():
    checked = 0
    problems = []
    for path in sources():
        checked += 1
        problems += [f"{path.relative_to(ROOT)} includes {header}" for header in violations(path, path.read_text())]
    assert checked > 20
    assert problems == []


def test_the_check_sees_a_violation():
    path = ROOT / "engine/sql/example.cc"
    assert violations(path, '#include "engine/table/dataset.h"\n#include <fuse_lowlevel.h>\n#include <arrow/api.h>\n') == [
        "engine/table/dataset.h", "fuse_lowlevel.h"]
    assert violations(ROOT / "base/example.h", "#include <arrow/api.h>\n") == ["arrow/api.h"]


def test_every_source_has_its_licence_line_first():
    for path in sources():
        first = path.read_text().split("\n", 1)[0]
        assert first == "// SPDX-License-Identifier: Apache-2.0", path
