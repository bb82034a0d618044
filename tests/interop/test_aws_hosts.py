# SPDX-License-Identifier: Apache-2.0
"""What has fixed AWS hosts: the lookup of a bucket's region, S3 Express. The hosts are led to this machine by the variable
LANCEFS_TEST_CONNECT_TO; certificates are checked for the real names."""
import json
import os
import subprocess
import time

import lance
import pyarrow as pa
import pytest
from aws_mock import AwsMock
from programs import LANCEFS, environment_without
from running import make_certificate

pytestmark = pytest.mark.parametrize("place", ["s3"], indirect=True)

EXPRESS = "lance--use1-az4--x-s3"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = make_certificate(tmp_path_factory.mktemp("tls") / "certs", "*.s3.amazonaws.com", "s3.amazonaws.com", "s3.us-east-1.amazonaws.com",
                              "*.s3.us-east-1.amazonaws.com", "*.s3express-use1-az4.us-east-1.amazonaws.com")
    return folder / "public.crt", folder / "private.key"


def environment(place, mock, certificate, hosts, **more):
    keep = {k: v for k, v in environment_without("AWS_").items() if not k.lower().endswith("_proxy")}
    return {**keep, "HOME": "/nonexistent", "AWS_EC2_METADATA_DISABLED": "true", "SSL_CERT_FILE": str(certificate[0]),
            "AWS_ACCESS_KEY_ID": place.storage_options["aws_access_key_id"],
            "AWS_SECRET_ACCESS_KEY": place.storage_options["aws_secret_access_key"],
            "LANCEFS_TEST_CONNECT_TO": ",".join(f"{host}:443:127.0.0.1:{mock.port}" for host in hosts), **more}


def run(*arguments, env, check=True, data=None):
    done = subprocess.run([LANCEFS, *map(str, arguments)], env=env, capture_output=True, timeout=120, input=data)
    if check:
        assert done.returncode == 0, done.stderr.decode()
    return done


@pytest.fixture(scope="module")
def table(place):
    uri = place.uri("hosts.lance")
    lance.write_dataset(pa.table({"id": pa.array(range(10), pa.int64())}), uri, storage_options=place.storage_options)
    return uri


def test_the_region_is_asked_of_s3_once(place, table, certificate):
    bucket = table.split("/")[2]
    hosts = [f"{bucket}.s3.amazonaws.com", "s3.us-east-1.amazonaws.com"]
    with AwsMock(place.storage_options, certificate) as mock:
        # AWS_DEFAULT_REGION comes behind the answer.
        env = environment(place, mock, certificate, hosts, AWS_DEFAULT_REGION="eu-west-3")
        assert run("cat", table, "count", env=env).stdout.strip() == b"10"
        asked = [request for request in mock.requests if request[1] == hosts[0]]
        assert asked == [("HEAD", hosts[0], "/")]
        assert all(host == hosts[1] and path.startswith(f"/{bucket}") for _, host, path in mock.requests[1:])
        mock.requests.clear()
        run("cat", table, "count", env={**env, "AWS_REGION": "us-east-1"})
        assert [request for request in mock.requests if request[1] == hosts[0]] == []


def test_virtual_hosted_style_on_aws(place, table, certificate):
    """MinIO is asked with the bucket in the path and cannot check this signature: that the requests go to the right host is enough."""
    bucket = table.split("/")[2]
    host = f"{bucket}.s3.us-east-1.amazonaws.com"
    with AwsMock(place.storage_options, certificate) as mock:
        env = environment(place, mock, certificate, [host], AWS_REGION="us-east-1", AWS_VIRTUAL_HOSTED_STYLE_REQUEST="true")
        run("cat", table, "count", env=env, check=False)
        assert mock.requests and all(asked == host and not path.startswith(f"/{bucket}") for _, asked, path in mock.requests)


def test_a_bucket_that_does_not_exist(place, certificate):
    with AwsMock(place.storage_options, certificate) as mock:
        mock.missing_buckets = {"no-such-bucket"}
        env = environment(place, mock, certificate, ["no-such-bucket.s3.amazonaws.com"])
        done = run("cat", "s3://no-such-bucket/t.lance", "count", env=env, check=False)
        assert done.returncode != 0
        assert "bucket 'no-such-bucket' does not exist" in done.stderr.decode()


