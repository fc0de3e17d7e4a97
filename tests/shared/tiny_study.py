"""A whole tiny study in this process: the chain of the workflow, with the jobs that its rules would get."""

import json
from pathlib import Path

import numpy as np

from boltzprune.pruning.controls import ANEW, CONTROLS, COURSES
from boltzprune.report.figures import FIGURES
from boltzprune.study import jobs
from boltzprune.study.settings import study_from
from boltzprune.study.stages import Job, run

PATCH_FIGURES = [name for name, row in FIGURES.items() if row.experiment == "patches"]
"""What the results of this study are drawn as; the figures of the digits are in outer_deep_study.py."""


def write_patterns(path, n=211, n_visible=5, seed=19):
    """An .npz file of correlated patterns."""
    rng = np.random.default_rng(seed)
    common = rng.random((n, 1)) < 0.4
    patterns = (rng.random((n, n_visible)) < np.where(common, 0.8, 0.25)).astype(np.uint8)
    np.savez(path, patterns=patterns)
    return patterns


def tiny_values(file, **patches):
    """Configuration of a study of a few seconds: 2 seeds, 2 criteria, 2 iterations, 5 x 7 units."""
    values = {
        "data": {"source": "npz", "file": str(file), "n_patterns": 211},
        "machine": {"n_hidden": 7},
        "training": {"learning_rate": [0.1], "momentum": [0.5]},
        "criteria": ["eigenvector", "anti_fi"],
        "controls": [*CONTROLS],
        "iterations": 2,
        "pruning": {"threshold": "rank", "anti_fi_threshold": "rank"},
    }
    return {
        "study": "tiny",
        "seeds": 2,
        "device": "reference",
        "patches": values | patches,
        "figures": {"dpi": 40},
    }


