"""What every benchmark writes down: date, machine, versions, command, measurements."""

import datetime
import importlib.metadata
import json
import os
import platform
import sys
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


def processor():
    """Name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def write_or_print(no_write, name, measurements, packages):
    """The measurements as a file and on the screen, or on the screen alone."""
    if no_write:
        print(json.dumps(measurements, indent=2))
    else:
        write(name, measurements, packages)


def write(name, measurements, packages=("numpy", "numba", "scikit-learn")):
    """Print the measurements and write them to benchmarks/results/{name}.json."""
    record = {
        "date": datetime.date.today().isoformat(),
        "command": " ".join(["python", *("FOLDER" if os.path.isdir(word) else word for word in sys.argv)]),
        "device": f"{processor()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "versions": {package: importlib.metadata.version(package) for package in packages},
        "measurements": measurements,
    }
    text = json.dumps(record, indent=2)
    print(text)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(text + "\n")
