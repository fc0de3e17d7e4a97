"""A whole tiny study of deep machines in this process, with the jobs that the rules of the workflow would get."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from claims_tables import CLAIMS_FILES

from boltzprune.pruning.controls import ANEW, CONTROLS, UNPRUNED
from boltzprune.report.figures import FIGURES
from boltzprune.results.prepared import read_digits
from boltzprune.results.store import Arrays, read_machine
from boltzprune.study import jobs
from boltzprune.study.settings import merged, study_from
from boltzprune.study.stages import CLAIMS_INPUTS, Job, run

DIGIT_FIGURES = [name for name, row in FIGURES.items() if row.experiment == "digits"]
SHAPE, N_IMAGES, N_TRAIN, N_TEST, N_SAMPLES, N_CHAINS = (5, 3), 131, 101, 47, 97, 13
N_CLASSES = 4
"""Of which one has no image."""

KEYS = ["criterion", "iteration", "phase", "seed"]
CHAINS = [f"{criterion}{i}" for criterion in ("random_units", "anti_fi") for i in (1, 2)]
MACHINES = ["initial", *(f"{chain}_{phase}" for chain in CHAINS for phase in ("pruned", "retrained"))]
MACHINES += [f"{chain}_{phase}" for chain in CHAINS if chain.endswith("2") for phase in ANEW]
MACHINES += [f"{UNPRUNED}{i}_retrained" for i in (1, 2)]


def write_images(path, seed=23):
    """An .npz file of labelled images: three noisy prototypes; 5 x 3 pixels from 0 to 255."""
    rng = np.random.default_rng(seed)
    prototypes = rng.random((3, *SHAPE)) < 0.45
    arrays = {}
    for prefix, n in (("", N_IMAGES), ("test_", N_TEST)):
        labels = rng.integers(0, 3, n)
        ink = prototypes[labels] ^ (rng.random((n, *SHAPE)) < 0.12)
        arrays |= {f"{prefix}labels": labels, f"{prefix}images": (ink * 200 + rng.integers(0, 40, ink.shape))}
    np.savez(path, **{name: array.astype(np.uint8) for name, array in arrays.items()})


def deep_values(file, **digits):
    """Configuration of a study of some seconds: 2 seeds, 2 criteria, 2 iterations, 15 x 15 x 11 units."""
    rbm = {"n_epochs": 7, "batch_size": 5, "learning_rate": [0.5, 0.1], "momentum_switch": 1}
    training = {
        "n_epochs": 5,
        "batch_size": 10,
        "learning_rate": [0.2, 0.05],
        "momentum_switch": 1,
        "skip_first": False,
    }
    values = {
        "data": {"source": "npz", "file": str(file), "n_train": N_TRAIN, "n_classes": N_CLASSES},
        "machine": {"n_hidden": [15, 11], "receptive_field": 3, "weight_sd": 0.7, "hidden_bias": -0.5},
        "pretraining": {"first": rbm, "second": rbm},
        "n_chains": N_CHAINS,
        "training": training,
        "retraining": training | {"n_epochs": 2, "schedule_epochs": None},
        "sampling": {"n_samples": N_SAMPLES, "n_gibbs_steps": 5},
        "criteria": ["random_units", "anti_fi"],
        "controls": [*CONTROLS],
        "iterations": 2,
        "pruning": {"fraction": [0.4, 0.5], "whole_units": "proportion"},
        "evaluation": {"strength_raw": 0.3, "strength_encoding": 0.7, "ais_chains": 7, "ais_temperatures": 11},
    }
    figures = {"formats": ["png"], "dpi": 40, "last_iterations": {"anti_fi": 1}}
    return {"study": "deep", "seeds": 2, "device": "reference", "digits": merged(values, digits), "figures": figures}


class DeepRunner:
    """Runs the jobs of a study and knows where their files lie."""

    def __init__(self, values, folder, seeds=None, threads=1):
        self.study, self.folder = study_from(values), Path(folder)
        self.seeds = tuple(range(jobs.n_seeds(self.study, "digits"))) if seeds is None else seeds
        self.threads = threads

    def __call__(self, stage, job, inputs, outputs):
        """One stage; inputs and outputs as names below the folder."""
        given = {
            name: [self.folder / file for file in ([files] if isinstance(files, str) else files)]
            for name, files in inputs.items()
        }
        wanted = {name: self.folder / file for name, file in outputs.items()}
        run(Job(stage, given, wanted, json.loads(job["spec"]), self.seeds, self.threads))

    def everything(self, figures=None):
        """From raw data to figures: these, or all that the study has."""
        self.initial()
        for criterion in self.study.digits.criteria:
            self.chain(criterion)
            self.anew(criterion)
        self.unpruned()
        self.results(figures)
        return self

    def data(self):
        self("fetch_digits", jobs.fetch_job(self.study, "digits"), {}, {"manifest": "source.json"})
        job = jobs.prepare_job(self.study, "digits")
        self("prepare_digits", job, {"manifest": "source.json"}, {"digits": "digits.npz"})
        outputs = {"references": "digits_references.csv", "classifier": "classifier.npz"}
        self("reference", jobs.job(self.study, "reference"), {"digits": "digits.npz"}, outputs)

    def initial(self):
        self.data()
        self("pretrain", jobs.job(self.study, "pretrain"), {"digits": "digits.npz"}, {"machine": "pretrained.npz"})
        inputs = {"machine": "pretrained.npz", "digits": "digits.npz"}
        self("train_jointly", jobs.job(self.study, "train_jointly"), inputs, {"machine": "initial.npz"})
        self.sample("none", 0, "initial", "initial")
        self.evaluate(["initial"], "initial")

    def sample(self, criterion, iteration, phase, name):
        job = jobs.job(self.study, "sample_deep", criterion=criterion, iteration=iteration, phase=phase)
        outputs = {"statistics": f"{name}_statistics.npz", "samples": f"{name}_samples.npz"}
        self("sample_deep", job, {"machine": f"{name}.npz", "digits": "digits.npz"}, outputs)

    def evaluate(self, names, target):
        inputs = {
            "digits": "digits.npz",
            "classifier": "classifier.npz",
            "machine": [f"{name}.npz" for name in names],
            "statistics": [f"{name}_statistics.npz" for name in names],
            "samples": [f"{name}_samples.npz" for name in names],
        }
        outputs = {"metrics": f"{target}_metrics.csv", "classes": f"{target}_classes.csv"}
        self("evaluate_digits", jobs.job(self.study, "evaluate_digits"), inputs, outputs)

    def chain(self, criterion, last=None):
        before = "initial"
        for iteration in range(1, (last or self.study.digits.iterations) + 1):
            pruned, retrained = (f"{criterion}{iteration}_{phase}" for phase in ("pruned", "retrained"))
            inputs = {"machine": f"{before}.npz", "statistics": f"{before}_statistics.npz"}
            if jobs.stops(self.study, "digits"):
                inputs["metrics"] = [
                    f"{name}_metrics.csv" for name in ("initial", *(f"{criterion}{k}" for k in range(1, iteration)))
                ]
            if jobs.regrows(self.study, "digits"):
                inputs["initial"] = "initial.npz"
            outputs = {"machine": f"{pruned}.npz", "record": f"{criterion}{iteration}_record.csv"}
            self("prune_deep", jobs.prune_job(self.study, criterion, iteration, "prune_deep"), inputs, outputs)
            self.retrain(pruned, iteration, retrained, before)
            for phase, name in (("pruned", pruned), ("retrained", retrained)):
                self.sample(criterion, iteration, phase, name)
            self.evaluate([pruned, retrained], f"{criterion}{iteration}")
            before = retrained

    def retrain(self, machine, iteration, retrained, before):
        job, inputs = jobs.job(self.study, "retrain_jointly", iteration=iteration), {"digits": "digits.npz"}
        if jobs.draws_back(self.study, "digits"):
            inputs["before"] = f"{before}.npz"
        self("retrain_jointly", job, inputs | {"machine": f"{machine}.npz"}, {"machine": f"{retrained}.npz"})

    def unpruned(self):
        before = "initial"
        for iteration in self.iterations if UNPRUNED in self.study.digits.controls else ():
            retrained = f"{UNPRUNED}{iteration}_retrained"
            self.retrain(before, iteration, retrained, before)
            self.sample(UNPRUNED, iteration, "retrained", retrained)
            self.evaluate([retrained], f"{UNPRUNED}{iteration}")
            before = retrained

    def anew(self, criterion):
        last = self.study.digits.iterations
        for phase in self.phases:
            name, job = (
                f"{criterion}{last}_{phase}",
                jobs.job(self.study, "train_deep_anew", iteration=last, phase=phase),
            )
            inputs = {"machine": f"{criterion}{last}_retrained.npz", "digits": "digits.npz"}
            self("train_deep_anew", job, inputs, {"machine": f"{name}.npz"})
            self.sample(criterion, last, phase, name)
            self.evaluate([name], name)

    @property
    def iterations(self):
        return range(1, self.study.digits.iterations + 1)

    @property
    def phases(self):
        """Controls that train architectures anew."""
        return [phase for phase in ANEW if phase in self.study.digits.controls]

    def results(self, figures=None):
        criteria, last = self.study.digits.criteria, self.study.digits.iterations
        chains = [f"{name}{i}" for name in criteria for i in self.iterations]
        judged = ["initial", *chains, *(f"{name}{last}_{phase}" for name in criteria for phase in self.phases)]
        judged += [f"{UNPRUNED}{i}" for i in self.iterations if UNPRUNED in self.study.digits.controls]
        inputs = {"digits": "digits.npz", "records": [f"{name}_record.csv" for name in chains]}
        inputs |= {kind: [f"{name}_{kind}.csv" for name in judged] for kind in ("metrics", "classes")}
        inputs["samples"] = ["initial_samples.npz", *(f"{name}_retrained_samples.npz" for name in chains)]
        names = ("metrics", "classes", "pixels", "examples")
        outputs = {name: f"digits_{name}.csv" for name in names}
        self("collect_digits", jobs.job(self.study, "collect_digits"), inputs, outputs)
        inputs = {"initial": "initial.npz", "machine": [f"{name}_pruned.npz" for name in chains]}
        outputs = {name: f"digits_{name}.csv" for name in ("survival", "overlap", "agreement")}
        self("survivors_deep", jobs.job(self.study, "survivors_deep"), inputs, outputs)
        outputs = {"csv": "per_digit.csv", "markdown": "per_digit.md", "latex": "per_digit.tex"}
        self("per_digit", jobs.table_job(self.study, "per_digit"), {"classes": "digits_classes.csv"}, outputs)
        shown = [name for name in DIGIT_FIGURES if self.phases or not FIGURES[name].anew]
        for name in shown if figures is None else figures:
            self("figure", jobs.figure_job(self.study, name), available(FIGURES[name].inputs), {"folder": "figures"})
        outputs = CLAIMS_FILES
        inputs = [name for name in CLAIMS_INPUTS if name.startswith("digits")]
        self("claims", jobs.claims_job(self.study), available(inputs), outputs)


def available(names):
    """The files that figures and claims read."""
    return {name: "digits.npz" if name == "digits" else f"{name}.csv" for name in names}


def machine(deep, name, seed):
    return read_machine(Arrays(deep.folder / f"{name}.npz"), seed)


def digits(deep):
    return read_digits(Arrays(deep.folder / "digits.npz"))


def table(deep, name):
    return pd.read_csv(deep.folder / f"{name}.csv", dtype={"pattern": str})


def metrics(deep):
    return table(deep, "digits_metrics").set_index(KEYS)


def index(name, seed):
    """Keys of a machine in the tables, from the name of its file."""
    if name == "initial":
        return ("none", 0, "initial", seed)
    chain, phase = name.rsplit("_", 1)
    return (chain[:-1], int(chain[-1]), phase, seed)


def visible(deep, name, seed):
    packed = Arrays(deep.folder / f"{name}_samples.npz")[f"seed{seed}/visible"]
    return np.unpackbits(packed, axis=1)[:, :15]


def each(names=MACHINES):
    return [(name, seed) for name in names for seed in (0, 1)]
