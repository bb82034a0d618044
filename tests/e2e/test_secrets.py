# SPDX-License-Identifier: Apache-2.0
"""Keys, tokens and passwords are seen nowhere: not in logs at debug level, messages, /proc, status/ or core dumps."""
import json
import os
import pathlib
import resource
import signal
import socket
import stat
import subprocess
import tempfile
import threading
import time

import lance
import pyarrow as pa
import pytest

from mounts import Mount, options_in, secrets_of
from programs import LANCEFS, environment_without, lancefs
from proxies import Proxy

ON_S3 = pytest.mark.parametrize("place", ["s3"], indirect=True)
PEM = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="  # 32 bytes


@pytest.fixture(scope="module")
def s3(place):
    table = pa.table({"id": pa.array(range(7), pa.int64())})
    lance.write_dataset(table, place.uri("t.lance"), storage_options=place.storage_options)
    return place


def bare_environment():
    return environment_without("AWS_", "S3_")


def write(path, options):
    path.write_text("".join(f"{key} = {value}\n" for key, value in options.items()))
    path.chmod(0o600)
    return path


def closed_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


# name -> (scheme and bucket or "", options over those of the server); {port} is one where nobody listens.
NOWHERE = {"allow_http": "true", "client_max_retries": "0", "connect_timeout": "1s"}
CASES = {
    "works": ("", {}),
    "wrong key": ("", {"aws_secret_access_key": "wrong-secret-4711-abc"}),
    "wrong token": ("", {"aws_session_token": "wrong-token-4711-abcdef"}),
    "nobody there": ("", {"aws_endpoint": "http://127.0.0.1:{port}", **NOWHERE}),
    "no plain http": ("", {"allow_http": "false"}),
    "customer key": ("", {"aws_server_side_encryption": "sse-c", "aws_sse_customer_key_base64": PEM}),
    "bad customer key": ("", {"aws_server_side_encryption": "sse-c", "aws_sse_customer_key_base64": "short-secret-4711"}),
    "secret header": ("", {"headers.authorization": "Bearer header-secret-4711"}),
    "bad header": ("", {"headers.x-secret-token": "header-secret\t4711\x01"}),
    "closed proxy": ("", {"proxy_url": "http://me:proxy-secret-4711@127.0.0.1:{port}", **NOWHERE}),
    "closed socks": ("", {"proxy_url": "socks5://me:proxy-secret-4711@127.0.0.1:{port}", **NOWHERE}),
    "bad proxy": ("", {"proxy_url": "gopher://me:proxy-secret-4711@127.0.0.1:1"}),
    "odd proxy": ("", {"proxy_url": "http://me:proxy-secret-4711@127.0.0.1:port"}),
    "bad endpoint": ("", {"aws_endpoint": "http://me:endpoint-secret-4711@127.0.0.1:1"}),
    "gcs token": ("gs://bucket", {"google_bearer_token": "google-secret-token-4711", "google_base_url": "http://127.0.0.1:{port}", **NOWHERE}),
    "gcs storage token": ("gs://bucket", {"google_storage_token": "google-secret-token-4711", "google_base_url": "http://127.0.0.1:{port}", **NOWHERE}),
    "gcs key": ("gs://bucket", {"google_service_account_key": '{"private_key": "google-secret-key-4711"}', "google_base_url": "http://127.0.0.1:{port}", **NOWHERE}),
    "azure key": ("az://box", {"azure_storage_account_name": "me", "azure_storage_account_key": "YXp1cmUtc2VjcmV0LWtleS00NzEx", "azure_endpoint": "http://127.0.0.1:{port}/me", **NOWHERE}),
    "bad azure key": ("az://box", {"azure_storage_account_name": "me", "azure_storage_account_key": "no base64: secret-4711", "azure_endpoint": "http://127.0.0.1:{port}/me", **NOWHERE}),
    "azure sas": ("az://box", {"azure_storage_account_name": "me", "azure_storage_sas_token": "sv=2023-11-03&sig=azure%2Bsecret%2Bsas4711", "azure_endpoint": "http://127.0.0.1:{port}/me", **NOWHERE}),
    "azure client": ("az://box", {"azure_storage_account_name": "me", "azure_client_id": "id", "azure_tenant_id": "tenant", "azure_client_secret": "azure-secret-client-4711", "azure_authority_host": "http://127.0.0.1:{port}", "azure_endpoint": "http://127.0.0.1:{port}/me", **NOWHERE}),
    "azure bearer": ("az://box", {"azure_storage_account_name": "me", "azure_storage_token": "azure-secret-token-4711", "azure_endpoint": "http://127.0.0.1:{port}/me", **NOWHERE}),
}


