# SPDX-License-Identifier: Apache-2.0
"""What .clang-format would say without clang-format: no C++ line is wider than it allows; every source names its licence."""
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
LIMIT = int(re.search(r"ColumnLimit:\s*(\d+)", (ROOT / ".clang-format").read_text()).group(1))


def sources(*suffixes):
    listed = subprocess.run(["git", "-C", ROOT, "ls-files"], stdout=subprocess.PIPE, check=True, text=True).stdout.split("\n")
    return [ROOT / name for name in listed if name.endswith(suffixes) and (ROOT / name).exists()]


def test_no_line_is_too_wide():
    wide = [f"{path.relative_to(ROOT)}:{number}" for path in sources(".h", ".cc") for number, line in enumerate(path.read_text().split("\n"), 1)
            if len(line) > LIMIT and 'R"(' not in line]
    assert wide == []


def test_every_source_names_its_licence():
    files = sources(".h", ".cc", ".c", ".py", ".java", ".go", ".sh")
    assert len(files) > 200
    assert [str(path.relative_to(ROOT)) for path in files if "SPDX-License-Identifier: Apache-2.0" not in path.read_text()[:200]] == []
