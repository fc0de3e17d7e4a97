# The study, checked, and where its results lie. What each job is given is in src/boltzprune/jobs.py.
import re

from boltzprune import jobs, settings
from boltzprune.errors import InputError
from boltzprune.figures import FIGURES
from snakemake.exceptions import WorkflowError

try:
    STUDY = settings.study_from(config, " + ".join(map(str, workflow.configfiles)) or "--config")
    CRITERIA = jobs.criteria(STUDY)
    for name in CRITERIA.values():
        jobs.needs_eigenvector(name)
except InputError as error:
    raise WorkflowError(str(error)) from None

RESULTS = f"results/{STUDY.study}"
PATCHES = f"{RESULTS}/patches"
BLOCK = f"{PATCHES}/seeds{{block}}"
CHAIN = f"{BLOCK}/{{criterion}}/iteration{{iteration}}"
LOGS = f"{RESULTS}/logs"
BENCHMARKS = f"{RESULTS}/benchmarks"
BLOCKS = jobs.blocks(STUDY)
jobs.export_environment()
GPU = 0  # no GPU backend in this version

if Path("results").exists() and not os.access("results", os.W_OK):
    raise WorkflowError(f"{Path('results').resolve()} is not writable; make it so, or use --directory")


def previous(name):
    """Input function: that file of the iteration before, or of the initial machines."""

    def path(wildcards):
        before = int(wildcards.iteration) - 1
        folder = f"{wildcards.criterion}/iteration{before}" if before else "initial"
        phase = "retrained" if before else "initial"
        return f"{PATCHES}/seeds{wildcards.block}/{folder}/{phase}{name}"

    return path


def last_and_initial(name):
    """That file of the initial machines and of the last iteration, of all blocks and criteria."""
    initial = expand(f"{BLOCK}/initial/initial{name}", block=BLOCKS)
    last = expand(
        f"{CHAIN}/retrained{name}",
        block=BLOCKS,
        criterion=CRITERIA,
        iteration=STUDY.patches.iterations,
    )
    return initial + last


def all_metrics():
    """Metrics of all machines."""
    iterations = range(1, STUDY.patches.iterations + 1)
    return expand(f"{BLOCK}/initial/metrics.csv", block=BLOCKS) + expand(
        f"{CHAIN}/metrics.csv", block=BLOCKS, criterion=CRITERIA, iteration=iterations
    )


def figure_inputs(name):
    """The files that a figure reads, by name."""
    available = {
        "patterns": [f"{PATCHES}/patterns.npz"],
        "statistics": expand(f"{BLOCK}/initial/initial_statistics.npz", block=BLOCKS),
        "metrics": [f"{RESULTS}/tables/metrics.csv"],
        "pattern_probabilities": [f"{RESULTS}/tables/pattern_probabilities.csv"],
    }
    return {key: available[key] for key in FIGURES[name].inputs}


def named(option, files):
    """Files as arguments of the command line: --in name=path ..."""
    return " ".join(f"{option} {key}='{path}'" for key, paths in files.items() for path in paths)
