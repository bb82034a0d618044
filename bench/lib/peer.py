# SPDX-License-Identifier: Apache-2.0
"""Runs one function of a workload's file and prints its time, peak memory and result as JSON.

    peer.py WORKLOAD FUNCTION ARGUMENTS-AS-JSON

The function imports what it needs and returns another one without arguments, which is what is
timed. That one returns a dict; "rows" in it is compared with the other sides.
"""
import importlib.util
import json
import pathlib
import sys
import time


def load(workload):
    path = pathlib.Path(__file__).resolve().parents[1] / f"{workload}.py"
    spec = importlib.util.spec_from_file_location(f"workload_{workload}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def peak_megabytes():
    for line in open("/proc/self/status"):
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0


def main():
    workload, function, arguments = sys.argv[1:]
    # Peers' file names must not hide packages, as a script's own folder would.
    sys.path[:] = [p for p in sys.path if pathlib.Path(p or ".").resolve() != pathlib.Path(__file__).resolve().parent]
    work = getattr(load(workload), function)(**json.loads(arguments))
    start, cpu = time.perf_counter(), time.process_time()
    result = work() or {}
    cpu = time.process_time() - cpu
    seconds = result.pop("seconds", time.perf_counter() - start)
    print(json.dumps({"seconds": seconds, "cpu": cpu, "rss_mb": peak_megabytes(), "result": result}))


if __name__ == "__main__":
    main()
