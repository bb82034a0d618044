# SPDX-License-Identifier: Apache-2.0
"""Mounts of datasets and of whole databases, on local disk and on S3, and what happens to the credentials."""
import json
import os
import pathlib
import subprocess

import lance
import pyarrow as pa
import pytest

from mounts import Mount, wait_until
from programs import LANCEFS, environment_without, lancefs


def make(place, name, rows, start=0, mode="create"):
    table = pa.table({"id": pa.array(range(start, start + rows), pa.int64()), "text": [f"text {i}" for i in range(start, start + rows)]})
    return lance.write_dataset(table, place.uri(name), mode=mode, storage_options=place.storage_options)


def environment(place):
    return {**os.environ, **place.env}


def bare_environment():
    return environment_without("AWS_", "S3_")


def ids(path):
    return [json.loads(line)["id"] for line in path.read_text().splitlines()]


def write_options(place, path, mode=0o600):
    text = "# credentials of the test server\n" + "".join(f"{key} = {value}\n" for key, value in (place.storage_options or {}).items())
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_dataset(place):
    make(place, "one.lance", 100)
    make(place, "one.lance", 50, start=100, mode="append")
    with Mount(place.uri("one.lance"), env=environment(place)) as mount:
        root = mount.path
        assert (root / "count").read_text() == "150\n"
        assert ids(root / "rows.jsonl") == list(range(150))
        assert ids(root / "query/filter=id >= 10/limit=3/rows.jsonl") == [10, 11, 12]
        assert (root / "versions/1/count").read_text() == "100\n"
        assert sorted(os.listdir(root / "versions")) == ["1", "2", "latest"]
        assert json.loads((root / "info.json").read_text())["uri"].rstrip("/") == place.uri("one.lance")
        (root / "append/more.jsonl").write_text('{"id": 150, "text": "dropped"}\n')
        assert ids(root / "query/id.ge=149/rows.jsonl") == [149, 150]
        assert (root / "count").read_text() == "151\n"
        # Another machine sees it too.
        seen = lance.dataset(place.uri("one.lance"), storage_options=place.storage_options)
        assert (seen.version, seen.count_rows()) == (3, 151)
        make(place, "one.lance", 1, start=151, mode="append")
        wait_until(lambda: (root / "count").read_text() == "152\n")
        for fragment in seen.get_fragments()[:1]:
            for name in os.listdir(root / f"fragments/{fragment.fragment_id}/files"):
                assert (root / f"fragments/{fragment.fragment_id}/files" / name).read_bytes()[-4:] == b"LANC"


def test_a_database(place):
    make(place, "db/first.lance", 10)
    make(place, "db/second.lance", 20)
    with Mount(f"{place.uri('db')}", env=environment(place)) as mount:
        root = mount.path
        assert set(os.listdir(root)) == {".lancefs", "first", "second"}
        assert ids(root / "first/rows.jsonl") == list(range(10))
        assert ids(root / "second/query/id.gt=17/rows.jsonl") == [18, 19]
        assert (root / "second/versions/1/count").read_text() == "20\n"
        (root / "first/append/a.csv").write_text("id,text\n10,ten\n")
        assert (root / "first/count").read_text() == "11\n"
        # A new table: the folder is ours alone until the first file gives it a schema.
        os.mkdir(root / "third")
        assert lance_versions(place, "db/third.lance") == 0
        (root / "third/append/a.jsonl").write_text('{"x": 1, "y": "a"}\n{"x": 2, "y": null}\n')
        assert (root / "third/count").read_text() == "2\n"
        third = lance.dataset(place.uri("db/third.lance"), storage_options=place.storage_options)
        assert third.to_table().to_pylist() == [{"x": 1, "y": "a"}, {"x": 2, "y": None}]
        assert str(third.schema.field("x").type) == "int64"
        assert set(os.listdir(root)) >= {"first", "second", "third"}
        # One that another program makes appears.
        make(place, "db/fourth.lance", 4)
        wait_until(lambda: (root / "fourth").exists())
        assert (root / "fourth/count").read_text() == "4\n"
        with pytest.raises(FileNotFoundError):
            os.stat(root / "fifth")


def lance_versions(place, name):
    try:
        return lance.dataset(place.uri(name), storage_options=place.storage_options).version
    except ValueError:
        return 0


def test_a_wrong_place_is_refused_by_name(place):
    result = lancefs("mount", place.uri("absent.lance"), "/mnt", "-f", check=False, env=environment(place), timeout=60)
    assert result.returncode == 1 and b"absent.lance" in result.stderr


ON_S3 = pytest.mark.parametrize("place", ["s3"], indirect=True)


@pytest.fixture(scope="module")
def s3(place):
    make(place, "secret.lance", 7)
    return place


