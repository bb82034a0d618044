# SPDX-License-Identifier: Apache-2.0
"""Google Cloud Storage: pylance and the engine read what the other wrote, append side by side, and outlive their tokens."""
import json
import os
import pathlib
import subprocess
import sys
import time
import urllib.request

import lance
import pyarrow as pa
import pytest
from programs import LANCEFS

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "servers"))
from running import find_program  # noqa: E402
from with_gcs import gcs_server  # noqa: E402

FULL = os.environ.get("LANCEFS_FULL") == "1"
WRITERS = 4  # of each kind
APPENDS = 25 if FULL else 5
ROWS = 3
FRAGMENTS = 30


def start_server(**options):
    if os.environ.get("LANCEFS_SKIP_GCS") == "1":
        pytest.skip("LANCEFS_SKIP_GCS=1")
    program = find_program("LANCEFS_GCSEMU", "gcsemu")
    if program is None:
        pytest.fail("no gcsemu: run tests/servers/install_gcsemu.sh or set LANCEFS_SKIP_GCS=1")
    return gcs_server(program, **options)


class Bucket:
    """A server and how to reach it: as pylance's options and as our environment."""

    def __init__(self, variables):
        self.variables = variables
        self.base_url = variables["GCS_BASE_URL"]
        self.options = {"google_base_url": self.base_url, "google_storage_token": variables["GCS_TOKEN"], "allow_http": "true"}
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(("GOOGLE_", "GCE_"))}
        self.environment.update(GOOGLE_BASE_URL=self.base_url, GOOGLE_STORAGE_TOKEN=variables["GCS_TOKEN"], GOOGLE_ALLOW_HTTP="true")

    def uri(self, name):
        return f"gs://{self.variables['GCS_BUCKET']}/{name}"

    def write(self, name, table, **options):
        lance.write_dataset(table, self.uri(name), storage_options=self.options, **options)
        return self.uri(name)

    def stats(self):
        with urllib.request.urlopen(self.base_url + "/_stats", timeout=10) as answer:
            return json.load(answer)

    def signed_in_by(self, home, **variables):
        """The environment with another way to sign in than the static token."""
        environment = {**self.environment, "HOME": str(home), **variables}
        del environment["GOOGLE_STORAGE_TOKEN"]
        return environment

    def lancefs(self, *arguments, environment=None):
        done = subprocess.run([LANCEFS, *map(str, arguments)], env=environment or self.environment, capture_output=True, timeout=180)
        assert done.returncode == 0, done.stderr.decode(errors="replace")
        return done.stdout


@pytest.fixture(scope="module")
def bucket():
    with start_server() as variables:
        yield Bucket(variables)


def numbers(*ids):
    return pa.table({"id": pa.array(ids, pa.int64()), "text": [f"row {i}" for i in ids]})


def lines(*ids):
    return b"".join(b'{"id":%d,"text":"row %d"}\n' % (i, i) for i in ids)


def test_written_by_pylance_and_read_by_the_engine(bucket):
    uri = bucket.write("t 1+2/theirs.lance", numbers(*range(5000)))
    bucket.write("t 1+2/theirs.lance", numbers(5000), mode="append")
    assert bucket.lancefs("cat", uri, "rows.jsonl") == lines(*range(5001))
    assert bucket.lancefs("cat", uri, "query/filter=id >= 4999/rows.jsonl") == lines(4999, 5000)


def test_written_by_the_engine_and_read_by_pylance(bucket, tmp_path):
    uri = bucket.write("ours.lance", numbers(0))
    drop = tmp_path / "drop.jsonl"
    drop.write_bytes(lines(*range(1, 3000)))
    bucket.lancefs("append", uri, drop)
    large = tmp_path / "large.parquet"  # more than a part of an upload
    import pyarrow.parquet as pq
    pq.write_table(pa.table({"id": pa.array([3000, 3001, 3002], pa.int64()), "text": [os.urandom(5 << 20).hex() for _ in range(3)]}), large)
    bucket.lancefs("append", uri, large)
    dataset = lance.dataset(uri, storage_options=bucket.options)
    assert dataset.version == 3
    assert dataset.to_table(filter="id < 3000").equals(numbers(*range(3000)))
    assert dataset.to_table(filter="id >= 3000").equals(pq.read_table(large))


PYLANCE = """
import json, random, sys, time
import lance, pyarrow as pa
uri, writer, appends, rows, options = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), json.loads(sys.argv[5])
for i in range(appends):
    ids = [(writer * 1000 + i) * 10 + r for r in range(rows)]
    table = pa.table({"id": pa.array(ids, pa.int64()), "text": [f"row {n}" for n in ids]})
    for attempt in range(50):
        try:
            lance.write_dataset(table, uri, mode="append", storage_options=options)
            break
        except Exception as error:  # gives up after 20 rounds of its own
            if "onflict" not in str(error):
                raise
            time.sleep(random.random() / 5)
    else:
        sys.exit("50 conflicts")
"""

