# SPDX-License-Identifier: Apache-2.0
"""Real mounts of the lancefs program, taken down however their test ends."""
import json
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import time

from programs import LANCEFS


def is_mounted(path):
    """From the kernel's list: a stat would ask a daemon that may be dead or busy."""
    name = str(path).replace("\\", "\\134").replace(" ", "\\040")
    with open("/proc/self/mountinfo", encoding="utf-8") as mounts:
        return any(line.split(" ")[4] == name for line in mounts)


SECRET = re.compile(r"secret|token$|password|sas_key|account_key|master_key|customer_key|encryption_key|service_account_key", re.I)


def secrets_of(settings):
    """The values among {key: value} that must be seen nowhere; a password of a proxy's URL, too."""
    found = {value for key, value in settings.items() if SECRET.search(key.replace("-", "_")) and len(value) >= 8}
    for key, value in settings.items():
        match = re.search(r"://[^/@:]*:([^/@]{8,})@", value)
        if match and "proxy" in key.lower():
            found.add(match.group(1))
    return {value.encode() for value in found if not value.startswith("/")}


def options_in(path):
    """{key: value} of an options file."""
    lines = [line.split("=", 1) for line in pathlib.Path(path).read_text().splitlines() if "=" in line and not line.startswith("#")]
    return {key.strip(): value.strip() for key, value in lines}


class Mount:
    """with Mount(uri, "sizes=stream", ...) as mount: mount.path is the tree of a dataset or a database.

    `env` replaces the environment, `arguments` are more words of the command line, `on` is a mountpoint
    to use instead of a new one, `state` a state directory (else a new one that goes with the mount)."""

    def __init__(self, uri, *options, env=None, arguments=(), on=None, state=None):
        self._folder = tempfile.TemporaryDirectory(prefix="lancefs-mount-", ignore_cleanup_errors=True)
        base = pathlib.Path(self._folder.name)
        self.path = pathlib.Path(on) if on else base / "mnt"
        self.state = pathlib.Path(state) if state else base / "state"
        self.log = self.state / "daemon.log"
        if not on:  # what stands there may be a mountpoint that its daemon left
            self.path.mkdir()
        self.state.mkdir(parents=True, exist_ok=True)
        # Everything is logged, and close() looks for secrets in it.
        self.env = {"LANCEFS_LOG_LEVEL": "debug", **(os.environ if env is None else env)}
        self.env.pop("LANCEFS_LOG_FILE", None)
        self.uri, self.options, self.arguments = str(uri), options, arguments
        self.process = None
        self.last_log = b""
        self.start()

    def start(self):
        """Mounts, or mounts again with the same state, after stop() and perhaps with other options."""
        settings = ",".join([f"state-dir={self.state}", *self.options])
        command = [LANCEFS, "mount", self.uri, self.path, "-f", "-o", settings, *self.arguments]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.env)
        deadline = time.monotonic() + 30
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                text = self.log.read_text(errors="replace")
                self.close()
                raise RuntimeError("not mounted: " + text[-4000:])
            time.sleep(0.01)
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @property
    def append(self):
        return self.path / "append"

    def answers(self):
        try:
            return is_mounted(self.path) and bool(os.listdir(self.path))
        except OSError:  # what a killed daemon left
            return False

    def commits(self):
        return [json.loads(line) for line in (self.path / "status/commits.jsonl").read_text().splitlines()]

    def errors(self):
        """{file name: record} of status/errors."""
        folder = self.path / "status/errors"
        return {name: json.loads((folder / name).read_text()) for name in os.listdir(folder)}

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self, how=signal.SIGTERM):
        """Ends the daemon with a signal; its exit status. Safe to call twice."""
        if self.process.poll() is None:
            self.process.send_signal(how)
            self._wait()
        self._clear()
        self.check_log()
        return self.process.returncode

    def unmount(self):
        """The ordinary way: umount, then the daemon ends by itself; its exit status."""
        for _ in range(100):
            if subprocess.run([LANCEFS, "umount", self.path], capture_output=True, check=False).returncode == 0:
                break
            time.sleep(0.05)
        return self._end()

    def close(self):
        """umount; where that fails, a lazy one; at last the daemon's end."""
        if is_mounted(self.path) and subprocess.run(["umount", self.path], stderr=subprocess.DEVNULL, check=False).returncode != 0:
            subprocess.run(["umount", "-l", self.path], stderr=subprocess.DEVNULL, check=False)
        self._end()
        if not is_mounted(self.path):
            self._folder.cleanup()

    def _end(self):
        self._wait()
        self._clear()
        self.check_log()
        return self.process.returncode

    def secrets(self):
        found = secrets_of(self.env)
        words = [str(word) for word in self.arguments]
        if "--options-file" in words:
            found |= secrets_of(options_in(words[words.index("--options-file") + 1]))
        return found

    def check_log(self):
        self.last_log = text = self.log.read_bytes() if self.log.exists() else b""
        assert not [secret for secret in self.secrets() if secret in text], f"{self.log} shows a secret"
        if "LANCEFS_LOG_FILE" in os.environ:  # where the server's wrapper looks
            with open(os.environ["LANCEFS_LOG_FILE"], "ab") as all_logs:
                all_logs.write(text)

    def _wait(self):
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()

    def _clear(self):
        while is_mounted(self.path) and subprocess.run(["umount", "-l", self.path], stderr=subprocess.DEVNULL, check=False).returncode == 0:
            pass


class Mounts:
    """The mounts of a test: mounts(uri, *options, name=, env=, on=) -> Mount. `env` adds to the environment; the state directories
    lie below `base` and outlive their mounts, as they would for a user: the same `name` mounts with the state of before."""

    def __init__(self, base):
        self.base = pathlib.Path(base)
        self.all = []

    def __call__(self, uri, *options, name=None, env=None, on=None):
        name = name or f"m{len(self.all)}"
        if on is None:
            on = self.base / f"{name}.mnt"
            on.mkdir(parents=True, exist_ok=True)
        self.all.append(Mount(uri, *options, env={**os.environ, **(env or {})}, on=on, state=self.base / f"{name}.state"))
        return self.all[-1]

    def close(self):
        for mount in reversed(self.all):
            mount.stop()


def comes_true(condition, seconds=10):
    """Whether `condition()` becomes true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def wait_until(condition, seconds=10):
    """Fails where `condition()` does not become true in time."""
    assert comes_true(condition, seconds), "waited in vain"


def xattr(path, name):
    """user.lancefs.<name>, or None."""
    try:
        return os.getxattr(path, "user.lancefs." + name).decode()
    except OSError:
        return None
