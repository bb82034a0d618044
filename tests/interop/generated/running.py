# SPDX-License-Identifier: Apache-2.0
"""Seeds one by one or many side by side. Each worker is a process of its own, so that neither a crash of the writer nor a
hang ends the run."""

import collections
import json
import os
import pathlib
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
SECONDS_EACH = 120


def run_seed(seed, folder, checker, keep=None):
    """One seed: written, compared, removed. A dictionary of what came of it."""
    from . import histories
    from .compare import Unreadable
    result = {"seed": seed, "version": histories.version_of(seed), "failures": [], "notes": []}
    history = histories.History(folder, seed, keep=keep)
    result["columns"] = [f"{c.number} {c.field.name!r}: {c.field.type}{'' if c.field.nullable else ' not null'} {c.field.metadata or ''}" for c in history.columns]
    result["numbers"] = [c.number for c in history.columns]
    try:
        history.write()
        before = checker.counts["rows"]
        result["failures"] = checker.check(history.uri, seed, result["notes"])
        result["rows"] = checker.counts["rows"] - before
    except (histories.Skip, Unreadable) as error:
        result["skipped"] = str(error)
    result.update(steps=history.steps, refused=history.refused, refusals=history.refusals, failed_steps=history.failed_steps, written=len(history.columns))
    return result


def serve():
    """A worker: seeds on stdin, a line of JSON each on stdout. pylance writes its panics to a file."""
    answers = os.fdopen(os.dup(1), "w")
    folder = tempfile.mkdtemp(prefix="generated-", dir=scratch())
    log = os.open(folder + "/stderr", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.dup2(log, 2)
    os.dup2(log, 1)
    from .compare import Checker
    checker = Checker(folder)
    for line in sys.stdin:
        seed = int(line)
        try:
            result = run_seed(seed, folder, checker)
        except Exception as error:  # the test's own fault or pylance's
            import traceback
            result = {"seed": seed, "version": "?", "failures": [f"the run failed: {error}" + "".join(traceback.format_exception(error))[-1500:]], "notes": []}
        result["unreadable"] = dict(checker.unreadable)
        result["answers"] = checker.counts["answers"]
        checker.counts["answers"] = 0
        checker.unreadable.clear()
        print(json.dumps(result), file=answers, flush=True)
        shutil.rmtree(f"{folder}/d{seed}.lance", ignore_errors=True)
    checker.close()
    shutil.rmtree(folder, ignore_errors=True)
    return 0


def scratch():
    """Memory where the system has a place for it: thousands of datasets come and go."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


class Total:
    def __init__(self):
        self.failures = []
        self.runs = collections.Counter()
        self.skipped = collections.Counter()
        self.refused = collections.Counter()
        self.failed_steps = collections.Counter()
        self.unreadable = collections.Counter()
        self.columns = self.rows = self.answers = self.steps = 0
        self.seconds = 0.0

    def add(self, result):
        if result["failures"]:
            self.failures.append(result)
        if "skipped" in result:
            self.skipped[result["skipped"]] += 1
        else:
            self.runs[result["version"]] += 1
        self.refused.update(result.get("refused", {}))
        self.failed_steps.update(result.get("failed_steps", {}))
        self.unreadable.update(result.get("unreadable", {}))
        self.columns += result.get("written", 0)
        self.rows += result.get("rows", 0)
        self.answers += result.get("answers", 0)
        self.steps += len(result.get("steps", []))

    def text(self):
        out = [describe(result) for result in self.failures[:20]]
        datasets = ", ".join(f"{version}: {count}" for version, count in sorted(self.runs.items()))
        out.append(f"datasets {sum(self.runs.values())} ({datasets}), rows {self.rows}, columns {self.columns}, steps {self.steps}, answers compared {self.answers}, "
                   f"{self.seconds:.0f} s")
        for what, counter in (("columns refused by the writer", self.refused), ("columns unreadable for the reference", self.unreadable),
                              ("steps refused by the writer", self.failed_steps), ("datasets refused by the writer", self.skipped)):
            out.append(f"{what}: {sum(counter.values())}")
            out += [f"    {count} {text}" for text, count in counter.most_common(12)]
        out.append(f"{len(self.failures)} failed: {' '.join(str(result['seed']) for result in self.failures)}")
        return "\n".join(out)


def describe(result):
    lines = [f"SEED {result['seed']} version {result['version']}   (python tests/interop/generated --seed {result['seed']} --shrink)"]
    lines += ["    " + text for key in ("columns", "steps", "notes", "failures") for text in result.get(key, [])]
    return "\n".join(lines)


class Worker(threading.Thread):
    """Feeds one worker process; a process that dies or hangs costs its seed and is started anew."""

    def __init__(self, seeds, results):
        super().__init__(daemon=True)
        self.seeds, self.results, self.process = seeds, results, None

    def start_process(self):
        self.process = subprocess.Popen([sys.executable, str(HERE), "--worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env={**os.environ, "RUST_BACKTRACE": "0", "LANCE_LOG": "error"})

    def run(self):
        while True:
            try:
                seed = self.seeds.get_nowait()
            except queue.Empty:
                break
            if self.process is None:
                self.start_process()
            self.process.stdin.write(f"{seed}\n")
            self.process.stdin.flush()
            timer = threading.Timer(SECONDS_EACH, self.process.kill)
            timer.start()
            line = self.process.stdout.readline()
            timer.cancel()
            if line:
                self.results.put(json.loads(line))
                continue
            code = self.process.wait()
            self.process = None
            self.results.put({"seed": seed, "version": "?", "failures": [f"the process ended with {code} or took over {SECONDS_EACH} s"], "notes": []})
        if self.process is not None:
            self.process.stdin.close()
            self.process.wait(60)
        self.results.put(None)


def many(seeds, jobs, versions=None, progress=None):
    from .histories import version_of
    todo, results, total = queue.Queue(), queue.Queue(), Total()
    for seed in seeds:
        if versions is None or version_of(seed) in versions:
            todo.put(seed)
    begin = time.time()
    workers = [Worker(todo, results) for _ in range(jobs)]
    for worker in workers:
        worker.start()
    done, alive = 0, jobs
    while alive:
        result = results.get()
        if result is None:
            alive -= 1
            continue
        total.add(result)
        done += 1
        if progress and (result["failures"] or done % 250 == 0):
            print(f"{done} done, {len(total.failures)} failed" + (f"; seed {result['seed']}: {result['failures'][0][:300]}" if result["failures"] else ""), file=progress, flush=True)
    total.seconds = time.time() - begin
    return total


def one(seed, keep, folder, shrink):
    """Repeats a seed here and shows all; with `shrink` leaves out columns while it still fails."""
    from .compare import Checker
    checker = Checker(folder)

    def attempt(keep):
        shutil.rmtree(f"{folder}/d{seed}.lance", ignore_errors=True)
        return run_seed(seed, folder, checker, keep)

    result = attempt(keep)
    if shrink and result["failures"]:
        left = result["numbers"]
        for number in list(left):
            fewer = [n for n in left if n != number]
            smaller = attempt(fewer)
            if smaller["failures"]:
                left, result = fewer, smaller
        result = attempt(left)
    print(describe(result))
    print("    refused:", result["refusals"], dict(result["failed_steps"]))
    print("    dataset:", f"{folder}/d{seed}.lance")
    checker.close()
    return 1 if result["failures"] else 0
