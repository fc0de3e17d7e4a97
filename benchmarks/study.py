"""Wall time and peak memory of whole studies on two cores: `benchmarks/study.py [--cifar10 FOLDER] [--mnist FOLDER]`.

Runs the default study and, where CIFAR-10 is given, the patches at the paper's size under presets `published` and
`paper`, where MNIST is given, the digits of config/digits-small.yaml, each in an empty folder. Peak memory is the
largest sum of proportional set sizes (PSS) over all processes of a run, looked at ten times a second.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import record
import yaml

ROOT = Path(__file__).resolve().parent.parent


def memory(process):
    """Memory of a process and all its children, bytes."""
    total = 0
    for one in [process, *process.children(recursive=True)]:
        try:
            total += one.memory_full_info().pss
        except (psutil.Error, AttributeError):
            continue
    return total


def measure(config, options, target="all"):
    """Run one study; seconds and peak memory."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.yaml"
        path.write_text(yaml.safe_dump(config))
        command = [sys.executable, "-m", "snakemake", target, "--snakefile", ROOT / "Snakefile", "--directory", folder]
        start, peak = time.perf_counter(), 0
        log = Path(folder) / "log"
        with log.open("w") as file:
            flags = ["--cores", str(options.cores), "--configfile", path, "--quiet", "rules"]
            process = subprocess.Popen([*command, *flags], stdout=file, stderr=file, cwd=ROOT)
            watched = psutil.Process(process.pid)
            while process.poll() is None:
                peak = max(peak, memory(watched))
                time.sleep(0.1)
        seconds = time.perf_counter() - start
        if process.returncode:
            raise SystemExit(log.read_text())
        if options.keep:
            shutil.copytree(Path(folder) / "results", options.keep, dirs_exist_ok=True)
    for experiment in config.get("patches", {}), config.get("digits", {}):
        if experiment.get("data", {}).get("directory"):
            experiment["data"]["directory"] = "(given)"
    return {
        "config": config,
        "target": target,
        "cores": options.cores,
        "wall_s": seconds,
        "peak_memory_mb": peak / 2**20,
    }


def shipped(name):
    """A configuration of the repository."""
    return yaml.safe_load((ROOT / "config" / name).read_text())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cifar10", help="folder with CIFAR-10")
    parser.add_argument("--mnist", help="folder with MNIST")
    parser.add_argument("--keep", help="folder for the results of all studies")
    parser.add_argument("--cores", type=int, default=min(2, os.cpu_count()))
    options = parser.parse_args()
    measurements = {"demo": measure(shipped("config.yaml"), options)}
    for preset in ("published", "paper") if options.cifar10 else ():
        config = shipped("paper.yaml") | {"study": f"patches-{preset}", "preset": preset}
        config["patches"]["data"]["directory"] = str(Path(options.cifar10).resolve())
        measurements[f"paper_size_{preset}"] = measure(config, options, "patches")
    if options.mnist:
        config = shipped("digits-small.yaml")
        config["digits"]["data"]["directory"] = str(Path(options.mnist).resolve())
        measurements["digits_small"] = measure(config, options, "digits")
    record.write("study", measurements, ("numpy", "numba", "snakemake"))
