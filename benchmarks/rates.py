"""Seconds for one of each kind of work on one core, and for the start of each stage: `rates.py --mnist FOLDER`.

Runs small studies through the workflow, each job on one core, every stage in at least two sizes, and reads from the
records of their jobs what each had to do (`boltzprune.study.cost.workload`) and the processor time that it took without
compiling, keeps the least of the repeats, and fits non-negative rates and starts to all jobs at once by their relative
errors. Writes benchmarks/results/rates.json, with every job, and the table of the package,
src/boltzprune/study/cost/rates.json.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import record
import yaml
from scipy.optimize import nnls

from boltzprune.datasets import mnist
from boltzprune.results import records
from boltzprune.study.config import DigitData
from boltzprune.study.cost.workload import KINDS
from boltzprune.study.settings import merged

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "src" / "boltzprune" / "study" / "cost" / "rates.json"
PATCHES = {
    "experiments": ["patches"],
    "patches": {"criteria": ["eigenvector", "random_weights"], "iterations": 1, "controls": ["scratch"]},
}
WIDE = {"data": {"radius": 3.0, "n_patterns": 6000}, "machine": {"n_hidden": 97}}
DIGITS = {"experiments": ["digits"], "digits": {"criteria": ["variance_fi"], "iterations": 1, "controls": ["rewind"]}}
PAPER = {
    "preset": "published",
    "digits": {
        "data": {"source": "npz", "file": "mnist.npz", "crop": 4},
        "machine": {"receptive_field": 5, "n_hidden": [400, 676], "weight_sd": 0.1},
        "n_chains": 100,
        "evaluation": {"ais_temperatures": 100},
    },
}


def patches(seeds, **sections):
    """A study of the patches."""
    return merged(PATCHES, {"seeds": seeds, "patches": sections})


def schedule(n_epochs, **others):
    """Of a training that the preset does not make longer."""
    return {"n_epochs": n_epochs, "schedule_epochs": None, **others}


def digits(seeds, epochs, base=None, **sections):
    """A study of the digits with so many epochs of pre-training, joint training and retraining."""
    before, joint, after = epochs
    own = {
        "pretraining": {"first": schedule(before), "second": schedule(before)},
        "training": schedule(joint),
        "retraining": schedule(after),
    }
    return merged(merged(DIGITS, base or {}), {"seeds": seeds, "digits": merged(own, sections)})


STUDIES = {
    "patches": patches(2, data={"n_patterns": 5000}),
    "patches_large": patches(9, sampling={"n_samples": 60_000}),
    "patches_small": patches(4, machine={"n_hidden": 11}, sampling={"n_samples": 300_000}),
    "patches_gibbs": patches(1, **WIDE, sampling={"n_gibbs_steps": 50}, training={"batch_size": 10}),
    "patches_gibbs_large": patches(2, **WIDE, sampling={"n_gibbs_steps": 200}, training={"n_gibbs_steps": 2}),
    "patches_enumerated": patches(2, machine={"n_hidden": 60}, sampling={"statistics": "enumerated"}),
    "digits": digits(2, (5, 2, 2)),
    "digits_large": digits(5, (20, 6, 4), evaluation={"ais_temperatures": 1000}),
    "paper": digits(
        1, (2, 1, 1), PAPER, data={"n_train": 1000}, sampling={"n_samples": 300}, training={"batch_size": 1}
    ),
    "paper_batches": digits(
        2,
        (2, 3, 1),
        PAPER,
        data={"n_train": 3000},
        pretraining={"second": {"momentum_rule": "classical", "learning_rate": [0.01, 0.001]}},
        training={"batch_size": 10},
        sampling={"n_samples": 2000},
        evaluation={"ais_chains": None},
    ),
    "paper_chains": digits(
        1,
        (1, 1, 1),
        PAPER,
        n_chains=20,
        data={"n_train": 1500},
        pretraining={"first": {"batch_size": 10}, "second": {"batch_size": 3}},
        training={"batch_size": 2},
        evaluation={"ais_temperatures": 300},
    ),
    "mnist": merged(DIGITS, {"seeds": 1, "digits": {"data": {"source": "mnist"}}}),
}
"""Name -> what differs from config/config.yaml."""
TOGETHER = merged(STUDIES["digits"], {"parts": ["results/digits"]})
"""The digits again, put together from the tables of the study of that name, which has to be there."""
WHOLE = ("patches", "digits")
"""Of these all figures and tables are made, of the others what comes before and with the first pruning."""


def images(folder, path, n_train=3000, n_test=1000):
    """The first images of MNIST as an .npz file."""
    settings = DigitData(source="mnist", directory=str(Path(folder).resolve()))
    found = mnist.read(mnist.locate(settings), settings)
    np.savez_compressed(
        path,
        images=found.train_images[:n_train],
        labels=found.train_labels[:n_train],
        test_images=found.test_images[:n_test],
        test_labels=found.test_labels[:n_test],
    )


def run(name, values, folder):
    """Make a small study on one core and read what its jobs had to do and took: (stage, log) -> (work, seconds)."""
    folder = Path(folder)
    values = {"study": name, "device": "cpu", "seeds_per_job": 100, **values}
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(values))
    [experiment] = values["experiments"]
    place = f"results/{name}/{experiment}"
    block, chain = f"{place}/seeds0-{values['seeds'] - 1}", f"{values[experiment]['criteria'][0]}/iteration1"
    targets = [f"{block}/initial/metrics.csv", f"{block}/{chain}/record.csv"]
    targets = ["all"] if name in WHOLE else [f"{place}/digits.npz"] if name == "mnist" else targets
    targets = [f"results/{name}/tables/digits_metrics.csv"] if "parts" in values else targets
    command = [sys.executable, "-m", "snakemake", *targets, "--snakefile", ROOT / "Snakefile", "--directory", folder]
    options = ["--cores", "1", "--configfile", folder / f"{name}.yaml", "--forceall"]
    done = subprocess.run([*command, *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise SystemExit(done.stdout)
    found = {}
    for path in records.in_study(folder / "results" / name):
        about, _ = records.read(path)
        stage = f"figure {path.stem}" if about["stage"] == "figure" else about["stage"]
        log = path.relative_to(folder / "results" / name / records.LOGS)
        found[stage, str(log)] = about["cost"]["work"], about["cost"]["processor_s"]
    return found


def least(name, values, folder, repeats):
    """The least time of each job over the repeats."""
    runs = [run(name, values, folder) for _ in range(repeats)]
    return [
        {"study": name, "stage": stage, "log": log, "work": work, "processor_s": min(r[stage, log][1] for r in runs)}
        for (stage, log), (work, _) in runs[0].items()
    ]


def fit(jobs):
    """Rates and starts, each >= 0, that leave the least squares of relative errors; jobs get what they predict."""
    kinds = [kind for kind in KINDS if any(kind in job["work"] for job in jobs)]
    stages = sorted({job["stage"] for job in jobs})
    rows = np.zeros((len(jobs), len(kinds) + len(stages)))
    for row, job in zip(rows, jobs):
        row[: len(kinds)] = [job["work"].get(kind, 0.0) for kind in kinds]
        row[len(kinds) + stages.index(job["stage"])] = 1.0
    seconds = np.array([job["processor_s"] for job in jobs])
    scale = np.maximum(rows.max(axis=0), 1e-300)
    found = nnls(rows / seconds[:, None] / scale, np.ones(len(jobs)), maxiter=10_000)[0] / scale
    for job, predicted in zip(jobs, rows @ found):
        job["fitted_s"] = round(float(predicted), 3)
    rounded = [float(f"{value:.3g}") for value in found]
    return dict(zip(kinds, rounded)), dict(zip(stages, rounded[len(kinds) :]))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mnist", required=True, help="folder with the four IDX files of MNIST")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--at-once", type=int, default=1, help="studies side by side, each on one core")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        images(options.mnist, Path(place) / "mnist.npz")
        STUDIES["mnist"]["digits"]["data"]["directory"] = str(Path(options.mnist).resolve())
        with ThreadPoolExecutor(options.at_once) as pool:
            found = pool.map(lambda name: least(name, STUDIES[name], place, options.repeats), STUDIES)
            measured = [job for jobs in found for job in jobs]
        measured += least("together", TOGETHER, place, options.repeats)
    rates, starts = fit(measured)
    record.write("rates", {"rates_s": rates, "start_s": starts, "jobs": measured}, ("numpy", "numba", "scikit-learn"))
    written = json.loads((record.RESULTS / "rates.json").read_text())
    about = {key: written[key] for key in ("date", "command", "device", "python", "versions")}
    TABLE.write_text(json.dumps(about | {"rates_s": rates, "start_s": starts}, indent=2) + "\n")
