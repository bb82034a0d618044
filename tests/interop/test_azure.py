# SPDX-License-Identifier: Apache-2.0
"""Azure Blob storage, shared with pylance: reading each other's datasets, appending side by side, every way to sign in."""
import concurrent.futures
import json
import os
import pathlib
import sys
import time
import types
import urllib.parse

import lance
import pyarrow as pa
import pytest
from appenders import check_that_nothing_is_lost
from azure_mock import CLIENT_SECRET, FEDERATED_TOKEN, IDENTITY_HEADER, SESSION_TOKEN, AzureMock
from mounts import Mount
from programs import environment_without, lancefs
from sign_in import ROWS, cat, count_by_pylance, write_small_files


def bare_environment():
    """Without anything that signs in by itself."""
    return environment_without("AZURE_", "AZURITE_", "IDENTITY_", "MSI_", "AWS_", "SSL_CERT_")


@pytest.fixture(scope="module")
def azure():
    """A folder in the container of with_azurite.py: how to get there for pylance (options) and for us (env)."""
    if "AZ_ENDPOINT" not in os.environ:
        if os.environ.get("LANCEFS_SKIP_AZURE") == "1":
            pytest.skip("no Azure server")
        pytest.fail("no Azure server; run through tests/servers/with_azurite.py or set LANCEFS_SKIP_AZURE=1")
    options = {
        "azure_storage_account_name": os.environ["AZ_ACCOUNT"],
        "azure_storage_account_key": os.environ["AZ_KEY"],
        "azure_storage_endpoint": os.environ["AZ_ENDPOINT"],
        "azure_allow_http": "true",
    }
    env = {**bare_environment(), **{key.upper(): value for key, value in options.items()}}
    if os.environ.get("AZ_CA_FILE"):
        env["SSL_CERT_FILE"] = os.environ["AZ_CA_FILE"]
        options["allow_invalid_certificates"] = "true"  # pylance takes no authority's own certificate for a server's
    folder = f"az-{os.getpid()}"
    return types.SimpleNamespace(options=options, env=env, container=os.environ["AZ_CONTAINER"], folder=folder,
                                 uri=lambda name: f"az://{os.environ['AZ_CONTAINER']}/{folder}/{name}")


def without(env, *names):
    return {key: value for key, value in env.items() if key not in names}


def signed_with(azure, **variables):
    """Our environment with another way to sign in than the account key."""
    return {**without(azure.env, "AZURE_STORAGE_ACCOUNT_KEY"), **variables}


def mixed(start, count):
    ids = range(start, start + count)
    return pa.table({"id": pa.array(ids, pa.int64()), "text": [None if i % 7 == 0 else f"text {i} \u00e4\u4e2d" for i in ids],
                     "vector": pa.array([[i / 4, -i / 2] for i in ids], pa.list_(pa.float32(), 2)),
                     "tags": pa.array([[str(i)] * (i % 3) for i in ids], pa.list_(pa.string()))})


def lines(data):
    return [json.loads(line) for line in data.splitlines()]


def test_pylance_writes_we_read(azure, tmp_path):
    uri = azure.uri("theirs.lance")
    lance.write_dataset(mixed(0, 1000), uri, storage_options=azure.options)
    lance.write_dataset(mixed(1000, 500), uri, mode="append", storage_options=azure.options)
    dataset = lance.dataset(uri, storage_options=azure.options)
    dataset.delete("id % 10 = 3")
    expected = lance.dataset(uri, storage_options=azure.options).to_table().to_pylist()
    assert len(expected) == 1350
    assert lines(lancefs("cat", uri, "rows.jsonl", env=azure.env)) == expected
    assert lancefs("cat", uri, "versions/1/count", env=azure.env) == b"1000\n"
    with Mount(uri, env=azure.env) as mount:
        assert lines((mount.path / "rows.jsonl").read_bytes()) == expected
        assert (mount.path / "query/filter=id >= 1400/count").read_text() == "90\n"
        assert sorted(os.listdir(mount.path / "versions")) == ["1", "2", "3", "latest"]
        copy = lance.dataset(str(mount.path / "raw"))
        assert copy.to_table().to_pylist() == expected
        lance.write_dataset(mixed(1500, 10), uri, mode="append", storage_options=azure.options)
        deadline = time.monotonic() + 20
        while (mount.path / "count").read_text() != "1360\n" and time.monotonic() < deadline:
            time.sleep(0.1)
        assert (mount.path / "count").read_text() == "1360\n"


