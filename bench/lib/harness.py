# SPDX-License-Identifier: Apache-2.0
"""What workloads are written with: measured processes, mounts, side-by-side comparisons, tables.

Every measurement is a fresh process (ours and the peers'), all sides take turns inside one run, and
the figure is the median. This process itself stays small and imports none of the peers, because a
child's peak memory may count what its parent had.
"""
import contextlib
import dataclasses
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BENCH = ROOT / "bench"


class Failure(Exception):
    """A measured process failed or gave other rows than its peer: the run is worth nothing."""


@dataclasses.dataclass
class Measurement:
    seconds: float
    rss_mb: float = 0  # peak, of the process that did the work
    cpu: float = 0  # seconds of all its threads, in user and kernel mode
    rows: object = None  # what must be equal on all sides; None = not compared
    extra: dict = dataclasses.field(default_factory=dict)


def median(measurements):
    """The run with the median time; its memory is the worst of all runs."""
    ordered = sorted(measurements, key=lambda m: m.seconds)
    middle = ordered[(len(ordered) - 1) // 2]
    return dataclasses.replace(middle, rss_mb=max(m.rss_mb for m in measurements))


def show_seconds(seconds):
    return f"{seconds * 1000:.1f} ms" if seconds < 0.1 else f"{seconds:.3f} s"


def show_bytes(count):
    for limit, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= limit:
            return f"{count / limit:.1f} {unit}"
    return f"{count} B"


def process_field(pid, file, field):
    for line in pathlib.Path(f"/proc/{pid}/{file}").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1])
    return 0


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Table:
    def __init__(self, title, columns):
        self.title, self.columns, self.rows, self.notes = title, columns, [], []

    def add(self, *cells):
        assert len(cells) == len(self.columns), (self.columns, cells)
        self.rows.append([str(c) for c in cells])
        print("  " + " | ".join(self.rows[-1]), file=sys.stderr, flush=True)

    def markdown(self):
        widths = [max(len(r[i]) for r in [self.columns, *self.rows]) for i in range(len(self.columns))]
        lines = [f"### {self.title}", ""]
        for row in [self.columns, ["-" * w for w in widths], *self.rows]:
            lines.append("| " + " | ".join(c.ljust(w) for c, w in zip(row, widths)) + " |")
        if self.notes:
            lines += [""] + self.notes
        return "\n".join(lines) + "\n"