def case_options(place, name):
    scheme, more = CASES[name]
    more = {key: value.format(port=closed_port()) if "{port}" in value else value for key, value in more.items()}
    options = more if scheme else {**place.storage_options, **more}
    secrets = secrets_of(options) | {value.encode() for key, value in options.items() if key.startswith("headers.")}
    for key in ("proxy_url", "aws_endpoint"):
        if "secret" in options.get(key, ""):
            secrets.add(options[key].split(":")[2].split("@")[0].encode())
    return (scheme + "/t.lance" if scheme else place.uri("t.lance")), options, secrets


@ON_S3
@pytest.mark.parametrize("name", CASES)
def test_commands(s3, tmp_path, name):
    uri, options, secrets = case_options(s3, name)
    assert secrets, "nothing to look for"
    file = write(tmp_path / "options", options)
    (tmp_path / "rows.jsonl").write_text('{"id": 1}\n')
    log = tmp_path / "log"
    for command in (["cat", uri, "count"], ["append", uri, tmp_path / "rows.jsonl"], ["verify", uri]):
        result = lancefs(*command, "--options-file", file, "--log-level", "debug", "--log-file", log, check=False, env=bare_environment(), timeout=60)
        if name == "works":
            assert result.returncode == 0, result.stderr
        said = result.stdout + result.stderr + log.read_bytes()
        for secret in secrets:
            assert secret not in said, f"{command} with {name} shows it: {said}"
    if name in ("works", "wrong key"):
        assert b"event=http" in log.read_bytes(), "there was something to look at"


@pytest.mark.parametrize("uri", ["az://box/t.lance?sv=2023-11-03&sig=sas-secret-4711", "s3://AKIA:sas-secret-4711@bucket/t.lance",
                                 "s3://bucket/t.lance?X-Amz-Signature=sas-secret-4711"])
def test_a_secret_in_a_uri_is_refused(tmp_path, uri):
    (tmp_path / "rows.jsonl").write_text('{"id": 1}\n')
    for command in (["cat", uri, "count"], ["info", uri], ["append", uri, tmp_path / "rows.jsonl"], ["append", tmp_path / "x.lance", uri],
                    ["mount", uri, tmp_path, "-f"], ["verify", uri], ["dump", uri + "/x"], ["create", uri, tmp_path / "rows.jsonl"]):
        result = lancefs(*command, check=False, timeout=60)
        assert result.returncode == 1 and b"sas-secret-4711" not in result.stderr + result.stdout, result.stderr
        if command[1] == uri:
            assert b"--options-file" in result.stderr, command


def texts_of(folder):
    for path in pathlib.Path(folder).rglob("*"):
        if path.is_file() and not path.is_symlink():
            yield path, path.read_bytes()