def test_without_an_answer_the_settings_decide(place, table, certificate, tmp_path):
    """Nobody answers for the region (a private network): the profile's, then AWS_DEFAULT_REGION."""
    bucket = table.split("/")[2]
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "config").write_text("[profile p]\nregion = us-east-1\n")
    with AwsMock(place.storage_options, certificate) as mock:
        env = environment(place, mock, certificate, ["s3.us-east-1.amazonaws.com"])
        env["LANCEFS_TEST_CONNECT_TO"] += f",{bucket}.s3.amazonaws.com:443:127.0.0.1:1"
        assert run("cat", table, "count", env={**env, "AWS_DEFAULT_REGION": "us-east-1"}).stdout.strip() == b"10"
        named = {**env, "AWS_DEFAULT_REGION": "eu-west-3", "AWS_PROFILE": "p", "HOME": str(tmp_path)}
        assert run("cat", table, "count", env=named).stdout.strip() == b"10"


@pytest.fixture
def express(place, certificate):
    host = f"{EXPRESS}.s3express-use1-az4.us-east-1.amazonaws.com"
    with AwsMock(place.storage_options, certificate, {EXPRESS: os.environ["S3_BUCKET"]}) as mock:
        yield mock, environment(place, mock, certificate, [host], AWS_REGION="us-east-1")


def test_express_reads_and_appends(place, express, tmp_path):
    mock, env = express
    name = place.uri("express.lance").split("/", 3)[3]
    lance.write_dataset(pa.table({"id": pa.array(range(100), pa.int64())}), place.uri("express.lance"), storage_options=place.storage_options)
    uri = f"s3://{EXPRESS}/{name}"
    assert run("cat", uri, "count", env=env).stdout.strip() == b"100"
    assert len(mock.sessions) == 1, "one session serves all requests"
    for i in range(12):
        drop = tmp_path / f"{i}.jsonl"
        drop.write_text(json.dumps({"id": 1000 + i}) + "\n")
        run("append", uri, drop, env=env)
    assert run("cat", uri, "count", env=env).stdout.strip() == b"112"
    assert mock.bad_requests == []
    theirs = lance.dataset(place.uri("express.lance"), storage_options=place.storage_options)
    assert theirs.count_rows() == 112 and theirs.version == 13
    # The newest version is found by the hint that the last writer left, and past it where it is old.
    mock.requests.clear()
    assert run("cat", uri, "count", env=env).stdout.strip() == b"112"
    paths = [path for _, _, path in mock.requests]
    assert any("latest_version_hint.json" in path for path in paths)
    assert not any("list-type" in path and "_versions" in path for path in paths), paths
    lance.write_dataset(pa.table({"id": pa.array([1], pa.int64())}), place.uri("express.lance"), mode="append",
                        storage_options=place.storage_options)  # to them the bucket is an ordinary one: no hint
    assert run("cat", uri, "count", env=env).stdout.strip() == b"113"


def test_express_sessions_are_renewed(place, express):
    mock, env = express
    mock.session_life, mock.throttle = 3, 0.15
    name = place.uri("sessions.lance").split("/", 3)[3]
    for i in range(30):
        lance.write_dataset(pa.table({"id": pa.array([i], pa.int64())}), place.uri("sessions.lance"), mode="append" if i else "create",
                            storage_options=place.storage_options)
    started = time.monotonic()
    assert run("cat", f"s3://{EXPRESS}/{name}", "rows.jsonl", env=env).stdout == b"".join(b'{"id":%d}\n' % i for i in range(30))
    assert time.monotonic() - started > 3
    assert len(mock.sessions) >= 2


def test_express_without_a_region_says_so(place, certificate, express):
    mock, env = express
    env.pop("AWS_REGION")
    env["LANCEFS_TEST_CONNECT_TO"] += f",{EXPRESS}.s3.amazonaws.com:443:127.0.0.1:1"
    done = run("cat", f"s3://{EXPRESS}/t.lance", "count", env=env, check=False)
    assert done.returncode != 0
    assert "set aws_region" in done.stderr.decode(), done.stderr.decode()
