# SPDX-License-Identifier: Apache-2.0
"""SIGKILL of the daemon at each step of a commit: the old version or the new one, nothing half done, nothing doubled.

LANCEFS_ROUNDS: how often each step is tried (20 when LANCEFS_FULL=1)."""
import os
import pathlib
import subprocess
from dataclasses import dataclass

import lance
import pyarrow as pa
import pytest
from programs import BUILD
from s3_proxy import S3Proxy
from mounts import wait_until

ROUNDS = int(os.environ.get("LANCEFS_ROUNDS", 20 if os.environ.get("LANCEFS_FULL") == "1" else 4))
ROWS = 5
DROPS = {"cp -p": ["cp", "-p"], "rsync -a": ["rsync", "-a"]}


@dataclass(frozen=True)
class Step:
    """`call`: for kill_at.c, on any store; `put`: where an S3 request goes to, which stands for the call there."""
    name: str
    call: str
    put: str = None
    is_committed: bool = False


STEPS = [
    Step("spooled", "fdatasync:/journal:after"),
    Step("before the data file", "rename:/data/:before", "/data/"),
    Step("after the data file", "rename:/data/:after", "/data/"),
    Step("before the transaction", "rename:/_transactions/:before", "/_transactions/"),
    Step("after the transaction", "rename:/_transactions/:after", "/_transactions/"),
    Step("before the manifest", "link:/_versions/:before", "/_versions/"),
    Step("after the manifest", "link:/_versions/:after", "/_versions/", True),
    Step("before the journal's end", "pwrite:/journal:before:4", is_committed=True),
    Step("before the reply", "pwrite:/journal:after:4", is_committed=True),
]


class Victim:
    """A dataset, the folder that drops come from, and the mounts on it."""

    def __init__(self, place, name, mounts, proxy, folder):
        self.uri = place.uri(name)
        self.place, self.mounts, self.proxy, self.folder = place, mounts, proxy, folder
        lance.write_dataset(pa.table({"id": pa.array([-1], pa.int64())}), self.uri, storage_options=place.storage_options)

    def seen_by_pylance(self):
        """(version, sorted ids)"""
        dataset = lance.dataset(self.uri, storage_options=self.place.storage_options)
        dataset.validate()
        return dataset.version, sorted(dataset.to_table(columns=["id"])["id"].to_pylist())

    def env(self, step):
        """The same endpoint for all mounts of a round: what they keep on disk is apart by endpoint."""
        return {**self.place.env, "AWS_ENDPOINT": self.proxy.endpoint} if step.put and self.proxy else self.place.env

    def mount_to_die(self, step):
        """A mount whose daemon dies at `step` of its first commit."""
        if step.put and self.proxy:
            mount = self.mounts(self.uri, name="m", env=self.env(step))

            def strike(request):
                if request.method != "PUT" or step.put not in request.key or "#probe" in request.key:  # the first mount asks what the store can do
                    return False
                mount.process.kill()
                return True

            setattr(self.proxy, "before" if "before" in step.name else "after", strike)
            return mount
        return self.mounts(self.uri, name="m", env={**self.place.env, "LD_PRELOAD": str(BUILD / "tests/e2e/libkill_at.so"), "KILL_AT": step.call})

    def spare(self):
        """The next mount's daemon lives."""
        if self.proxy:
            self.proxy.before = self.proxy.after = lambda request: False

    def drop(self, tool, file, mount):
        return subprocess.run([*DROPS[tool], file, f"{mount.append}/"], capture_output=True, timeout=60, check=False).returncode


@pytest.fixture
def victim(place, mounts, tmp_path, request):
    name = "killed-" + request.node.callspec.params["step"].name.replace(" ", "-").replace("'", "") + ".lance"
    if place.kind == "local":
        yield Victim(place, name, mounts, None, tmp_path)
        return
    with S3Proxy(place.storage_options["aws_endpoint"]) as proxy:
        yield Victim(place, name, mounts, proxy, tmp_path)


def one_round(victim, step, tool, number):
    file = pathlib.Path(victim.folder) / f"round{number}.jsonl"
    new = list(range(number * ROWS, (number + 1) * ROWS))
    file.write_text("".join(f'{{"id":{i}}}\n' for i in new))
    os.utime(file, (1.7e9 + number, 1.7e9 + number))
    before, old = victim.seen_by_pylance()

    mount = victim.mount_to_die(step)
    assert victim.drop(tool, file, mount) != 0, "the tool was told that all is well"
    assert mount.process.wait(30) == -9
    mount.stop()
    assert victim.seen_by_pylance() == ((before + 1, sorted(old + new)) if step.is_committed else (before, old))

    victim.spare()
    mount = victim.mounts(victim.uri, name="m", env=victim.env(step))
    # Half the rounds drop again at once, while the old drop may still be on its way.
    if number % 4 < 2:
        wait_until(lambda: victim.seen_by_pylance() == (before + 1, sorted(old + new)), 20)
    assert victim.drop(tool, file, mount) == 0
    assert victim.seen_by_pylance() == (before + 1, sorted(old + new))
    assert (mount.path / "count").read_text() == f"{len(old) + len(new)}\n"
    assert mount.errors() == {}
    assert mount.unmount() == 0
    assert victim.seen_by_pylance() == (before + 1, sorted(old + new))
    assert list(mount.state.rglob("spool/[0-9]*/lock")), "the spool lies somewhere else"
    left = list(mount.state.rglob("spool/[0-9]*/d[0-9]*"))
    assert not left, left


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_kill(victim, step):
    for number in range(ROUNDS):
        one_round(victim, step, list(DROPS)[number % 2], number)