@ON_S3
def test_a_mount_behind_a_proxy(s3, tmp_path):
    """With a password for the proxy, a secret header and keys, used and misused."""
    with Proxy("me:proxy-secret-4711") as proxy:
        options = {**s3.storage_options, "proxy_url": f"http://me:proxy-secret-4711@127.0.0.1:{proxy.port}", "headers.x-my-secret": "header-secret-4711"}
        file = write(tmp_path / "options", options)
        with Mount(s3.uri("t.lance"), env=bare_environment(), arguments=["--options-file", file, "--log-level", "debug"]) as mount:
            secrets = mount.secrets()
            assert {b"proxy-secret-4711", b"header-secret-4711", s3.storage_options["aws_secret_access_key"].encode()} <= secrets
            assert int((mount.path / "count").read_text()) >= 7
            (mount.path / "append/good.jsonl").write_text('{"id": 8}\n')
            with pytest.raises(OSError):
                (mount.path / "append/bad.jsonl").write_text('{"nothing": 1}\n')
            with pytest.raises(OSError):
                os.stat(mount.path / "query/filter=idd > 1")
            assert len(proxy.seen) > 0 and proxy.refused == 0
            seen = {path: text for folder in (mount.path / "status", mount.state) for path, text in texts_of(folder)}
            process = pathlib.Path(f"/proc/{mount.process.pid}")
            for path in (process / "cmdline", process / "mountinfo", pathlib.Path("/proc/mounts"), process / "environ"):
                seen[path] = path.read_bytes()
            for node in (mount.path, mount.path / "append/good.jsonl"):
                for name in os.listxattr(node):
                    seen[f"{node} {name}"] = os.getxattr(node, name)
            assert len(seen) > 10
            for path, text in seen.items():
                assert not [secret for secret in secrets if secret in text], path
            config = json.loads((mount.path / "status/config.json").read_text())
            assert config["proxy_url"] == config["headers.x-my-secret"] == config["aws_secret_access_key"] == "(secret)"
            assert config["aws_endpoint"] == s3.storage_options["aws_endpoint"]
        assert b"event=http" in mount.last_log


@ON_S3
def test_mounts_that_fail(s3, tmp_path):
    for name in ("wrong key", "closed proxy", "customer key", "bad proxy"):
        uri, options, secrets = case_options(s3, name)
        file = write(tmp_path / name.replace(" ", "-"), options)
        result = lancefs("mount", uri, tmp_path, "-f", "--options-file", file, "--log-level", "debug", "-o", f"state-dir={tmp_path}/state", check=False,
                         env=bare_environment(), timeout=60)
        assert result.returncode == 1, name
        assert not [secret for secret in secrets if secret in result.stderr + result.stdout], result.stderr


# ---- The log of all suites ------------------------------------------------------------------------------

WATCH = pathlib.Path(__file__).parents[1] / "servers/watch_log.py"


@pytest.mark.parametrize("line", ["Authorization: AWS4-HMAC-SHA256 Credential=a, Signature=0123", "url=https://h/c?sv=1&sig=abc%3D", "Bearer abcdef.ghi",
                                  "SharedKey me:abc=", "proxy=http://me:word@host:1", "-----BEGIN PRIVATE KEY-----", "url=https://h/b?X-Amz-Security-Token=x",
                                  "body=grant_type=x&client_secret=abc", "token=eyJhbGciOiJSUzI1NiJ9.e30"])
def test_the_log_is_watched(line):
    """The wrappers of all suites fail where a program's log shows what signs requests, and do not repeat it."""
    result = subprocess.run([WATCH, "sh", "-c", 'printf "%s\n" event=http "$1" >> "$LANCEFS_LOG_FILE"', "sh", line], capture_output=True, check=False)
    assert result.returncode == 1 and b"shows a secret" in result.stderr and line.encode() not in result.stderr


@ON_S3
def test_all_programs_log_into_it(s3):
    """At debug level: each request without its query, nothing that looks like a key."""
    log = pathlib.Path(os.environ["LANCEFS_LOG_FILE"])
    before = log.stat().st_size
    lancefs("cat", s3.uri("t.lance"), "count", env={**os.environ, **s3.env})
    with Mount(s3.uri("t.lance"), env={**os.environ, **s3.env}) as mount:
        assert int((mount.path / "count").read_text()) >= 7
    with open(log, "rb") as text:
        text.seek(before)
        said = text.read()
    assert said.count(b"event=http") >= 4 and b"event=mounted" in said and b"list-type" not in said
    result = subprocess.run([WATCH, "sh", "-c", 'cat "$1" >> "$LANCEFS_LOG_FILE"', "sh", log], capture_output=True, check=False)
    assert result.returncode == 0, result.stderr


