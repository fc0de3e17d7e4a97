"""Time and memory of the jobs of each rule in finished studies: `benchmarks/resources.py results/demo results/...`.

Read from what `benchmark:` wrote. `runtime` and `mem_mb` of the rules follow from these numbers, with room.
"""

import argparse
import csv
from collections import defaultdict
from pathlib import Path

import record


def jobs(results):
    """Every job of a study: name, with digits/ before it in that experiment -> list of (seconds, peak memory in MB)."""
    found, folder = defaultdict(list), Path(results) / "benchmarks"
    for path in sorted(folder.rglob("*.tsv")):
        with path.open() as file:
            [row] = csv.DictReader(file, delimiter="\t")
        name = ("digits/" if "digits" in path.relative_to(folder).parts else "") + path.stem
        memory = row["max_rss"]  # not looked at in jobs of an instant
        found[name].append((float(row["s"]), float(memory) if memory not in ("NA", "-") else 0.0))
    return found


def summary(found):
    """Numbers of each name."""
    return {
        name: {
            "jobs": len(rows),
            "mean_s": sum(seconds for seconds, _ in rows) / len(rows),
            "max_s": max(seconds for seconds, _ in rows),
            "max_memory_mb": max(memory for _, memory in rows),
        }
        for name, rows in sorted(found.items())
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", nargs="+", help="results folder of a finished study")
    options = parser.parse_args()
    measurements = {Path(path).name: summary(jobs(path)) for path in options.results}
    record.write("resources", measurements, ("numpy", "snakemake"))