def test_we_write_pylance_reads(azure, tmp_path):
    uri = azure.uri("ours.lance")
    first, second = mixed(0, 3000), mixed(3000, 100)
    rows = first.to_pylist() + second.to_pylist()
    data = tmp_path / "first.arrow"
    with pa.OSFile(str(data), "wb") as file, pa.ipc.new_file(file, first.schema) as writer:
        writer.write_table(first)
    lancefs("create", uri, data, env=azure.env)
    (tmp_path / "second.jsonl").write_text("".join(json.dumps(row) + "\n" for row in second.to_pylist()))
    with Mount(uri, env=azure.env) as mount:
        (mount.path / "append/second.jsonl").write_bytes((tmp_path / "second.jsonl").read_bytes())
    read = lance.dataset(uri, storage_options=azure.options)
    assert read.to_table().to_pylist() == rows
    assert read.to_table(filter="id = 3050").num_rows == 1
    # A file of several blocks.
    big = azure.uri("big.lance")
    payload = pa.table({"id": pa.array(range(30), pa.int64()), "data": pa.array([os.urandom(1 << 20) for _ in range(30)], pa.large_binary())})
    with pa.OSFile(str(data), "wb") as file, pa.ipc.new_file(file, payload.schema) as writer:
        writer.write_table(payload)
    lancefs("create", big, data, env=azure.env)
    assert lance.dataset(big, storage_options=azure.options).to_table().sort_by("id").equals(payload)


def test_appending_side_by_side(azure, tmp_path):
    check_that_nothing_is_lost(azure.uri("crowd.lance"), azure.options, azure.env, tmp_path)


@pytest.fixture(scope="module")
def table(azure):
    """The URI of a table of many small files, so that a scan sends many requests; and its rows as text."""
    uri = azure.uri("t.lance")
    return uri, write_small_files(uri, azure.options)


def test_forms_of_the_url(azure, table):
    account = os.environ["AZ_ACCOUNT"]
    key = f"{azure.folder}/t.lance"
    bare = without(azure.env, "AZURE_STORAGE_ACCOUNT_NAME")
    for host in ("dfs", "blob"):
        for scheme in ("az", "abfss"):
            done = cat(f"{scheme}://{azure.container}@{account}.{host}.core.windows.net/{key}", bare, file="count")
            assert done.stdout == b"%d\n" % ROWS, done.stderr
    done = cat(table[0], bare)
    assert done.returncode != 0 and b"azure_storage_account_name" in done.stderr, done.stderr
    emulator = {**without(bare, "AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_ENDPOINT"), "AZURE_STORAGE_USE_EMULATOR": "true",
                "AZURITE_BLOB_STORAGE_URL": os.environ["AZURITE_BLOB_STORAGE_URL"]}
    assert cat(table[0], emulator, file="count").stdout == b"%d\n" % ROWS


def test_shared_access_signatures_and_bearer_tokens(azure, table):
    ways = [{"AZURE_STORAGE_SAS_TOKEN": os.environ["AZ_SAS"]}, {"AZURE_STORAGE_SAS_KEY": "?" + os.environ["AZ_SAS"]}]
    refused = [{"AZURE_STORAGE_SAS_TOKEN": os.environ["AZ_SAS_EXPIRED"]}]
    if os.environ.get("AZ_CA_FILE"):  # tokens are taken over TLS alone
        ways.append({"AZURE_STORAGE_TOKEN": os.environ["AZ_TOKEN"]})
        refused.append({"AZURE_STORAGE_TOKEN": os.environ["AZ_TOKEN_EXPIRED"]})
    for variables in ways:
        done = cat(table[0], signed_with(azure, **variables))
        assert done.stdout == table[1], (list(variables), done.stderr)
    for variables in refused:
        done = cat(table[0], signed_with(azure, **variables))
        assert done.returncode != 0
        for value in variables.values():
            for part in [value, *urllib.parse.parse_qs(value).get("sig", []), *value.split(".")[1:]]:
                assert part.encode() not in done.stderr, "a secret is shown"
    # Nothing of it in what a mount says and shows either.
    with Mount(table[0], env=signed_with(azure, **ways[0]), arguments=["--log-level", "debug"]) as mount:
        assert (mount.path / "rows.jsonl").read_bytes() == table[1]
        shown = mount.log.read_bytes() + (mount.path / "status/config.json").read_bytes() + pathlib.Path("/proc/mounts").read_bytes()
        signature = urllib.parse.parse_qs(os.environ["AZ_SAS"])["sig"][0]
        assert signature.encode() not in shown and urllib.parse.quote(signature, safe="").encode() not in shown


# ---- Tokens -----------------------------------------------------------------------------------

