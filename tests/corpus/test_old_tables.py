# SPDX-License-Identifier: Apache-2.0
"""Tables that old writers left behind, in this folder so that they are read everywhere: every version as pylance reads it."""
import json
import pathlib
import shutil

import lance
import pyarrow as pa
import pytest

import canonical
from programs import Adapter, lancefs

OLD = pathlib.Path(__file__).parent / "old"
TABLES = sorted(p.name for p in OLD.iterdir() if p.is_dir())


@pytest.fixture(scope="module")
def adapter():
    adapter = Adapter()
    yield adapter
    adapter.close()


def test_they_are_here():
    assert len(TABLES) == 8


@pytest.mark.parametrize("name", TABLES)
def test_every_version(adapter, name):
    uri = str(OLD / name)
    dataset = lance.dataset(uri)
    info = json.loads(adapter.ask("info", uri))
    assert [v["version"] for v in info["versions"]] == [v["version"] for v in dataset.versions()]
    for entry in info["versions"]:
        at = lance.dataset(uri, version=entry["version"])
        assert entry["rows"] == at.count_rows()
        assert adapter.read(uri, version=entry["version"]) == canonical.jsonl(at.to_table())
        if at.schema.names:
            columns = at.schema.names[:1] + ["_rowid"]
            assert adapter.read(uri, version=entry["version"], select=columns) == canonical.jsonl(at.to_table(columns=columns))


@pytest.mark.parametrize("name", TABLES)
def test_the_files_are_sound(name):
    report = json.loads(lancefs("verify", "--deep", OLD / name, "--json", check=False).stdout)
    twice = ["table: 2 fragments have the id 1"] if name.endswith("no_fix") else []
    missing = [p for p in report["problems"] if "transaction file" in p]
    assert [p for p in report["problems"] if p not in missing] == twice


@pytest.mark.parametrize("name", TABLES)
def test_appending_gives_what_pylance_takes_or_is_refused(adapter, tmp_path, name):
    uri = tmp_path / name
    shutil.copytree(OLD / name, uri)
    before = lance.dataset(uri)
    rows = before.to_table().slice(0, 1)
    if rows.num_rows == 0:
        rows = pa.Table.from_pylist([{}], before.schema)
    with pa.ipc.new_file(tmp_path / "more.arrow", rows.schema) as writer:
        writer.write_table(rows)
    result = lancefs("append", uri, tmp_path / "more.arrow", check=False)
    if result.returncode != 0:
        assert b"0.1" in result.stderr or b"have the id 1" in result.stderr, result.stderr
        assert lance.dataset(uri).version == before.version
        return
    after = lance.dataset(uri)
    after.validate()
    assert after.to_table() == pa.concat_tables([before.to_table(), rows])
    assert adapter.read(str(uri)) == canonical.jsonl(after.to_table())
