# SPDX-License-Identifier: Apache-2.0
"""one data file of 256 MiB through raw/, front to back, against a minimal FUSE server and the file itself"""
import contextlib
import os
import pathlib
import signal
import subprocess
import tempfile
import time

MIB = 256


@contextlib.contextmanager
def minimal_server(bench):
    """bench/minimal_fuse.c, which serves as many bytes out of memory."""
    directory = tempfile.mkdtemp(prefix="minimal-", dir=bench.folder)
    child = subprocess.Popen([bench.build / "bench/minimal_fuse", str(MIB), directory])
    try:
        end = time.monotonic() + 30
        while not os.path.ismount(directory):
            if child.poll() is not None or time.monotonic() > end:
                raise bench.Failure("the minimal FUSE server did not start")
            time.sleep(0.01)
        yield pathlib.Path(directory) / "f"
    finally:
        if child.poll() is None:
            child.send_signal(signal.SIGTERM)
            child.wait(30)
        if os.path.ismount(directory):
            subprocess.run(["umount", "-l", directory], check=False)


def write(path):
    import lance
    import pyarrow

    def work():
        rows = MIB * 1024
        column = pyarrow.array((os.urandom(1000) for _ in range(rows)), pyarrow.binary(1000))
        lance.write_dataset(pyarrow.table({"bytes": column}), path)
        return {"rows": rows}
    return work


def read(bench, path, block):
    """The file is in the page cache; what the kernel kept of the mount is dropped before."""
    with open(path, "rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return bench.run(["dd", f"if={path}", "of=/dev/null", f"bs={block}", "status=none"])


def run(bench):
    uri = bench.folder / "raw.lance"
    bench.peer("raw", "write", path=str(uri))
    name = max((uri / "data").iterdir(), key=os.path.getsize).name
    table = bench.timed_table(f"A data file of {MIB} MiB, sequentially (dd)")
    with bench.mount(uri) as (directory, _), minimal_server(bench) as minimal:
        for block in ("128K", "1M"):
            bench.compare(table, f"raw/, blocks of {block}", lambda: read(bench, directory / "raw/data" / name, block),
                          {"minimal FUSE server": lambda: read(bench, minimal, block),
                           "the file itself": lambda: bench.run(["dd", f"if={uri}/data/{name}", "of=/dev/null", f"bs={block}", "status=none"])},
                          goal={"minimal FUSE server": "0.9"})
    table.notes.append("Time is dd's; the file lies in the page cache, the mount's own pages are dropped before every run.")