def way_to_sign_in(name, mock, home):
    """The environment of one; and how the mock calls it."""
    home.mkdir()
    environment = {**bare_environment(), "HOME": str(home), "AZURE_STORAGE_ACCOUNT_NAME": os.environ["AZ_ACCOUNT"],
                   "AZURE_STORAGE_ENDPOINT": mock.endpoint, "AZURE_ALLOW_HTTP": "true"}
    application = {"AZURE_CLIENT_ID": "app", "AZURE_TENANT_ID": "tenant", "AZURE_AUTHORITY_HOST": mock.url}
    if name == "client secret":
        environment.update(application, AZURE_CLIENT_SECRET=CLIENT_SECRET)
        return environment, "client-secret"
    if name == "workload identity":
        (home / "federated").write_text(FEDERATED_TOKEN)
        environment.update(application, AZURE_FEDERATED_TOKEN_FILE=str(home / "federated"))
        return environment, "workload"
    if name == "managed identity":
        environment.update(IDENTITY_ENDPOINT=mock.url + "/msi", AZURE_MSI_ENDPOINT=mock.url + "/msi", IDENTITY_HEADER=IDENTITY_HEADER)
        return environment, "msi"
    if name == "Azure CLI":
        tool = home / "az"
        tool.write_text(f"#!{sys.executable}\nimport json, urllib.request, datetime\n"
                        f"got = json.load(urllib.request.urlopen('{mock.url}/cli'))\n"
                        "when = datetime.datetime.fromtimestamp(got['expires_on']).strftime('%Y-%m-%d %H:%M:%S.%f')\n"
                        "print(json.dumps({'accessToken': got['access_token'], 'expiresOn': when, 'tokenType': 'Bearer'}))\n")
        tool.chmod(0o755)
        environment.update(PATH=f"{home}:{environment['PATH']}", AZURE_USE_AZURE_CLI="true")
        return environment, "cli"
    assert name == "Fabric"
    environment.update(AZURE_FABRIC_TOKEN_SERVICE_URL=mock.url + "/fabric", AZURE_FABRIC_WORKLOAD_HOST="workload",
                       AZURE_FABRIC_SESSION_TOKEN=SESSION_TOKEN, AZURE_FABRIC_CLUSTER_IDENTIFIER="cluster")
    return environment, "fabric"


WAYS = ["client secret", "workload identity", "managed identity", "Azure CLI", "Fabric"]


@pytest.fixture(scope="module")
def gate():
    """(...) -> AzureMock before a plain server: the gate speaks http to it."""
    if os.environ.get("AZ_CA_FILE"):
        pytest.skip("the gate is tested without TLS")
    return lambda: AzureMock(os.environ["AZ_ENDPOINT"], os.environ["AZ_SAS"], os.environ["AZ_ACCOUNT"])


def scan(gate, table, home, name, **settings):
    with gate() as mock:
        environment, source = way_to_sign_in(name, mock, home / name)
        for key, value in settings.items():
            setattr(mock, key, value)
        started = time.monotonic()
        done = cat(table[0], environment)
        return types.SimpleNamespace(name=name, status=done.returncode, stderr=done.stderr.decode(), right=done.stdout == table[1],
                                     taken=time.monotonic() - started, issued=mock.count(source), refused=len(mock.refused))


def test_tokens_are_renewed_during_a_scan(azure, table, gate, tmp_path):
    with concurrent.futures.ThreadPoolExecutor(len(WAYS)) as pool:
        results = list(pool.map(lambda name: scan(gate, table, tmp_path, name, life=3, pace=0.06), WAYS))
    for got in results:
        assert got.status == 0 and got.right, got
        assert got.taken > 3 and got.issued >= 2, got


def test_refused_tokens_are_fetched_anew(azure, table, gate, tmp_path):
    """The store says that they have expired although they claim to live on."""
    with concurrent.futures.ThreadPoolExecutor(len(WAYS)) as pool:
        results = list(pool.map(lambda name: scan(gate, table, tmp_path, name, life=1.5, claimed=3600, pace=0.06), WAYS))
    for got in results:
        assert got.status == 0 and got.right, got
        assert got.refused >= 1 and got.issued >= 2, got


def test_refusals_say_why_and_show_no_secret(azure, table, gate, tmp_path):
    with gate() as mock:
        environment, _ = way_to_sign_in("client secret", mock, tmp_path / "secret")
        environment["AZURE_CLIENT_SECRET"] = "hush-hush-wrong"
        done = cat(table[0], environment)
        assert done.returncode != 0 and b"AADSTS7000215" in done.stderr and b"hush" not in done.stderr, done.stderr
        environment, _ = way_to_sign_in("workload identity", mock, tmp_path / "workload")
        os.remove(environment["AZURE_FEDERATED_TOKEN_FILE"])
        done = cat(table[0], environment)
        assert done.returncode != 0 and b"federated" in done.stderr, done.stderr
        environment, _ = way_to_sign_in("managed identity", mock, tmp_path / "msi")
        environment["IDENTITY_HEADER"] = "hush-hush-wrong"
        done = cat(table[0], environment)
        assert done.returncode != 0 and b"HTTP 403" in done.stderr and b"hush" not in done.stderr, done.stderr


def test_pylance_signs_in_the_same_way(azure, table, gate, tmp_path):
    """The same environment serves both."""
    def run(name):
        with gate() as mock:
            environment, source = way_to_sign_in(name, mock, tmp_path / name)
            theirs = count_by_pylance(table[0], environment)
            before = mock.count(source)
            ours = cat(table[0], environment, file="count")
            return name, theirs.stdout.strip(), ours.stdout.strip(), theirs.stderr[-600:], ours.stderr[-600:], before, mock.count(source)

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for name, theirs, ours, their_error, our_error, before, after in pool.map(run, WAYS):
            assert ours == b"%d" % ROWS, (name, our_error)
            assert theirs == ours, (name, their_error)
            assert 1 <= before < after, name
