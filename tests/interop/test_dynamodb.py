# SPDX-License-Identifier: Apache-2.0
"""s3+ddb://: a table whose versions are listed in DynamoDB (docs/lance/table.md 7.6), by pylance and by us, also when either is
killed at any request of its commit."""
import http.client
import itertools
import json
import multiprocessing
import os
import re
import subprocess
import sys
import threading
import time
import urllib.parse

import lance
import pyarrow as pa
import pyarrow.fs
import pytest

import sigv4
import with_dynamodb
from mounts import Mount, wait_until
from programs import LANCEFS, lancefs
from s3_proxy import S3Proxy

TABLE = "lancefs_versions"
FULL = os.environ.get("LANCEFS_FULL") == "1"
APPENDS = 25 if FULL else 6
FORK = multiprocessing.get_context("forkserver")
FORK.set_forkserver_preload(["lance", "pyarrow"])


class Dynamo:
    """Tables by way of the raw protocol; the server takes any signature."""

    def __init__(self, endpoint):
        self.endpoint = endpoint

    def call(self, operation, **request):
        connection = http.client.HTTPConnection(urllib.parse.urlsplit(self.endpoint).netloc, timeout=30)
        connection.request("POST", "/", json.dumps(request), {
            "X-Amz-Target": f"DynamoDB_20120810.{operation}", "Content-Type": "application/x-amz-json-1.0", "X-Amz-Date": "20260101T000000Z",
            "Authorization": "AWS4-HMAC-SHA256 Credential=key/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0"})
        answer = connection.getresponse()
        body = json.loads(answer.read())
        connection.close()
        assert answer.status == 200, body
        return body

    def create(self, name, hash_key=("base_uri", "S"), range_key=("version", "N")):
        keys = [k for k in (hash_key, range_key) if k]
        self.call("CreateTable", TableName=name, BillingMode="PAY_PER_REQUEST",
                  KeySchema=[{"AttributeName": k, "KeyType": t} for (k, _), t in zip(keys, ("HASH", "RANGE"))],
                  AttributeDefinitions=[{"AttributeName": k, "AttributeType": t} for k, t in keys])

    def items(self, key, table=TABLE):
        found = self.call("Query", TableName=table, KeyConditionExpression="base_uri = :b", ConsistentRead=True,
                          ExpressionAttributeValues={":b": {"S": key}})["Items"]
        return {int(item["version"]["N"]): {name: next(iter(value.values())) for name, value in item.items()} for item in found}

    def put(self, **attributes):
        self.call("PutItem", TableName=TABLE, Item={name: {"N" if isinstance(value, int) else "S": str(value)} for name, value in attributes.items()})


class World:
    """The bucket and the table; `s3` and `ddb` are where clients reach them."""

    def __init__(self, dynamo, s3=None, ddb=None):
        self.dynamo = dynamo
        self.options = {
            "aws_access_key_id": os.environ["S3_ACCESS_KEY"],
            "aws_secret_access_key": os.environ["S3_SECRET_KEY"],
            "aws_region": os.environ["S3_REGION"],
            "aws_endpoint": s3 or os.environ["S3_ENDPOINT"],
            "dynamodb_endpoint": ddb or dynamo.endpoint,
            "allow_http": "true",
        }
        self.env = {**os.environ, **{(k if k.startswith("aws") else k.replace("allow_http", "aws_allow_http")).upper(): v for k, v in self.options.items()}}
        self.bucket = os.environ["S3_BUCKET"]
        self.files = pa.fs.S3FileSystem(access_key=self.options["aws_access_key_id"], secret_key=self.options["aws_secret_access_key"],
                                        region=self.options["aws_region"], scheme="http",
                                        endpoint_override=urllib.parse.urlsplit(os.environ["S3_ENDPOINT"]).netloc)

    def through(self, s3, ddb):
        return World(self.dynamo, s3.endpoint, ddb.endpoint)

    def uri(self, key, table=TABLE):
        return f"s3+ddb://{self.bucket}/{key}?ddbTableName={table}"

    def objects(self, key):
        found = self.files.get_file_info(pa.fs.FileSelector(f"{self.bucket}/{key}", recursive=True, allow_not_found=True))
        return {f.path.removeprefix(f"{self.bucket}/{key}/"): f.size for f in found if f.type == pa.fs.FileType.File}

    def copy(self, key, to):
        """Another table in exactly the same state."""
        for name in self.objects(key):
            self.files.create_dir(f"{self.bucket}/{to}/{name.rpartition('/')[0]}", recursive=True)
            self.files.copy_file(f"{self.bucket}/{key}/{name}", f"{self.bucket}/{to}/{name}")
        for version, item in self.dynamo.items(key).items():
            sizes = {"size": int(item["size"])} if "size" in item else {}
            self.dynamo.put(base_uri=to, version=version, path=item["path"].replace(key, to), committer=item["committer"], **sizes)

    def state(self, key):
        """What a table consists of, without what is random in it."""
        return (sorted(name for name in self.objects(key) if name.startswith("_versions/")),
                {v: {**item, "base_uri": "", "path": item["path"].removeprefix(key)} for v, item in self.dynamo.items(key).items()})


