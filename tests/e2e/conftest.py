# SPDX-License-Identifier: Apache-2.0
"""Real mounts of the lancefs program; a mount is taken down however its test ends."""
import os
import pathlib
import subprocess
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = pathlib.Path(os.environ.get("LANCEFS_BUILD", ROOT / "build")) / "lancefs"


class Mount:
    def __init__(self, uri, directory, state, options):
        self.path = pathlib.Path(directory)
        self.log = pathlib.Path(state) / "daemon.log"
        settings = ",".join([f"state-dir={state}", *options])
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([PROGRAM, "mount", str(uri), str(directory), "-f", "-o", settings], stdout=log, stderr=log)
        deadline = time.monotonic() + 20
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.close()
                raise RuntimeError("not mounted: " + self.log.read_text())
            time.sleep(0.02)

    def answers(self):
        try:
            return os.path.ismount(self.path) and bool(os.listdir(self.path))
        except OSError:  # what a killed daemon left
            return False

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        subprocess.run(["umount", "-l", self.path], stderr=subprocess.DEVNULL, check=False)


@pytest.fixture
def mount(tmp_path):
    """mount(uri, *options, on=directory) -> Mount"""
    if not PROGRAM.exists():
        pytest.fail(f"{PROGRAM} is not built (LANCEFS_BUILD names another build folder)")
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("/dev/fuse cannot be opened")
    mounts = []

    def start(uri, *options, on=None):
        number = len(mounts)
        directory, state = on or tmp_path / f"mnt{number}", tmp_path / f"state{number}"
        if on is None:
            directory.mkdir()
        state.mkdir()
        mounts.append(Mount(uri, directory, state, options))
        return mounts[-1]

    yield start
    for mounted in reversed(mounts):
        mounted.close()
