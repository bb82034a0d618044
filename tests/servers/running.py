# SPDX-License-Identifier: Apache-2.0
"""What the wrappers in this folder share: servers on free loopback ports that end with the command that they are for."""
import contextlib
import ctypes
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEPS = pathlib.Path(os.environ.get("LANCEFS_DEPS", ROOT / ".deps"))


def find_program(variable, name):
    """The program that `variable` names, .deps/bin/NAME, or NAME on PATH; None without one."""
    named = os.environ.get(variable)
    if named:
        return named if os.access(named, os.X_OK) else None
    if os.access(DEPS / "bin" / name, os.X_OK):
        return str(DEPS / "bin" / name)
    return shutil.which(name)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def make_certificate(folder, *names):
    """Makes private.key and public.crt (which is also what to trust) for loopback and `names`; returns their folder."""
    folder.mkdir()
    also = "".join(f",DNS:{name}" for name in names)
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=lancefs test", "-addext", f"subjectAltName=IP:127.0.0.1,DNS:localhost{also}",
         "-keyout", str(folder / "private.key"), "-out", str(folder / "public.crt")],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return folder


def make_rsa_key(bits=2048):
    """The PEM of one."""
    return subprocess.run(["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", f"rsa_keygen_bits:{bits}"],
                          check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG: also when the wrapper is killed


def start(command, log, environment=None, **options):
    with open(log, "ab") as out:
        return subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                                preexec_fn=die_with_parent, **options)


def wait_until_ready(name, server, log, is_ready, seconds=60):
    """Until is_ready() returns nothing; what it returns or an OSError is why not yet."""
    end = time.monotonic() + seconds
    reason = "no answer"
    while time.monotonic() < end:
        if server.poll() is not None:
            raise RuntimeError(f"{name} ended with status {server.returncode}:\n{log.read_text()[-2000:]}")
        try:
            reason = is_ready()
            if reason is None:
                return
        except OSError as error:
            reason = str(error)
        time.sleep(0.05)
    raise RuntimeError(f"{name} was not ready in {seconds} s ({reason}):\n{log.read_text()[-2000:]}")


def start_on_free_port(name, launch, log, is_ready):
    """(server, port) of launch(port), once is_ready(port) returns nothing; another port where that one was taken meanwhile."""
    for attempt in range(3):
        port = free_port()
        server = launch(port)
        try:
            wait_until_ready(name, server, log, lambda: is_ready(port))
            return server, port
        except BaseException as error:
            stop(server)
            if attempt == 2 or not isinstance(error, RuntimeError):
                raise


def stop(server):
    if server is None or server.poll() is not None:
        return
    server.terminate()
    try:
        server.wait(10)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def connect(port, certificates=None):
    """An HTTP connection to a server on loopback, within a `with`; over TLS with the server's certificates in a folder."""
    if certificates is None:
        return contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5))
    trust = ssl.create_default_context(cafile=certificates / "public.crt")
    return contextlib.closing(http.client.HTTPSConnection("127.0.0.1", port, timeout=5, context=trust))


def wrap(usage, skip_variable, program, how_to_install, serve):
    """What a wrapper does with [--tls] COMMAND: serve(program, tls) gives the command's variables while the server runs."""
    command = sys.argv[1:]
    tls = command[:1] == ["--tls"]
    if tls:
        command = command[1:]
    if not command:
        sys.exit(usage)
    if os.environ.get(skip_variable) == "1":
        print(f"{skip_variable}=1: not run", file=sys.stderr)
        return 77  # "skipped" to ctest
    if program is None:
        print(f"{how_to_install}, or {skip_variable}=1", file=sys.stderr)
        return 1
    with serve(program, tls) as variables:
        return run(command, variables)


# What signs requests in, whoever's it is; and what tests call secret.
SIGNS = re.compile(
    rb"Signature=|[?&](?:sig|se|token|X-Amz-[A-Za-z-]+)=|SharedKey(?:Lite)? \w+:|Bearer [\w.~+/-]{6}|eyJ[\w-]{10,}\.|PRIVATE KEY"
    rb"|(?:client_secret|refresh_token|assertion|password)=[^\s\"]|://[^\s/@:\"]+:[^\s/@\"]+@|(?:secret|token|key|sas)[-\w%+]*4711|\bhush\b|\b(?:token|key)-[0-9a-f]{32}|Eby8vdM02xNOcq", re.I)


def secrets_among(variables):
    """What a wrapper gives to its command and no log may show."""
    found = [value for name, value in variables.items() if re.search(r"SECRET|TOKEN|(?<!ACCESS)_KEY$", name)]
    for value in variables.values():
        found += [part[4:] for part in value.split("&") if part.startswith("sig=")]
    found += [urllib.parse.unquote(value) for value in found]
    account = variables.get("GCS_SERVICE_ACCOUNT")
    if account:
        found += json.loads(pathlib.Path(account).read_text()).get("private_key", "").split("\n")[1:-2]
    return [value for value in found if len(value) >= 8]


def shown_secrets(log, secrets):
    """The lines of a log that show one of `secrets`, or what looks like one; without them."""
    named = re.compile(b"|".join(re.escape(secret.encode()) for secret in secrets) or b"(?!)")
    with open(log, "rb") as lines:
        return [SIGNS.sub(b"***", named.sub(b"***", line)).decode(errors="replace") for line in lines if named.search(line) or SIGNS.search(line)]


def run(command, variables):
    """The exit status of `command`, with `variables` in its environment. All programs under test log at debug level into one
    file meanwhile (tests/lib/mounts.py adds those of mounts); it fails when that shows a secret among them or anything that signs."""
    with tempfile.TemporaryDirectory(prefix="lancefs-log-") as folder:
        log = pathlib.Path(folder) / "log"
        log.touch()
        secrets = secrets_among(variables)
        child = subprocess.Popen(command, env={**os.environ, "LANCEFS_LOG_FILE": str(log), "LANCEFS_LOG_LEVEL": "debug", **variables})
        try:
            status = child.wait()
        except BaseException:
            child.kill()
            child.wait()
            raise
        shown = shown_secrets(log, secrets)
        for line in shown[:10]:
            print(f"the log shows a secret: {line.rstrip()}", file=sys.stderr)
    return 1 if shown and status == 0 else status if status >= 0 else 128 - status


class Folder:
    """A temporary folder for a server's data; SIGTERM unwinds like Ctrl-C, so that no server outlives the test."""

    def __init__(self, name):
        self.name = name

    def __enter__(self):
        # What a test's server syncs need not survive anything: in memory, where there is plenty.
        memory = pathlib.Path("/dev/shm")
        roomy = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 8 << 30
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        self.path = pathlib.Path(tempfile.mkdtemp(prefix=f"lancefs-{self.name}-", dir=memory if roomy else None))
        return self.path

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)