def table_of(ids):
    return pa.table({"id": pa.array(ids, pa.int64())})


class Pylance:
    name = "pylance"

    def __init__(self, world):
        self.world = world

    def create(self, key, ids):
        lance.write_dataset(table_of(ids), self.world.uri(key), storage_options=self.world.options)

    def append(self, key, ids):
        lance.write_dataset(table_of(ids), self.world.uri(key), mode="append", storage_options=self.world.options)

    def read(self, key, version=None):
        dataset = lance.dataset(self.world.uri(key), version=version, storage_options=self.world.options)
        return dataset.version, dataset.to_table()["id"].to_pylist()

    def start(self, action, key, *arguments):
        process = FORK.Process(target=run_pylance, args=(action, self.world.uri(key), self.world.options, *arguments), daemon=True)
        process.start()
        return process


def run_pylance(action, uri, options, *arguments):
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # what it says when its servers go away
    if action == "append":
        lance.write_dataset(table_of(arguments[0]), uri, mode="append", storage_options=options)
    else:
        lance.dataset(uri, storage_options=options).to_table()


class Ours:
    name = "ours"

    def __init__(self, world, folder):
        self.world = world
        self.folder = folder

    def file(self, ids):
        path = self.folder / f"{ids[0]}-{ids[-1]}.jsonl"
        path.write_text("".join(f'{{"id": {i}}}\n' for i in ids))
        return path

    def create(self, key, ids):
        lancefs("create", self.world.uri(key), self.file(ids), env=self.world.env)

    def append(self, key, ids):
        lancefs("append", self.world.uri(key), self.file(ids), env=self.world.env)

    def read(self, key, version=None):
        at = f"versions/{version}/" if version else ""
        info = json.loads(lancefs("cat", self.world.uri(key), f"{at}info.json", env=self.world.env))
        rows = lancefs("cat", self.world.uri(key), f"{at}rows.jsonl", env=self.world.env)
        return info["version"], [json.loads(line)["id"] for line in rows.splitlines()]

    def start(self, action, key, *arguments):
        command = ["append", self.world.uri(key), self.file(arguments[0])] if action == "append" else ["cat", self.world.uri(key), "rows.jsonl"]
        return subprocess.Popen([LANCEFS, *command], env=self.world.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    if "S3_ENDPOINT" not in os.environ:
        if os.environ.get("LANCEFS_SKIP_S3") == "1":
            pytest.skip("no S3 server")
        pytest.fail("no S3 server; run through tests/servers/with_minio.py or set LANCEFS_SKIP_S3=1")
    if os.environ.get("LANCEFS_SKIP_DYNAMODB") == "1":
        pytest.skip("LANCEFS_SKIP_DYNAMODB=1")
    with with_dynamodb.serve(tmp_path_factory.mktemp("dynamodb")) as endpoint:
        dynamo = Dynamo(endpoint)
        dynamo.create(TABLE)
        yield World(dynamo)


@pytest.fixture
def sides(world, tmp_path):
    return {"pylance": Pylance(world), "ours": Ours(world, tmp_path)}


numbers = itertools.count()


@pytest.fixture
def key():
    return f"ddb-{os.getpid()}/{next(numbers)}.lance"


OTHER = {"ours": "pylance", "pylance": "ours"}
FINAL = re.compile(r"_versions/\d{20}\.manifest")
STAGED = re.compile(r"_versions/\d{20}\.manifest-[0-9a-f-]{36}")


@pytest.mark.parametrize("first", ["ours", "pylance"])
def test_each_reads_and_continues_what_the_other_wrote(sides, key, world, first):
    sides[first].create(key, [1, 2])
    sides[OTHER[first]].append(key, [3])
    sides[first].append(key, [4])
    for side in sides.values():
        assert side.read(key) == (3, [1, 2, 3, 4])
        assert side.read(key, 2) == (2, [1, 2, 3])
    names, items = world.state(key)
    assert len(names) == 3 and all(FINAL.fullmatch(name) for name in names)
    assert sorted(items) == [1, 2, 3]
    sizes = world.objects(key)
    for item in items.values():
        assert item["committer"] == "lancedb" and set(item) == {"base_uri", "version", "path", "committer", "size"}
        assert sizes[item["path"].removeprefix("/")] == int(item["size"])


def test_the_table_and_the_uri_are_checked(sides, key, world):
    world.dynamo.create("other_keys", ("base_uri", "S"), ("number", "N"))
    world.dynamo.create("text_versions", ("base_uri", "S"), ("version", "S"))
    world.dynamo.create("no_range", ("base_uri", "S"), None)
    for table, word in {"other_keys": "base_uri", "text_versions": "base_uri", "no_range": "base_uri", "absent": "absent"}.items():
        refused = lancefs("info", world.uri(key, table), check=False, env=world.env)
        assert refused.returncode != 0 and word in refused.stderr.decode(), refused.stderr
    base = f"s3+ddb://{world.bucket}/{key}"
    for query in ["", "?", "?ddbTableName=", "?table=x", "?ddbTableName=x&y=z", "?ddbtablename=x", "?ddbTableName=x%20y"]:
        refused = lancefs("info", base + query, check=False, env=world.env)
        assert refused.returncode != 0 and "ddbTableName" in refused.stderr.decode() or "x%20y" in refused.stderr.decode(), refused.stderr


def test_requests_are_signed(sides, key, world):
    faults = []
    with S3Proxy(world.dynamo.endpoint) as ddb:
        def check(request):
            wrong = sigv4.fault(request.method, request.path, request.headers, request.body, world.options["aws_secret_access_key"], "dynamodb")
            faults.append(wrong) if wrong else None
            return False
        ddb.before = check
        side = Ours(World(world.dynamo, None, ddb.endpoint), sides["ours"].folder)
        side.create(key, [1])
        side.append(key, [2])
        assert side.read(key) == (2, [1, 2])
        targets = [r.headers["x-amz-target"].partition(".")[2] for r in ddb.requests]
    assert faults == []
    assert targets.count("DescribeTable") == 4  # one a process
    assert targets.count("PutItem") == 4


def test_a_table_from_before_it_was_listed(sides, key, world):
    lance.write_dataset(table_of([1]), f"s3://{world.bucket}/{key}", storage_options=world.options)
    lance.write_dataset(table_of([2]), f"s3://{world.bucket}/{key}", mode="append", storage_options=world.options)
    assert sides["ours"].read(key) == (2, [1, 2])
    assert sides["ours"].read(key, 1) == (1, [1])
    assert sides["pylance"].read(key) == (2, [1, 2])
    sides["ours"].append(key, [3])
    assert sorted(world.dynamo.items(key)) == [3]
    for side in sides.values():
        assert side.read(key) == (3, [1, 2, 3])


def test_a_mounted_database(sides, world):
    """Tables of a directory, new ones too; each drop is a version in the list."""
    root = f"ddb-{os.getpid()}/mounted"
    sides["pylance"].create(f"{root}/there.lance", [1, 2])
    with Mount(world.uri(root), env=world.env) as mount:
        assert sorted(name for name in os.listdir(mount.path) if not name.startswith(".")) == ["there"]
        (mount.path / "there/append/more.jsonl").write_text('{"id": 3}\n')
        (mount.path / "new").mkdir()
        (mount.path / "new/append/first.jsonl").write_text('{"id": 7}\n')
        assert (mount.path / "there/rows.jsonl").read_text() == '{"id":1}\n{"id":2}\n{"id":3}\n'
        info = json.loads((mount.path / "new/info.json").read_text())
        assert info["uri"] == world.uri(f"{root}/new.lance")
        sides["pylance"].append(f"{root}/new.lance", [8])
        wait_until(lambda: (mount.path / "new/count").read_text().strip() == "2")
    assert sides["pylance"].read(f"{root}/there.lance") == (2, [1, 2, 3])
    assert sorted(world.dynamo.items(f"{root}/there.lance")) == sorted(world.dynamo.items(f"{root}/new.lance")) == [1, 2]


# ---- Killed at the n-th request ------------------------------------------------------------------


class Killer:
    """Proxies before both services; the client dies when it makes its n-th request to them, which is not carried out."""

    def __init__(self, world, nth):
        self.world = world
        self.nth = nth
        self.made = 0
        self.process = None
        self.armed = threading.Event()
        self.lock = threading.Lock()

    def __enter__(self):
        self.s3, self.ddb = S3Proxy(os.environ["S3_ENDPOINT"]).__enter__(), S3Proxy(self.world.dynamo.endpoint).__enter__()
        self.s3.before = self.ddb.before = self.count
        return self

    def __exit__(self, *_):
        self.s3.__exit__()
        self.ddb.__exit__()

    def count(self, _):
        with self.lock:
            self.made += 1
            if self.made < self.nth:
                return False
        self.armed.wait(30)
        self.process.kill()
        return True

    def run(self, side, action, *arguments):
        """Whether the client came to its end."""
        self.process = side.start(action, *arguments)
        self.armed.set()
        if isinstance(self.process, subprocess.Popen):
            return self.process.wait(60) == 0
        self.process.join(60)
        return self.process.exitcode == 0


def compare_and_continue(world, sides, key, base, rows_if_committed):
    """Both sides take the same half-done table as it is; each result must be the same, and go on with the other's writes."""
    committed = len(base) // 2 + 1 in world.dynamo.items(key)  # the version after the base's
    expected = base + (rows_if_committed if committed else [])
    seen = {}
    for name, side in sides.items():
        mine = key.replace(".lance", f"-{name}.lance")
        world.copy(key, mine)
        seen[name] = side.read(mine), world.state(mine)
        sides[OTHER[name]].append(mine, [90])
        side.append(mine, [91])
        for reader in sides.values():
            assert reader.read(mine)[1] == expected + [90, 91]
        names, items = world.state(mine)
        assert all(FINAL.fullmatch(item["path"].removeprefix("/")) for item in items.values())
    assert seen["ours"] == seen["pylance"]
    assert seen["ours"][0][1] == expected
    return committed


BASE = [0, 1]  # one version
# Before these, the writers only read and upload data, and the reader looks at the table.
FIRST = {"ours": 1, "pylance": 1} if FULL else {"ours": 6, "pylance": 7}
FIRST_OF_READER = 1 if FULL else 3


@pytest.fixture(scope="module")
def seeds(world, tmp_path_factory):
    key = f"ddb-{os.getpid()}/seed.lance"
    Pylance(world).create(key, BASE)
    return key


@pytest.mark.parametrize("writer", ["ours", "pylance"])
def test_a_writer_killed_at_every_request(sides, key, world, seeds, writer, tmp_path):
    outcomes = []
    for nth in itertools.count(FIRST[writer]):
        mine = key.replace(".lance", f"-{nth}.lance")
        world.copy(seeds, mine)
        with Killer(world, nth) as killer:
            there = world.through(killer.s3, killer.ddb)
            finished = killer.run(Ours(there, tmp_path) if writer == "ours" else Pylance(there), "append", mine, [10, 11, 12])
        try:
            outcomes.append(compare_and_continue(world, sides, mine, BASE, [10, 11, 12]))
        except AssertionError as error:
            raise AssertionError(f"killed at request {nth}: {error}") from error
        if finished:
            break
        assert nth < 40
    assert outcomes == sorted(outcomes) and not outcomes[0] and outcomes[-1]
    assert sum(outcomes) >= 4  # reserved; copied; entered; deleted
    print(writer, len(outcomes), "requests,", sum(outcomes), "after the version was taken")


@pytest.mark.parametrize("reader", ["ours", "pylance"])
def test_a_reader_killed_while_it_completes_a_commit(sides, key, world, seeds, reader, tmp_path):
    staged = key.replace(".lance", "-staged.lance")
    world.copy(seeds, staged)
    with S3Proxy(os.environ["S3_ENDPOINT"]) as s3, S3Proxy(world.dynamo.endpoint) as ddb:
        # A writer that dies at the copy.
        dying = Ours(world.through(s3, ddb), tmp_path)
        process = []

        def kill_at_copy(request):
            if "x-amz-copy-source" in {name.lower() for name in request.headers}:
                while not process:
                    time.sleep(0.01)
                process[0].kill()
                return True
            return False
        s3.before = kill_at_copy
        process.append(dying.start("append", staged, [10, 11]))
        assert process[0].wait(60) != 0
    assert STAGED.fullmatch(world.state(staged)[1][2]["path"].removeprefix("/"))
    for nth in itertools.count(FIRST_OF_READER):
        mine = key.replace(".lance", f"-{nth}.lance")
        world.copy(staged, mine)
        with Killer(world, nth) as killer:
            there = world.through(killer.s3, killer.ddb)
            finished = killer.run(Ours(there, tmp_path) if reader == "ours" else Pylance(there), "read", mine)
        try:
            assert compare_and_continue(world, sides, mine, BASE, [10, 11])
        except AssertionError as error:
            raise AssertionError(f"killed at request {nth}: {error}") from error
        if finished:
            assert nth >= 5
            break
        assert nth < 40


def test_any_lost_answer_is_made_out(key, world, seeds, tmp_path):
    """The writer lives on: its answer to the n-th request is lost after the service did its work."""
    for nth in itertools.count(1):
        mine = key.replace(".lance", f"-{nth}.lance")
        world.copy(seeds, mine)
        made = itertools.count(1)
        with S3Proxy(os.environ["S3_ENDPOINT"]) as s3, S3Proxy(world.dynamo.endpoint) as ddb:
            s3.after = ddb.after = lambda request: next(made) == nth
            side = Ours(world.through(s3, ddb), tmp_path)
            side.append(mine, [10, 11])
            lost = next(made) > nth
        assert Pylance(world).read(mine) == (2, BASE + [10, 11]), nth
        names, _ = world.state(mine)
        assert len(names) == 2, (nth, names)
        if not lost:
            assert nth > 8
            break


# ---- At once -------------------------------------------------------------------------------------


def append_many_with_pylance(uri, options, writer):
    for i in range(APPENDS):
        for attempt in range(60):
            try:
                lance.write_dataset(table_of([writer * 1000 + i]), uri, mode="append", storage_options=options)
                break
            except Exception as error:  # it gives up after 20 rounds of its own
                if "onflict" not in str(error):
                    raise
                time.sleep(0.05 * (writer % 4 + 1))
        else:
            sys.exit("60 conflicts")


def test_concurrent_appends_lose_nothing(sides, key, world, tmp_path):
    sides["pylance"].create(key, [-1])
    theirs = [FORK.Process(target=append_many_with_pylance, args=(world.uri(key), world.options, w), daemon=True) for w in range(4)]
    ours, failures = [], []

    def append_many(writer):
        folder = tmp_path / str(writer)
        folder.mkdir()
        files = []
        for i in range(APPENDS):
            files.append(folder / f"{i}.jsonl")
            files[-1].write_text(f'{{"id": {writer * 1000 + i}}}\n')
        result = lancefs("append", world.uri(key), *files, check=False, env=world.env)  # one version a file
        if result.returncode != 0:
            failures.append(result.stderr.decode())

    for w in range(4, 8):
        ours.append(threading.Thread(target=append_many, args=(w,)))
    for worker in theirs + ours:
        worker.start()
    for worker in theirs + ours:
        worker.join()
    assert failures == [] and [p.exitcode for p in theirs] == [0] * 4
    expected = sorted([-1] + [w * 1000 + i for w in range(8) for i in range(APPENDS)])
    for side in sides.values():
        version, ids = side.read(key)
        assert sorted(ids) == expected
        assert version == 1 + 8 * APPENDS
    names, items = world.state(key)
    assert sorted(items) == list(range(1, version + 1))
    assert all(FINAL.fullmatch(item["path"].removeprefix("/")) for item in items.values())
    assert [name for name in names if not FINAL.fullmatch(name)] == []  # losers delete what they staged