OURS = """
for i in $(seq 0 $(($4 - 1))); do
  "$1" append "$2" "$3-$i.jsonl" || exit 1
done
"""


def test_writers_of_both_kinds_at_once(bucket, tmp_path):
    uri = bucket.write("crowd.lance", numbers(-1))
    writers = []
    for writer in range(2 * WRITERS):
        if writer < WRITERS:
            command = [sys.executable, "-c", PYLANCE, uri, writer, APPENDS, ROWS, json.dumps(bucket.options)]
        else:
            for i in range(APPENDS):
                (tmp_path / f"{writer}-{i}.jsonl").write_bytes(lines(*[(writer * 1000 + i) * 10 + r for r in range(ROWS)]))
            command = ["sh", "-c", OURS, "sh", LANCEFS, uri, tmp_path / str(writer), APPENDS]
        writers.append(subprocess.Popen([str(word) for word in command], env=bucket.environment, stderr=subprocess.PIPE))
    try:
        for writer in writers:
            _, errors = writer.communicate(timeout=600)
            assert writer.returncode == 0, errors.decode(errors="replace")[-2000:]
    finally:
        for writer in writers:
            writer.kill()
    dataset = lance.dataset(uri, storage_options=bucket.options)
    expected = [-1] + [(w * 1000 + i) * 10 + r for w in range(2 * WRITERS) for i in range(APPENDS) for r in range(ROWS)]
    assert sorted(dataset.to_table()["id"].to_pylist()) == sorted(expected)
    assert dataset.version == 1 + 2 * WRITERS * APPENDS
    ours = sorted(json.loads(line)["id"] for line in bucket.lancefs("cat", uri, "rows.jsonl").splitlines())
    assert ours == sorted(expected)


@pytest.mark.parametrize("way", ["service_account", "key", "external_account", "metadata", "well_known"])
def test_ways_to_sign_in(bucket, tmp_path, way):
    uri = bucket.write(f"{way}.lance", numbers(1, 2))
    variables = bucket.variables
    environment = bucket.signed_in_by(tmp_path)
    if way == "service_account":
        environment["GOOGLE_SERVICE_ACCOUNT"] = variables["GCS_SERVICE_ACCOUNT"]
        del environment["GOOGLE_BASE_URL"]  # the file names the emulator
    elif way == "key":
        environment["GOOGLE_SERVICE_ACCOUNT_KEY"] = pathlib.Path(variables["GCS_SERVICE_ACCOUNT"]).read_text()
    elif way == "external_account":
        environment["GOOGLE_APPLICATION_CREDENTIALS"] = variables["GCS_EXTERNAL_ACCOUNT"]
    elif way == "metadata":
        environment["GCE_METADATA_HOST"] = variables["GCS_METADATA_HOST"]
    else:
        (tmp_path / ".config/gcloud").mkdir(parents=True)
        (tmp_path / ".config/gcloud/application_default_credentials.json").write_bytes(pathlib.Path(variables["GCS_SERVICE_ACCOUNT"]).read_bytes())
    drop = tmp_path / "drop.jsonl"
    drop.write_bytes(lines(3))
    bucket.lancefs("append", uri, drop, environment=environment)
    assert bucket.lancefs("cat", uri, "rows.jsonl", environment=environment) == lines(1, 2, 3)


def test_without_credentials_the_error_says_what_was_tried(bucket, tmp_path):
    environment = bucket.signed_in_by(tmp_path, NO_GCE_CHECK="true")
    done = subprocess.run([LANCEFS, "cat", bucket.uri("any.lance"), "rows.jsonl"], env=environment, capture_output=True, timeout=60)
    assert done.returncode != 0
    for part in ("google_service_account", "application_default_credentials.json", "metadata server"):
        assert part in done.stderr.decode()


@pytest.mark.parametrize("way", ["metadata", "external_account"])
def test_tokens_are_renewed_during_a_scan(tmp_path, way):
    with start_server(token_life=2, delay="60ms") as variables:
        slow = Bucket(variables)
        for i in range(FRAGMENTS):
            uri = slow.write("long.lance", numbers(i), mode="append" if i else "create")
        before = slow.stats()["Issued"]
        more = {"GCE_METADATA_HOST": variables["GCS_METADATA_HOST"]}
        if way == "external_account":
            more = {"GOOGLE_APPLICATION_CREDENTIALS": variables["GCS_EXTERNAL_ACCOUNT"]}
        started = time.monotonic()
        rows = slow.lancefs("cat", uri, "rows.jsonl", environment=slow.signed_in_by(tmp_path, **more))
        taken = time.monotonic() - started
        assert rows == lines(*range(FRAGMENTS))
        assert taken > 2, "the scan ended before its first token"
        assert slow.stats()["Issued"] - before >= 2, "never renewed"