class Runner:
    """Runs the jobs of a study and knows where their files lie."""

    def __init__(self, values, folder):
        self.study, self.folder = study_from(values), Path(folder)
        self.seeds = tuple(range(jobs.n_seeds(self.study, "patches")))

    def __call__(self, stage, job, inputs, outputs):
        """One stage; inputs and outputs as names below the folder."""
        given = {
            name: [self.folder / file for file in ([files] if isinstance(files, str) else files)]
            for name, files in inputs.items()
        }
        wanted = {name: self.folder / file for name, file in outputs.items()}
        run(Job(stage, given, wanted, json.loads(job["spec"]), self.seeds, 1))

    def everything(self, figures=None):
        """From raw data to figures: these, or all that the study has."""
        self.initial()
        for criterion in self.study.patches.criteria:
            self.chain(criterion)
        for control in self.courses:
            self.control(control)
        for criterion in self.study.patches.criteria:
            self.anew(criterion)
        self.results(figures)
        return self

    @property
    def courses(self):
        """Controls that have courses of their own."""
        return [name for name in COURSES if name in self.study.patches.controls]

    def initial(self):
        self("fetch", jobs.fetch_job(self.study), {}, {"manifest": "source.json"})
        self("prepare", jobs.prepare_job(self.study), {"manifest": "source.json"}, {"patterns": "patterns.npz"})
        self("train", jobs.job(self.study, "train"), {"patterns": "patterns.npz"}, {"machine": "initial.npz"})
        self.sample("none", 0, "initial", "initial")
        self.evaluate(["initial"], "initial_metrics.csv")

    def sample(self, criterion, iteration, phase, name):
        job = jobs.sample_job(self.study, criterion, iteration, phase)
        inputs = {"machine": f"{name}.npz", "patterns": "patterns.npz"}
        self("sample", job, inputs, {"statistics": f"{name}_statistics.npz"})

    def evaluate(self, names, metrics):
        inputs = {
            "patterns": "patterns.npz",
            "machine": [f"{name}.npz" for name in names],
            "statistics": [f"{name}_statistics.npz" for name in names],
        }
        self("evaluate", jobs.job(self.study, "evaluate"), inputs, {"metrics": metrics})

    def chain(self, criterion):
        before = "initial"
        for iteration in range(1, self.study.patches.iterations + 1):
            pruned, retrained = (f"{criterion}{iteration}_{phase}" for phase in ("pruned", "retrained"))
            inputs = {"machine": f"{before}.npz", "statistics": f"{before}_statistics.npz"}
            if jobs.stops(self.study, "patches"):
                so_far = [f"{criterion}{k}_metrics.csv" for k in range(1, iteration)]
                inputs["metrics"] = ["initial_metrics.csv", *so_far]
            outputs = {"machine": f"{pruned}.npz", "record": f"{criterion}{iteration}_record.csv"}
            self("prune", jobs.prune_job(self.study, criterion, iteration), inputs, outputs)
            self.retrain(pruned, iteration, retrained, before)
            for phase, name in (("pruned", pruned), ("retrained", retrained)):
                self.sample(criterion, iteration, phase, name)
            self.evaluate([pruned, retrained], f"{criterion}{iteration}_metrics.csv")
            before = retrained

    def retrain(self, machine, iteration, name, before):
        job = jobs.job(self.study, "retrain", iteration=iteration)
        inputs = {"machine": f"{machine}.npz", "patterns": "patterns.npz"}
        if jobs.draws_back(self.study, "patches"):
            inputs["before"] = f"{before}.npz"
        self("retrain", job, inputs, {"machine": f"{name}.npz"})

    def control(self, name):
        before = "initial"
        for iteration in range(1, self.study.patches.iterations + 1):
            retrained = f"{name}{iteration}_retrained"
            self.retrain(before, iteration, retrained, before)
            self.sample(name, iteration, "retrained", retrained)
            self.evaluate([retrained], f"{name}{iteration}_metrics.csv")
            before = retrained

    def anew(self, criterion):
        last = self.study.patches.iterations
        for phase in (name for name in ANEW if name in self.study.patches.controls):
            name, job = f"{criterion}{last}_{phase}", jobs.job(self.study, "train_anew", iteration=last, phase=phase)
            inputs = {"machine": f"{criterion}{last}_retrained.npz", "patterns": "patterns.npz"}
            self("train_anew", job, inputs, {"machine": f"{name}.npz"})
            self.sample(criterion, last, phase, name)
            self.evaluate([name], f"{name}_metrics.csv")

    def results(self, figures=None):
        names, last = self.study.patches.criteria, self.study.patches.iterations
        metrics = ["initial_metrics.csv"]
        every = [*names, *self.courses]
        metrics += [f"{name}{i}_metrics.csv" for name in every for i in range(1, last + 1)]
        anew = [phase for phase in ANEW if phase in self.study.patches.controls]
        metrics += [f"{name}{last}_{phase}_metrics.csv" for name in names for phase in anew]
        statistics = ["initial_statistics.npz", *(f"{name}{last}_retrained_statistics.npz" for name in names)]
        inputs = {"patterns": "patterns.npz", "metrics": metrics, "statistics": statistics}
        inputs["records"] = [f"{name}{i}_record.csv" for name in names for i in range(1, last + 1)]
        outputs = {"metrics": "metrics.csv", "pattern_probabilities": "pattern_probabilities.csv"}
        self("collect", jobs.job(self.study, "collect"), inputs, outputs)
        self.survivors()
        outputs = {"csv": "table1.csv", "markdown": "table1.md", "latex": "table1.tex"}
        self("table1", jobs.table_job(self.study, "table1"), {"metrics": "metrics.csv"}, outputs)
        for name in jobs.figures(self.study, "patches") if figures is None else figures:
            self("figure", jobs.figure_job(self.study, name), self.figure_inputs(name), {"folder": "figures"})

    def survivors(self):
        names, last = self.study.patches.criteria, self.study.patches.iterations
        pruned = [f"{name}{i}_pruned.npz" for name in names for i in range(1, last + 1)]
        outputs = {name: f"{name}.csv" for name in ("survival", "overlap", "agreement")}
        self("survivors", jobs.job(self.study, "survivors"), {"initial": "initial.npz", "machine": pruned}, outputs)

    def figure_inputs(self, name):
        """The files that a figure reads."""
        available = {
            "patterns": "patterns.npz",
            "statistics": "initial_statistics.npz",
            "metrics": "metrics.csv",
            "pattern_probabilities": "pattern_probabilities.csv",
            **{name: f"{name}.csv" for name in ("survival", "overlap", "agreement")},
        }
        return {key: available[key] for key in FIGURES[name].inputs}
