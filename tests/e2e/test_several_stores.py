# SPDX-License-Identifier: Apache-2.0
"""Datasets of several stores at once, local and remote: rows from one into another, and options that each store has for itself."""
import json
import os
import shutil
import subprocess

import lance
import pyarrow as pa
import pytest

from mounts import Mount
from programs import LANCEFS, environment_without, lancefs

ON_S3 = pytest.mark.parametrize("place", ["s3"], indirect=True)
TABLE = pa.table({"id": pa.array(range(1000), pa.int64()), "text": [f"text {i}, \"x\"\n" if i % 7 else None for i in range(1000)],
                  "list": [[i, None] for i in range(1000)], "when": pa.array(range(1000), pa.timestamp("us")), "d": pa.array([i % 9 / 3 for i in range(1000)], pa.float32())})


@pytest.fixture
def local(tmp_path):
    lance.write_dataset(TABLE, str(tmp_path / "local.lance"), max_rows_per_file=300)
    return tmp_path / "local.lance"


@pytest.fixture(params=["file", "environment"])
def s3(request, place, tmp_path):
    """(place, words, environment): the credentials come from a file or from the environment."""
    env = environment_without("AWS_", "S3_")
    if request.param == "environment":
        return place, [], {**env, **place.env}
    return place, ["--options-file", write(tmp_path / "options", lines(place))], env


def lines(place):
    return "".join(f"{key} = {value}\n" for key, value in place.storage_options.items())


def write(path, text):
    path.write_text(text)
    path.chmod(0o600)
    return path


def remote(place, name, table=TABLE):
    uri = place.uri(f"{name}-{os.urandom(4).hex()}.lance")
    lance.write_dataset(table, uri, storage_options=place.storage_options)
    return uri


def table_of(uri, place=None):
    return lance.dataset(str(uri), storage_options=place.storage_options if place else None).to_table()


@ON_S3
def test_rows_of_one_store_into_another(s3, local, tmp_path):
    place, words, env = s3
    there = remote(place, "there", TABLE.slice(0, 10))
    lancefs("append", there, local, *words, env=env)
    assert table_of(there, place).equals(pa.concat_tables([TABLE.slice(0, 10), TABLE]))
    lancefs("append", local, there, "--path", "query/filter=id < 3/rows.parquet", *words, env=env)
    assert table_of(local)["id"].to_pylist()[1000:] == [0, 1, 2, 0, 1, 2]
    new = tmp_path / "new.lance"
    result = json.loads(lancefs("create", new, there, "--json", *words, env=env))
    assert (result["rows"], result["version"]) == (1010, 1)
    assert table_of(new).equals(table_of(there, place))
    # One version a source.
    version = lance.dataset(str(new)).version
    lancefs("append", new, local, there, *words, env=env)
    assert lance.dataset(str(new)).version == version + 2 and lance.dataset(str(new)).count_rows() == 1010 + 1006 + 1010
    assert not [name for name in os.listdir(tmp_path) if name.startswith("lancefs-rows")]


@ON_S3
def test_pipes_between_commands(s3, local):
    place, words, env = s3
    there = remote(place, "pipe", TABLE.slice(0, 1))
    options = " ".join(map(str, words))
    for source in ("rows.arrows", "rows.parquet", "query/id.lt=500/rows.jsonl"):
        name = source.rsplit(".", 1)[1]
        subprocess.run(["bash", "-ec", f"{LANCEFS} append {there} <({LANCEFS} cat {local} {source}) --format {name} {options}"], env=env, check=True, timeout=60)
    subprocess.run(["bash", "-ec", f"set -o pipefail; {LANCEFS} cat {there} rows.csv {options} | {LANCEFS} append {local} - --format csv"], env=env, check=True, timeout=60)
    subprocess.run(["bash", "-ec", f"set -o pipefail; {LANCEFS} cat {there} rows.arrows {options} | {LANCEFS} append {local} -"], env=env, check=True, timeout=60)
    assert lance.dataset(there, storage_options=place.storage_options).count_rows() == 2501
    assert lance.dataset(str(local)).count_rows() == 1000 + 2 * 2501


def test_what_breaks_off_is_not_committed(local, tmp_path):
    stream = lancefs("cat", local, "rows.arrows")
    for text in (b"", stream[:-8], stream[:5000], b'{"id": 1}\n{"id": '):
        words = ["--format", "arrows" if text[:1] != b"{" else "jsonl"]
        result = subprocess.run([LANCEFS, "append", local, "-", *words], input=text, capture_output=True, timeout=60, check=False)
        assert result.returncode == 1, len(text)
    for source, words in ((tmp_path / "none.lance", []), (local, ["--path", "query/filter=idd > 1/rows.arrows"]), (local, ["--path", "rows.nothing"]),
                          (local, ["--path", "versions"]), (tmp_path / "options", ["--path", "rows.arrows"])):
        write(tmp_path / "options", "")
        assert lancefs("append", local, source, *words, check=False, timeout=60).returncode == 1, source
    assert lance.dataset(str(local)).version == 1
    assert not [name for name in os.listdir("/var/tmp") if name.startswith("lancefs-rows-") and os.stat(f"/var/tmp/{name}").st_mtime > os.stat(local).st_mtime]


