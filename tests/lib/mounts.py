# SPDX-License-Identifier: Apache-2.0
"""Real mounts of the lancefs program, taken down however their test ends."""
import os
import pathlib
import subprocess
import tempfile
import time

from programs import LANCEFS


def is_mounted(path):
    """From the kernel's list: a stat would ask a daemon that may be dead or busy."""
    name = str(path).replace("\\", "\\134").replace(" ", "\\040")
    with open("/proc/self/mountinfo", encoding="utf-8") as mounts:
        return any(line.split(" ")[4] == name for line in mounts)


class Mount:
    """with Mount(uri, "sizes=stream", ...) as mount: mount.path is the tree.

    `env` replaces the environment, `arguments` are more words of the command line, `on` is a mountpoint
    to use instead of a new one, `state` a state directory (else a new one that goes with the mount)."""

    def __init__(self, uri, *options, env=None, arguments=(), on=None, state=None):
        self._folder = tempfile.TemporaryDirectory(prefix="lancefs-mount-", ignore_cleanup_errors=True)
        base = pathlib.Path(self._folder.name)
        self.path = pathlib.Path(on) if on else base / "mnt"
        if not on:
            self.path.mkdir()
        self.state = pathlib.Path(state) if state else base / "state"
        self.log = base / "log"
        command = [LANCEFS, "mount", str(uri), self.path, "-f", "-o", ",".join([f"state-dir={self.state}", *options]), *arguments]
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env)
        deadline = time.monotonic() + 20
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                text = self.log.read_text(errors="replace")
                self.close()
                raise RuntimeError("not mounted: " + text)
            time.sleep(0.01)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def answers(self):
        try:
            return is_mounted(self.path) and bool(os.listdir(self.path))
        except OSError:  # what a killed daemon left
            return False

    def kill(self):
        self.process.kill()
        self.process.wait()

    def close(self):
        """umount; where that fails, a lazy one; at last the daemon's end."""
        if is_mounted(self.path):
            if subprocess.run(["umount", self.path], stderr=subprocess.DEVNULL, check=False).returncode != 0:
                subprocess.run(["umount", "-l", self.path], stderr=subprocess.DEVNULL, check=False)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.kill()
        while is_mounted(self.path) and subprocess.run(["umount", "-l", self.path], stderr=subprocess.DEVNULL, check=False).returncode == 0:
            pass
        if not is_mounted(self.path):
            self._folder.cleanup()


def wait_until(check, seconds=10):
    """The first true answer of `check`, which is asked until the time is over."""
    deadline = time.monotonic() + seconds
    while True:
        answer = check()
        if answer or time.monotonic() > deadline:
            assert answer, "waited in vain"
            return answer
        time.sleep(0.05)


def can_mount():
    return os.access("/dev/fuse", os.R_OK | os.W_OK)