# ---- Memory -------------------------------------------------------------------------------------------


@pytest.fixture
def waiting(tmp_path):
    """waiting(*words, **popen) -> a process of ours that waits for its standard input."""
    processes = []

    def start(*words, **more):
        with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
            os.chmod(folder, 0o777)
            lance.write_dataset(pa.table({"id": [1]}), folder + "/t.lance")
            process = subprocess.Popen([LANCEFS, "append", folder + "/t.lance", "-", *words], stdin=subprocess.PIPE, stderr=subprocess.PIPE, **more)
            processes.append(process)
            deadline = time.monotonic() + 20
            # Waiting in read(2) on the pipe.
            while "pipe" not in wait_channel(process.pid) and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.02)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def wait_channel(pid):
    path = pathlib.Path(f"/proc/{pid}/syscall")
    try:
        return "pipe" if path.read_text().startswith("0 0x0 ") else ""
    except OSError:
        return ""


@pytest.mark.skipif(os.geteuid() != 0, reason="runs a program as somebody else")
def test_nobody_looks_into_the_memory(waiting):
    """/proc/PID of a process whose memory is private belongs to root."""
    nobody = {"user": 65534, "group": 65534, "extra_groups": []}
    private = waiting(**nobody)
    assert private.poll() is None, private.stderr.read()
    assert os.stat(f"/proc/{private.pid}/environ").st_uid == 0
    open_one = waiting("-o", "core-dumps=on", **nobody)
    assert open_one.poll() is None, open_one.stderr.read()
    assert os.stat(f"/proc/{open_one.pid}/environ").st_uid == 65534


@pytest.mark.skipif(resource.getrlimit(resource.RLIMIT_CORE)[1] == 0, reason="no core dumps here")
def test_no_core_dumps(waiting, tmp_path):
    if pathlib.Path("/proc/sys/kernel/core_pattern").read_text().startswith("|"):
        pytest.skip("core dumps go to a program")
    allow = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2), "cwd": tmp_path}
    for words, dumped in (([], False), (["-o", "core-dumps=on"], True)):
        process = waiting(*words, **allow)
        assert process.poll() is None, process.stderr.read()
        process.send_signal(signal.SIGSEGV)
        _, status = os.waitpid(process.pid, 0)
        process.returncode = -signal.SIGSEGV
        assert os.WIFSIGNALED(status) and os.WCOREDUMP(status) == dumped


# ---- What needs the machine's names -------------------------------------------------------------------


def test_addresses_are_tried_in_random_order(tmp_path):
    """A name with eight addresses in /etc/hosts of a mount namespace of our own."""
    if subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no mount namespaces here")
    reached = []
    listener = socket.create_server(("", 0))

    def serve():
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            reached.append(client.getsockname()[0])
            client.recv(65536)
            client.sendall(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            client.close()

    threading.Thread(target=serve, daemon=True).start()
    (tmp_path / "hosts").write_text("".join(f"127.0.0.{i} store.test\n" for i in range(2, 10)))
    env = {**bare_environment(), "AWS_ACCESS_KEY_ID": "AK", "AWS_SECRET_ACCESS_KEY": "secret-4711", "AWS_REGION": "r",
           "AWS_ENDPOINT": f"http://store.test:{listener.getsockname()[1]}", "ALLOW_HTTP": "true"}
    try:
        for shuffled in ("true", "false"):
            reached.clear()
            command = f"mount --bind {tmp_path}/hosts /etc/hosts && for i in 1 2 3 4 5 6 7 8; do {LANCEFS} cat s3://bucket/t.lance count; done"
            subprocess.run(["unshare", "-m", "sh", "-c", command], env={**env, "RANDOMIZE_ADDRESSES": shuffled}, capture_output=True, timeout=60, check=False)
            assert len(reached) >= 8
            assert (len(set(reached)) > 1) == (shuffled == "true"), reached
    finally:
        listener.close()
