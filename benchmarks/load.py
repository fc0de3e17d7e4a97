"""What Snakemake costs: planning a study of 4,000 jobs, and running a job that does next to nothing.

`benchmarks/load.py` builds a study of many criteria, iterations and blocks of seeds and times its dry run; then it runs
a tiny study twice on one core, with all seeds in a job and with one seed per job. What lies outside the jobs is the
start of Snakemake and a price per job; the two runs tell them apart. Processor seconds: other programs may run.
"""

import datetime
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import record
import yaml
from resources import jobs

ROOT = Path(__file__).resolve().parent.parent
CRITERIA = "variance_fi heuristic_fi eigenvector weight_magnitude random_weights anti_fi random_units".split()
DATA = {"source": "sample_images", "n_patterns": 499}
MANY = {"seeds": 48, "seeds_per_job": 4, "patches": {"data": DATA, "iterations": 10, "criteria": CRITERIA}}
"""12 blocks of seeds with 3 jobs and 7 chains of 10 iterations of 5 jobs each, and what is made of them: 4,244 jobs."""
TINY = {
    "seeds": 10,
    "device": "reference",
    "patches": {"data": DATA, "machine": {"n_hidden": 7}, "iterations": 1, "criteria": CRITERIA[:2]},
    "figures": {"formats": ["png"], "dpi": 50},
}
PRESENT = {"study": "load", "preset": "published"}


def snakemake(values, folder, *arguments):
    """Run the patches of a configuration in a folder: the output, wall seconds, processor seconds."""
    path = Path(folder) / "config.yaml"
    path.write_text(yaml.safe_dump(PRESENT | values))
    command = [sys.executable, "-m", "snakemake", "patches", *arguments, "--snakefile", ROOT / "Snakefile"]
    start, before = time.perf_counter(), os.times()
    done = subprocess.run(
        [*command, "--directory", folder, "--configfile", path],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT,
    )  # fmt: skip
    after = os.times()
    if done.returncode:
        raise SystemExit(done.stdout)
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return done.stdout, time.perf_counter() - start, used


def plan(values=MANY):
    """Dry run of a study: jobs, wall and processor seconds."""
    with tempfile.TemporaryDirectory() as folder:
        output, wall, used = snakemake(values, folder, "--dry-run", "--quiet", "rules")
    return {"jobs": int(re.search(r"^total +(\d+)$", output, re.MULTILINE)[1]), "wall_s": wall, "processor_s": used}


def overhead(seeds_per_job):
    """A tiny study on one core: jobs, wall seconds, seconds in jobs, seconds outside, processor seconds."""
    with tempfile.TemporaryDirectory() as folder:
        _, wall, used = snakemake(TINY | {"seeds_per_job": seeds_per_job}, folder, "--cores", "1")
        rows = [row for found in jobs(Path(folder) / "results" / "load").values() for row in found]
    inside = sum(seconds for seconds, _ in rows)
    return {
        "seeds_per_job": seeds_per_job,
        "jobs": len(rows),
        "wall_s": wall,
        "processor_s": used,
        "in_jobs_s": inside,
        "outside_jobs_s": wall - inside,
    }


def per_job(few, many):
    """What each further job costs, from two runs of the same study in few and in many jobs."""
    jobs = many["jobs"] - few["jobs"]
    return {
        "scheduling_s": (many["outside_jobs_s"] - few["outside_jobs_s"]) / jobs,
        "all_processor_s": (many["processor_s"] - few["processor_s"]) / jobs,
    }


if __name__ == "__main__":
    few, many = overhead(10), overhead(1)
    measurements = {"plan": plan(), "ten_seeds_in_a_job": few, "one_seed_in_a_job": many, "per_job": per_job(few, many)}
    measurements["other_programs"] = f"load average {os.getloadavg()[0]:.1f} at the end"
    record.write(f"load_{datetime.date.today().isoformat()}", measurements, ("snakemake", "numpy"))