@ON_S3
def test_an_options_file(s3, tmp_path):
    options = write_options(s3, tmp_path / "options")
    with Mount(s3.uri("secret.lance"), env=bare_environment(), arguments=["--options-file", options]) as mount:
        assert (mount.path / "count").read_text() == "7\n"
        (mount.path / "append/x.jsonl").write_text('{"id": 7, "text": "x"}\n')
        assert (mount.path / "count").read_text() == "8\n"
    assert lancefs("cat", s3.uri("secret.lance"), "count", "--options-file", options, env=bare_environment()) == b"8\n"


@ON_S3
def test_an_open_options_file_is_refused(s3, tmp_path):
    options = write_options(s3, tmp_path / "open", 0o644)
    for command in (["cat", s3.uri("secret.lance"), "count"], ["mount", s3.uri("secret.lance"), tmp_path, "-f"]):
        result = lancefs(*command, "--options-file", options, check=False, env=bare_environment(), timeout=60)
        assert result.returncode == 1 and b"chmod 600" in result.stderr


@ON_S3
def test_options_beat_the_environment(s3, tmp_path):
    env = {**environment(s3), "AWS_ENDPOINT": "http://127.0.0.1:1", "AWS_SECRET_ACCESS_KEY": "wrong"}
    options = write_options(s3, tmp_path / "options")
    assert lancefs("cat", s3.uri("secret.lance"), "schema.txt", "--options-file", options, env=env)


@pytest.mark.parametrize("key", ["aws_secret_access_key", "AWS_SECRET_ACCESS_KEY", "secret-access-key", "aws_session_token"])
@pytest.mark.parametrize("way", ["-o", "--storage-option"])
def test_a_secret_on_the_command_line_is_refused(tmp_path, key, way):
    for command in (["cat", "s3://bucket/t.lance", "count"], ["mount", "s3://bucket/t.lance", tmp_path, "-f"]):
        result = lancefs(*command, way, f"{key}=hunter2", check=False, timeout=60)
        assert result.returncode == 1, command
        assert b"--options-file" in result.stderr and key.lower().replace("_", "-").encode() in result.stderr.lower().replace(b"_", b"-")
        assert b"hunter2" not in result.stderr + result.stdout


def every_text(folder):
    for path in pathlib.Path(folder).rglob("*"):
        if path.is_file():
            yield path, path.read_bytes()


@ON_S3
@pytest.mark.parametrize("way", ["file", "environment"])
def test_a_secret_is_nowhere_to_be_seen(s3, tmp_path, way):
    secret = s3.storage_options["aws_secret_access_key"].encode()
    options = write_options(s3, tmp_path / "options")
    log = tmp_path / "log"
    arguments = ["--log-level", "debug", "--log-file", log] + (["--options-file", options] if way == "file" else [])
    with Mount(s3.uri("secret.lance"), "debug=on", env=bare_environment() if way == "file" else environment(s3), arguments=arguments) as mount:
        (mount.path / "rows.jsonl").read_bytes()
        with pytest.raises(OSError):
            os.stat(mount.path / "query/filter=idd > 1")
        with pytest.raises(OSError):
            (mount.path / "append/bad.jsonl").write_text('{"nothing": 1}\n')
        (mount.path / "append/good.jsonl").write_text('{"id": 99}\n')
        assert secret not in subprocess.run(["ps", "axww"], capture_output=True, check=True).stdout
        assert secret not in pathlib.Path("/proc/mounts").read_bytes()
        for path, text in list(every_text(mount.path / "status")) + list(every_text(mount.state)) + [(log, log.read_bytes())]:
            assert secret not in text, path
        config = json.loads((mount.path / "status/config.json").read_text())
        if way == "file":
            assert config["aws_secret_access_key"] == "(secret)"
            assert config["aws_endpoint"] == s3.storage_options["aws_endpoint"]
        assert secret not in mount.log.read_bytes()
    assert log.stat().st_size > 0


@ON_S3
def test_wrong_credentials_say_so_without_showing_them(s3):
    env = {**environment(s3), "AWS_SECRET_ACCESS_KEY": "quite-wrong-value"}
    result = lancefs("cat", s3.uri("secret.lance"), "count", check=False, env=env, timeout=60)
    assert result.returncode == 1 and b"quite-wrong-value" not in result.stderr
    assert b"SignatureDoesNotMatch" in result.stderr or b"ermission" in result.stderr or b"denied" in result.stderr.lower()


@ON_S3
def test_in_the_background(s3, tmp_path):
    """Without -f the command comes back when the tree is there, and SIGTERM takes the mount down."""
    (tmp_path / "mnt").mkdir()
    subprocess.run([LANCEFS, "mount", s3.uri("secret.lance"), "mnt", "-o", f"state-dir={tmp_path}/state"], cwd=tmp_path, env=environment(s3), check=True, timeout=30)
    try:
        assert int((tmp_path / "mnt/count").read_text()) >= 7
    finally:
        lancefs("umount", tmp_path / "mnt")
    assert os.listdir(tmp_path / "mnt") == []