class Bench:
    Failure, median, show_seconds, show_bytes = Failure, staticmethod(median), staticmethod(show_seconds), staticmethod(show_bytes)

    def __init__(self, build, python, data, runs, quick):
        self.build, self.python, self.data, self.runs, self.quick = pathlib.Path(build), python, data, runs, quick
        self.lancefs = str(self.build / "lancefs")
        tool = pathlib.Path(os.environ.get("LANCEFS_SCAN_TOOL", self.build / "bench/scan_tool"))
        self.scan_tool = str(tool) if tool.exists() else None
        self.tables = []
        self.failures = []
        self.temporary = tempfile.TemporaryDirectory(prefix="lancefs-bench-", dir=data.folder)
        self.folder = pathlib.Path(self.temporary.name)
        self.environment = {}  # for all measured processes: an object store's address and keys

    def close(self):
        self.temporary.cleanup()

    def table(self, title, columns):
        print(title, file=sys.stderr, flush=True)
        table = Table(title, columns)
        self.tables.append(table)
        return table

    def timed_table(self, title):
        return self.table(title, ["what", "lancefs", "CPU", "memory", "peer", "its time", "its CPU", "its memory", "times faster", "goal"])

    def fail(self, text):
        self.failures.append(text)
        print("  FAILED: " + text, file=sys.stderr, flush=True)

    # --- measured processes -------------------------------------------------------------------

    def run(self, command, stdout=subprocess.DEVNULL, rows=None, environment=None):
        """A whole process: wall time from start to end, peak memory from its rusage."""
        with tempfile.TemporaryFile() as errors:
            start = time.perf_counter()
            child = subprocess.Popen([str(c) for c in command], stdin=subprocess.DEVNULL, stdout=stdout, stderr=errors,
                                     env={**os.environ, **self.environment, **(environment or {})})
            _, status, usage = os.wait4(child.pid, 0)
            seconds = time.perf_counter() - start
            child.returncode = os.waitstatus_to_exitcode(status)
            if child.returncode != 0:
                errors.seek(0)
                raise Failure(f"{' '.join(map(str, command))[:300]}: status {child.returncode}: {errors.read().decode(errors='replace')[-600:]}")
        return Measurement(seconds, usage.ru_maxrss / 1024, usage.ru_utime + usage.ru_stime, rows)

    def output(self, command, environment=None):
        """The same, with the process's standard output."""
        with tempfile.TemporaryFile() as out:
            measurement = self.run(command, stdout=out, environment=environment)
            out.seek(0)
            return measurement, out.read()

    def peer(self, workload, function, **arguments):
        """`function` of the workload's file in a fresh Python; its imports are not timed."""
        _, out = self.output([self.python, BENCH / "lib/peer.py", workload, function, json.dumps(arguments)])
        line = json.loads(out.decode().strip().splitlines()[-1])
        return Measurement(line["seconds"], line["rss_mb"], line["cpu"], line["result"].pop("rows", None), line["result"])

    def tool(self, *arguments):
        process, out = self.output([self.scan_tool, *arguments])
        line = json.loads(out)
        return Measurement(line["seconds"], line["rss_mb"], process.cpu, line["rows"], line)

    def lines_of(self, path):
        """Lines of a file, counted while it is read as a stream."""
        count = 0
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                count += block.count(b"\n")
        return count

    @contextlib.contextmanager
    def mount(self, uri, *options):
        """A mount in the foreground of a child; gives (directory, process id)."""
        directory = tempfile.mkdtemp(prefix="mount-", dir=self.folder)
        command = [self.lancefs, "mount", "-f", "--log-level", "warn", "-o", ",".join([f"state-dir={self.folder}/state", *options]), str(uri), directory]
        with tempfile.TemporaryFile() as errors:
            child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors, env={**os.environ, **self.environment})
            try:
                end = time.monotonic() + 60
                while not os.path.ismount(directory):
                    if child.poll() is not None or time.monotonic() > end:
                        errors.seek(0)
                        raise Failure(f"{' '.join(command)}: not mounted: {errors.read().decode(errors='replace')[-600:]}")
                    time.sleep(0.005)
                yield pathlib.Path(directory), child.pid
            finally:
                if child.poll() is None:
                    child.send_signal(signal.SIGTERM)
                    try:
                        child.wait(60)
                    except subprocess.TimeoutExpired:
                        child.kill()
                        child.wait()
                if os.path.ismount(directory):
                    subprocess.run([self.lancefs, "umount", "-z", directory], check=False)
                with contextlib.suppress(OSError):
                    os.rmdir(directory)

    def read_in_mount(self, uri, path, options=(), rows=None):
        """`cat` of one file in a fresh mount; memory is the daemon's peak."""
        with self.mount(uri, *options) as (directory, pid):
            before = cpu_seconds(pid)
            measurement = self.run(["cat", directory / path], rows=rows)
            measurement.rss_mb = process_field(pid, "status", "VmHWM") / 1024
            measurement.cpu += cpu_seconds(pid) - before
            return measurement

    # --- comparing ----------------------------------------------------------------------------

    def compare(self, table, what, ours, peers, goal="", runs=None):
        """Adds a row for each peer; `ours` and the values of `peers` are called in turns. One untimed turn warms up."""
        sides = {"lancefs": ours, **peers}
        results = {name: [] for name in sides}
        try:
            for turn in range((runs or self.runs) + (0 if self.quick else 1)):
                for name, call in sides.items():
                    measurement = call()
                    if turn > 0 or self.quick:
                        results[name].append(measurement)
        except Failure as failure:
            self.fail(f"{what}: {failure}")
            return None
        best = {name: median(list_) for name, list_ in results.items()}
        mine = best.pop("lancefs")
        for name, theirs in best.items():
            if mine.rows is not None and theirs.rows is not None and mine.rows != theirs.rows:
                self.fail(f"{what}: lancefs gives {mine.rows}, {name} {theirs.rows}")
            table.add(what, show_seconds(mine.seconds), f"{mine.cpu:.2f} s", f"{mine.rss_mb:.0f} MB", name, show_seconds(theirs.seconds),
                      f"{theirs.cpu:.2f} s", f"{theirs.rss_mb:.0f} MB", f"{theirs.seconds / mine.seconds:.2f}", goal if isinstance(goal, str) else goal.get(name, ""))
        return mine, best