@ON_S3
def test_every_store_has_its_own_options(place, local, tmp_path):
    """Two places whose keys differ, in one process."""
    env = environment_without("AWS_", "S3_")
    one, other = remote(place, "one"), remote(place, "other")
    wrong = "aws_secret_access_key = wrong-secret-4711\n"
    # What stands before the sections is wrong for all but what has a section.
    file = write(tmp_path / "a", f"{lines(place)}{wrong}[{one}]\naws-secret-access-key = {place.storage_options['aws_secret_access_key']}\n")
    assert lancefs("cat", one, "count", "--options-file", file, env=env) == b"1000\n"
    assert lancefs("cat", other, "count", "--options-file", file, env=env, check=False).returncode == 1
    assert lancefs("append", one, other, "--options-file", file, env=env, check=False).returncode == 1
    assert lancefs("append", other, one, "--options-file", file, env=env, check=False).returncode == 1
    # The other way round.
    file = write(tmp_path / "b", f"{lines(place)}[{one}]\n{wrong}")
    assert lancefs("cat", one, "count", "--options-file", file, env=env, check=False).returncode == 1
    assert lancefs("append", other, local, "--options-file", file, env=env)
    assert lance.dataset(one, storage_options=place.storage_options).version == 1
    both = write(tmp_path / "c", f"{wrong}" + "".join(f"[{uri}]\n{lines(place)}" for uri in (one, other)))
    lancefs("append", one, other, "--options-file", both, env=env)
    assert lance.dataset(one, storage_options=place.storage_options).count_rows() == 3000


@ON_S3
def test_tables_of_a_database_with_options_of_their_own(place, tmp_path):
    env = environment_without("AWS_", "S3_")
    database = place.uri(f"tables-{os.urandom(4).hex()}")
    for name in ("first", "second"):
        lance.write_dataset(TABLE.slice(0, 5), f"{database}/{name}.lance", storage_options=place.storage_options)
    file = write(tmp_path / "options", f"{lines(place)}[table second]\naws_secret_access_key = wrong-secret-4711\n")
    with Mount(database, env=env, arguments=["--options-file", file]) as mount:
        assert (mount.path / "first/count").read_text() == "5\n"
        shutil.copy(mount.path / "first/rows.jsonl", mount.path / "first/append/again.jsonl")
        assert (mount.path / "first/count").read_text() == "10\n"
        with pytest.raises(OSError):
            (mount.path / "second/count").read_text()
    assert lancefs("cat", f"{database}/second.lance", "count", "--options-file", file, env=env, check=False).returncode == 1
    assert lancefs("cat", f"{database}/first.lance", "count", "--options-file", file, env=env) == b"10\n"
    file = write(tmp_path / "mended", f"{lines(place)}[table second]\ntimeout = 20s\n")
    with Mount(database, env=env, arguments=["--options-file", file]) as mount:
        (mount.path / "second/append/more.jsonl").write_text('{"id": 5}\n')
        assert (mount.path / "second/count").read_text() == "6\n"
        assert (mount.path / "second/raw/_versions").is_dir()


@ON_S3
def test_base_paths_have_options_of_their_own(place, tmp_path):
    env = environment_without("AWS_", "S3_")
    uri, base = place.uri(f"based-{os.urandom(4).hex()}.lance"), place.uri(f"base-{os.urandom(4).hex()}")
    lance.write_dataset(TABLE, uri, storage_options=place.storage_options, initial_bases=[lance.DatasetBasePath(base, "far", True, 1)], target_bases=["far"])
    right = write(tmp_path / "right", lines(place))
    assert lancefs("cat", uri, "query/id.lt=2/select=id/rows.csv", "--options-file", right, env=env) == b"id\n0\n1\n"
    for wrong in ("base_1.aws_secret_access_key = wrong-secret-4711\n", f"[{base}]\nsecret_access_key = wrong-secret-4711\n"):
        file = write(tmp_path / "wrong", lines(place) + wrong)
        assert lancefs("cat", uri, "schema.txt", "--options-file", file, env=env)
        result = lancefs("cat", uri, "query/id.lt=2/rows.csv", "--options-file", file, env=env, check=False)
        assert result.returncode == 1 and result.stdout == b"", wrong
    other = write(tmp_path / "other", lines(place) + "base_2.aws_secret_access_key = wrong-secret-4711\n")
    assert lancefs("cat", uri, "query/id.lt=1/select=id/rows.csv", "--options-file", other, env=env) == b"id\n0\n"


@ON_S3
def test_two_mounts_of_two_stores(place, local):
    there = remote(place, "mounted", TABLE.slice(0, 10))
    with Mount(there, env={**os.environ, **place.env}) as far, Mount(local, env={**os.environ, "AWS_SECRET_ACCESS_KEY": "unused-secret-4711"}) as near:
        shutil.copy(near.path / "query/id.lt=5/rows.arrow", far.path / "append/from-near.arrow")
        shutil.copy(far.path / "rows.parquet", near.path / "append/from-far.parquet")
        assert (far.path / "count").read_text() == "15\n" and (near.path / "count").read_text() == "1015\n"
    assert table_of(local)["id"].to_pylist()[1000:] == list(range(10)) + list(range(5))


def test_unknown_options_are_named_once(local, tmp_path):
    file = write(tmp_path / "options", "aws_regoin = x\nazure_storage_account_name = me\nrefresh = 1s\n[table x]\nendpiont = y\n")
    result = lancefs("cat", local, "count", "-o", "timeuot=1s", "--options-file", file, "--log-file", tmp_path / "log", check=False)
    assert result.returncode == 0 and result.stdout == b"1000\n"
    text = result.stderr.decode()
    for key, nearest in (("aws_regoin", "aws_region"), ("endpiont", "endpoint"), ("timeuot", "timeout")):
        assert text.count(f"'{key}' is not known") == 1 and f"did you mean '{nearest}'?" in text
        assert (tmp_path / "log").read_text().count(f"event=unknown_option option={key} nearest={nearest}") == 1
    assert "azure" not in text and "refresh" not in text
    with Mount(local, "rfresh=1s", arguments=["--options-file", file]) as mount:
        assert (mount.path / "count").read_text() == "1000\n"
    assert mount.last_log.count(b"event=unknown_option option=rfresh nearest=refresh") == 1
