# SPDX-License-Identifier: Apache-2.0
"""Real mounts for tests that write: mount, look, kill, unmount; nothing stays behind however a test ends."""
import json
import os
import pathlib
import signal
import subprocess
import time

from programs import LANCEFS


class Mount:
    """A mounted table or database root. Its state directory outlives it, as it would for a user who mounts again."""

    def __init__(self, uri, directory, state, *options, env=None):
        self.uri = str(uri)
        self.path = pathlib.Path(directory)
        self.state = pathlib.Path(state)
        self.options = options
        self.env = {**os.environ, **(env or {})}
        self.process = None
        self.path.mkdir(parents=True, exist_ok=True)
        self.state.mkdir(parents=True, exist_ok=True)

    @property
    def append(self):
        return self.path / "append"

    def start(self):
        log = open(self.state / "daemon.log", "ab")
        settings = ",".join([f"state-dir={self.state}", *self.options])
        self.process = subprocess.Popen([LANCEFS, "mount", self.uri, self.path, "-f", "-o", settings], stdout=log, stderr=log, env=self.env)
        log.close()
        deadline = time.monotonic() + 30
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                text = (self.state / "daemon.log").read_text(errors="replace")
                self.stop()
                raise AssertionError(f"{self.uri} was not mounted:\n{text[-4000:]}")
            time.sleep(0.01)
        return self

    def _answers(self):
        try:
            return os.path.ismount(self.path) and len(os.listdir(self.path)) > 0
        except OSError:
            return False

    def stop(self, how=signal.SIGTERM):
        """Ends the daemon with a signal; returns its exit status. Safe to call twice."""
        status = None
        if self.process is not None:
            if self.process.poll() is None:
                self.process.send_signal(how)
                try:
                    self.process.wait(30)
                except subprocess.TimeoutExpired:
                    self.process.kill()
                    self.process.wait(30)
            status = self.process.returncode
            self.process = None
        for _ in range(5):
            if subprocess.run(["umount", "-l", self.path], capture_output=True, check=False).returncode != 0:
                break  # nothing is mounted there any more
        return status

    def unmount(self):
        """The ordinary way: umount, then the daemon ends by itself."""
        for _ in range(100):
            if subprocess.run([LANCEFS, "umount", self.path], capture_output=True, check=False).returncode == 0:
                break
            time.sleep(0.05)
        try:
            self.process.wait(30)
        finally:
            status = self.stop()
        return status

    def commits(self):
        text = (self.path / "status/commits.jsonl").read_text()
        return [json.loads(line) for line in text.splitlines()]

    def errors(self):
        """{file name: record} of status/errors."""
        folder = self.path / "status/errors"
        return {name: json.loads((folder / name).read_text()) for name in os.listdir(folder)}


class Mounts:
    """Every mount of a test; close() takes all of them down."""

    def __init__(self, base):
        self.base = pathlib.Path(base)
        self.all = []

    def __call__(self, uri, *options, name=None, env=None):
        name = name or f"m{len(self.all)}"
        mount = Mount(uri, self.base / f"{name}.mnt", self.base / f"{name}.state", *options, env=env)
        self.all.append(mount)
        return mount.start()

    def close(self):
        for mount in reversed(self.all):
            mount.stop()


def wait_until(condition, seconds=10):
    """Whether `condition()` became true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def xattr(path, name):
    """user.lancefs.<name>, or None."""
    try:
        return os.getxattr(path, "user.lancefs." + name).decode()
    except OSError:
        return None
