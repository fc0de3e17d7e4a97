"""THE list of edits and of the jobs that each reruns; docs/reruns.md has the same in words, a row for each edit."""

from dataclasses import dataclass, field

import additions


@dataclass(frozen=True)
class Edit:
    """One edit of a finished study.

    Attributes
    ----------
    expected : dict of str to int
        Rule -> number of jobs.
    values : dict
        Keys of the configuration that change.
    sources : tuple of (str, str, str)
        File, text in it, what replaces it.
    files : dict of str to str or None
        Files that are written; None: removed.
    dated : float or None
        Date of those files, seconds since 1970; None: now.
    study : str
        finished; other: device auto, with data in files and two blocks of seeds; uncontrolled: without controls.
    """

    expected: dict
    values: dict = field(default_factory=dict)
    sources: tuple = ()
    files: dict = field(default_factory=dict)
    dated: float | None = None
    study: str = "finished"


def times(n, *jobs):
    """Numbers of jobs, together and n-fold."""
    return {rule: n * count for some in jobs for rule, count in some.items()}


CLAIMS, STUDY = {"claims": 1}, {"study": 1}
FIGURES_2 = {"draw_fig2": 1, "draw_controls_patches": 1}
RESULTS = {"collect": 1, "table1": 1, **FIGURES_2, **CLAIMS}
SURVIVORS = {"survivors": 1, "draw_survival_patches": 1}
ANEW = {"train_anew": 1, "evaluate_anew": 1}
CHAIN = {"prune": 1, "retrain": 1, "sample": 3, "evaluate": 1, **ANEW}
CHAINS = {**times(2, CHAIN), **SURVIVORS}
CONTROL = {"retrain_unpruned": 1, "sample": 1, "evaluate_unpruned": 1}
ALL_CHAINS = {**CHAINS, **CONTROL, "sample": 2 * 3 + 1}
FROM_RETRAINING = {**CONTROL, "retrain": 2, "evaluate": 2, **times(2, ANEW), "sample": 2 * 2 + 1, **RESULTS}
EVALUATION = {"evaluate_initial": 1, "evaluate": 2, "evaluate_unpruned": 1, "evaluate_anew": 2, **RESULTS}
TRAINING = {"train": 1, "sample_initial": 1, "evaluate_initial": 1, "draw_fig1": 1, **ALL_CHAINS, **RESULTS}
SAMPLING = {rule: n for rule, n in TRAINING.items() if rule not in ("train", "retrain_unpruned")}
PATTERNS = {"prepare": 1, **TRAINING}

DEEP_FIGURES = {f"draw_{name}": 1 for name in ("fig3", "fig4", "s1", "controls_digits")}
DEEP_RESULTS = {"collect_digits": 1, "per_digit": 1, **DEEP_FIGURES, **CLAIMS}
DEEP_ANEW = {"train_deep_anew": 1, "evaluate_deep_anew": 1}
DEEP_CHAIN = {"prune_deep": 1, "retrain_jointly": 1, "sample_deep": 3, "evaluate_digits": 1, **DEEP_ANEW}
DEEP_SURVIVORS = {"survivors_deep": 1, "draw_survival_digits": 1}
DEEP_CHAINS = {**times(2, DEEP_CHAIN), **DEEP_SURVIVORS}
DEEP_CONTROL = {"retrain_unpruned_deep": 1, "sample_deep": 1, "evaluate_unpruned_deep": 1}
ALL_DEEP_CHAINS = {**DEEP_CHAINS, **DEEP_CONTROL, "sample_deep": 2 * 3 + 1}
DEEP_EVALUATION = {"evaluate_initial_deep": 1, "evaluate_digits": 2, "evaluate_unpruned_deep": 1}
DEEP_EVALUATION |= {"evaluate_deep_anew": 2, **DEEP_RESULTS}
FROM_DEEP_RETRAINING = {**DEEP_CONTROL, "retrain_jointly": 2, "evaluate_digits": 2, **times(2, DEEP_ANEW)}
FROM_DEEP_RETRAINING |= {"sample_deep": 2 * 2 + 1, **DEEP_RESULTS}
JOINT_TRAINING = {"train_jointly": 1, "sample_initial_deep": 1, "evaluate_initial_deep": 1}
JOINT_TRAINING |= {**ALL_DEEP_CHAINS, **DEEP_RESULTS}
DEEP_SAMPLING = {
    rule: n for rule, n in JOINT_TRAINING.items() if rule not in ("train_jointly", "retrain_unpruned_deep")
}
PRETRAINING = {"pretrain": 1, **JOINT_TRAINING}
DIGITS = {"reference": 1, **PRETRAINING}
IMAGES = {"prepare_digits": 1, **DIGITS}
BY_CRITERION = {**FIGURES_2, "draw_survival_patches": 1}
DEEP_BY_CRITERION = {**DEEP_FIGURES, "draw_survival_digits": 1}
FIGURES = {"draw_fig1": 1, **BY_CRITERION, **DEEP_BY_CRITERION}
EVERYTHING = {"fetch": 1, **PATTERNS, "fetch_digits": 1, **IMAGES, **STUDY}
TOGETHER = dict.fromkeys(("fetch", "prepare", "fetch_digits", "prepare_digits", "merge_digits", "per_digit"), 1)
TOGETHER |= RESULTS | DEEP_FIGURES | STUDY | {"draw_fig1": 1}
BLOCK = {*TRAINING, *PRETRAINING} - {*RESULTS, *DEEP_RESULTS, *SURVIVORS, *DEEP_SURVIVORS, "draw_fig1"}
"""Rules with a job for each block of seeds."""
OF_SEEDS = TRAINING | PRETRAINING | STUDY


def blocks(n, jobs):
    """Jobs of n blocks of seeds, from those of one."""
    return {rule: count * (n if rule in BLOCK else 1) for rule, count in jobs.items()}


WITHOUT_CONTROLS = {rule: n for rule, n in RESULTS.items() if rule != "draw_controls_patches"}
WITHOUT_DEEP_CONTROLS = {rule: n for rule, n in DEEP_RESULTS.items() if rule != "draw_controls_digits"}
OURS = {"patches": ["eigenvector", "rules.py:closest"], "digits": ["variance_fi", "rules.py:closest"]}
"""Criteria of the study."""
RATE = {"learning_rate": [0.04], "momentum": [0.5], "momentum_rule": "scaled"}


def patches(**values):
    """Values of the patches."""
    return {"patches": values}


def digits(**values):
    """Values of the digits."""
    return {"digits": values}


CONFIGURATION = {
    "study": Edit(EVERYTHING, {"study": "another"}),
    "preset, its values as before": Edit(
        {"table1": 1, "per_digit": 1, **FIGURES, **CLAIMS, **STUDY}, {"preset": "preprint"}
    ),
    "experiments, one less": Edit(CLAIMS | STUDY, {"experiments": ["patches"]}),
    "device": Edit(TRAINING | DIGITS | STUDY, {"device": "cpu"}),
    "seeds, more": Edit(OF_SEEDS, {"seeds": 6}),
    "seeds, fewer, by whole blocks": Edit(
        {**FIGURES, **RESULTS, **SURVIVORS, **DEEP_RESULTS, **DEEP_SURVIVORS, **STUDY}, {"seeds": 3}, study="other"
    ),
    "seeds, fewer, and a block of another size": Edit(OF_SEEDS, {"seeds": 2}),
    "patches.seeds, more": Edit(TRAINING | STUDY, patches(seeds=6)),
    "patches.seeds, fewer, by whole blocks": Edit(
        {"draw_fig1": 1, **RESULTS, **SURVIVORS, **STUDY}, patches(seeds=3), study="other"
    ),
    "digits.seeds, more": Edit(PRETRAINING | STUDY, digits(seeds=6)),
    "digits.seeds, fewer, by whole blocks": Edit(
        {**DEEP_RESULTS, **DEEP_SURVIVORS, **STUDY}, digits(seeds=3), study="other"
    ),
    "first_seed": Edit(OF_SEEDS, {"first_seed": 3}),
    "parts, in a study of another name": Edit(TOGETHER, {"study": "again", "parts": ["results/tiny"]}),
    "seeds_per_job, other blocks": Edit(blocks(2, OF_SEEDS), {"seeds_per_job": 2}),
    "seeds_per_job, the same blocks": Edit(STUDY, {"seeds_per_job": 10}),
    "patches.data.directory": Edit({"fetch": 1, **PATTERNS, **STUDY}, patches(data={"directory": "elsewhere"})),
    "patches.data.radius": Edit(PATTERNS | STUDY, patches(data={"radius": 1.5})),
    "patches.machine.n_hidden": Edit(TRAINING | STUDY, patches(machine={"n_hidden": 8})),
    "patches.training.learning_rate": Edit(TRAINING | STUDY, patches(training={"learning_rate": [0.04]})),
    "patches.retraining": Edit(FROM_RETRAINING | STUDY, patches(retraining=RATE)),
    "patches.retraining.homeostasis": Edit(FROM_RETRAINING | STUDY, patches(retraining={"homeostasis": 0.3})),
    "patches.sampling.n_gibbs_steps": Edit(SAMPLING | STUDY, patches(sampling={"n_gibbs_steps": 201})),
    "patches.criteria, one more": Edit(
        {**CHAIN, **RESULTS, **SURVIVORS, **STUDY}, patches(criteria=[*OURS["patches"], "anti_fi"])
    ),
    "patches.criteria, one less": Edit(RESULTS | SURVIVORS | STUDY, patches(criteria=["eigenvector"])),
    "patches.criteria, another order": Edit(
        {"table1": 1, **BY_CRITERION, **CLAIMS, **STUDY}, patches(criteria=OURS["patches"][::-1])
    ),
    "patches.controls, none": Edit(WITHOUT_CONTROLS | STUDY, patches(controls=[])),
    "patches.controls, unpruned where there was none": Edit(
        {**CONTROL, **WITHOUT_CONTROLS, **STUDY}, patches(controls=["unpruned"]), study="uncontrolled"
    ),
    "patches.controls, scratch where there was none": Edit(
        {**times(2, ANEW), "sample": 2, **RESULTS, **STUDY}, patches(controls=["scratch"]), study="uncontrolled"
    ),
    "patches.iterations, one more": Edit({**ALL_CHAINS, **RESULTS, **STUDY}, patches(iterations=2)),
    "patches.pruning.fraction": Edit({**CHAINS, **RESULTS, **STUDY}, patches(pruning={"fraction": 0.4})),
    "patches.pruning.schedule, the same fraction for its iteration": Edit(STUDY, patches(pruning={"schedule": [0.5]})),
    "patches.pruning.regrowth": Edit(
        {**CHAINS, **RESULTS, **STUDY}, patches(pruning={"regrowth": {"fraction": 0.3, "by": "random"}})
    ),
    "patches.stop.divergence": Edit({**CHAINS, **RESULTS, **STUDY}, patches(stop={"divergence": 9.0})),
    "patches.evaluation.missing_patterns": Edit(EVALUATION | STUDY, patches(evaluation={"missing_patterns": "drop"})),
    "digits.data.crop": Edit(IMAGES | STUDY, digits(data={"crop": 1}, machine={"n_hidden": [36, 7]})),
    "digits.machine.weight_sd": Edit(PRETRAINING | STUDY, digits(machine={"weight_sd": 0.3})),
    "digits.machine, two biases swapped": Edit(
        PRETRAINING | STUDY, digits(machine={"visible_bias": -2.0, "hidden_bias": -1.0})
    ),
    "digits.pretraining.first.n_epochs": Edit(PRETRAINING | STUDY, digits(pretraining={"first": {"n_epochs": 3}})),
    "digits.n_chains": Edit(PRETRAINING | STUDY, digits(n_chains=12)),
    "digits.mean_field.tolerance": Edit(JOINT_TRAINING | STUDY, digits(mean_field={"tolerance": 1e-4})),
    "digits.training.learning_rate, first and last swapped": Edit(
        JOINT_TRAINING | STUDY, digits(training={"learning_rate": [0.05, 0.1]})
    ),
    "digits.retraining.homeostasis": Edit(FROM_DEEP_RETRAINING | STUDY, digits(retraining={"homeostasis": 0.3})),
    "digits.retraining.n_epochs": Edit(FROM_DEEP_RETRAINING | STUDY, digits(retraining={"n_epochs": 3})),
    "digits.sampling.n_gibbs_steps": Edit(DEEP_SAMPLING | STUDY, digits(sampling={"n_gibbs_steps": 4})),
    "digits.sampling.statistics": Edit(DEEP_SAMPLING | STUDY, digits(sampling={"statistics": "conditional"})),
    "digits.criteria, one of your own more": Edit(
        {**DEEP_CHAIN, **DEEP_RESULTS, **DEEP_SURVIVORS, **STUDY},
        digits(criteria=[*OURS["digits"], "other_rules.py:mine"]),
        files={"other_rules.py": "def mine(evidence):\n    return evidence.pair_mean\n"},
    ),
    "digits.controls, none": Edit(WITHOUT_DEEP_CONTROLS | STUDY, digits(controls=[])),
    "digits.controls, unpruned where there was none": Edit(
        {**DEEP_CONTROL, **WITHOUT_DEEP_CONTROLS, **STUDY}, digits(controls=["unpruned"]), study="uncontrolled"
    ),
    "digits.controls, rewind where there was none": Edit(
        {**times(2, DEEP_ANEW), "sample_deep": 2, **DEEP_RESULTS, **STUDY},
        digits(controls=["rewind"]),
        study="uncontrolled",
    ),
    "digits.iterations, one more": Edit({**ALL_DEEP_CHAINS, **DEEP_RESULTS, **STUDY}, digits(iterations=2)),
    "digits.pruning.fraction": Edit({**DEEP_CHAINS, **DEEP_RESULTS, **STUDY}, digits(pruning={"fraction": [0.2, 0.3]})),
    "digits.pruning.schedule, other fractions": Edit(
        {**DEEP_CHAINS, **DEEP_RESULTS, **STUDY}, digits(pruning={"schedule": [[0.2, 0.3]]})
    ),
    "digits.pruning.regrowth": Edit(
        {**DEEP_CHAINS, **DEEP_RESULTS, **STUDY}, digits(pruning={"regrowth": {"fraction": 0.3, "by": "correlation"}})
    ),
    "digits.stop.activity": Edit({**DEEP_CHAINS, **DEEP_RESULTS, **STUDY}, digits(stop={"activity": "h1"})),
    "digits.evaluation.strength_encoding": Edit(DEEP_EVALUATION | STUDY, digits(evaluation={"strength_encoding": 0.5})),
    "digits.evaluation.strength_raw": Edit(
        {"reference": 1, **DEEP_EVALUATION, **STUDY}, digits(evaluation={"strength_raw": 0.5})
    ),
    "digits.evaluation.quality": Edit({"draw_fig4": 1, **STUDY}, digits(evaluation={"quality": "class_mean"})),
    "digits.evaluation.after_pruning, off": Edit(
        {"evaluate_digits": 2, **DEEP_RESULTS, **STUDY}, digits(evaluation={"after_pruning": False})
    ),
    "digits.retraining.chains": Edit(FROM_DEEP_RETRAINING | STUDY, digits(retraining={"chains": "go_on"})),
    "figures.dpi, figures.formats": Edit(FIGURES, {"figures": {"dpi": 60}}),
    "figures.colours, a criterion of the patches": Edit(
        BY_CRITERION, {"figures": {"colours": {"eigenvector": "#aa0000"}}}
    ),
    "figures.colours, a criterion of the digits": Edit(
        DEEP_BY_CRITERION, {"figures": {"colours": {"variance_fi": "#aa0000"}}}
    ),
    "figures.last_iterations": Edit(
        {"draw_fig3": 1, "draw_fig4": 1, **CLAIMS}, {"figures": {"last_iterations": {"variance_fi": 1}}}
    ),
}

SOURCE = "src/boltzprune/"


def code(name, old, new):
    """Another text in a module of the package."""
    return ((SOURCE + name, old, new),)


def line(name, before):
    """A line of code more, before the first line that begins so."""
    return code(name, f"\n{before}", f"\nEXTRA = 1\n{before}")


GPU_JOBS = TRAINING | DIGITS
STAGES = {
    "fetch": {"fetch": 1, **PATTERNS, "fetch_digits": 1, **IMAGES},
    "prepare": PATTERNS,
    "train": TRAINING,
    "sample": SAMPLING,
    "prune": CHAINS | RESULTS | DEEP_CHAINS | DEEP_RESULTS,
    "retrain": FROM_RETRAINING,
    "train_anew": {**times(2, ANEW), "sample": 2, **RESULTS},
    "evaluate": EVALUATION,
    "collect": RESULTS,
    "table1": {"table1": 1},
    "prepare_digits": IMAGES,
    "reference": {"reference": 1, **DEEP_EVALUATION},
    "pretrain": PRETRAINING,
    "train_jointly": JOINT_TRAINING,
    "train_deep_anew": {**times(2, DEEP_ANEW), "sample_deep": 2, **DEEP_RESULTS},
    "sample_deep": DEEP_SAMPLING,
    "evaluate_digits": DEEP_EVALUATION,
    "collect_digits": DEEP_RESULTS,
    "survivors": {**SURVIVORS, **DEEP_SURVIVORS},
    "merge_digits": {},
    "per_digit": {"per_digit": 1},
    "claims": CLAIMS,
    "study": STUDY,
    "figure": FIGURES,
}
"""Module of a stage -> what an edit of its code reruns."""

CODE = {
    "a comment": Edit(
        {}, sources=code("learning/training.py", "import numpy as np\n", "import numpy as np  # arrays\n")
    ),
    "a docstring": Edit({}, sources=code("learning/training.py", '"""An RBM before', '"""A machine before')),
    **{
        f"study/stages/{name}.py": Edit(jobs, sources=line(f"study/stages/{name}.py", "def run("))
        for name, jobs in STAGES.items()
    },
    "learning/training.py": Edit(
        TRAINING | PRETRAINING, sources=code("learning/training.py", "0.5 / len(", "0.6 / len(")
    ),
    "learning/joint_training.py": Edit(JOINT_TRAINING, sources=line("learning/joint_training.py", "import math")),
    "pruning/units.py": Edit(STAGES["prune"], sources=line("pruning/units.py", "import numpy")),
    "sampling/ais.py": Edit(DEEP_EVALUATION, sources=line("sampling/ais.py", "import numpy")),
    "report/tables/per_digit.py": Edit({"per_digit": 1}, sources=line("report/tables/per_digit.py", "INITIAL = ")),
    "report/claims/digits.py": Edit(CLAIMS, sources=line("report/claims/digits.py", "import numpy")),
    "pruning/criteria.py, one criterion of the patches": Edit(
        CHAIN | RESULTS | SURVIVORS,
        sources=code("pruning/criteria.py", '    signed = evidence.options["eigenvector_entry"]', "    signed = 1"),
    ),
    "pruning/criteria.py, one criterion of the digits": Edit(
        DEEP_CHAIN | DEEP_RESULTS | DEEP_SURVIVORS,
        sources=code("pruning/criteria.py", "    diagonal = fisher_", "    diagonal = 2 * fisher_"),
    ),
    "a file with a criterion of your own": Edit(
        {**CHAIN, **RESULTS, **SURVIVORS, **DEEP_CHAIN, **DEEP_RESULTS, **DEEP_SURVIVORS},
        sources=(("rules.py", "0.25", "0.26"),),
    ),
    "report/figures/fig1.py": Edit(
        {"draw_fig1": 1}, sources=code("report/figures/fig1.py", "SIDE = 1200", "SIDE = 1201")
    ),
    "report/figures/s1.py": Edit({"draw_s1": 1}, sources=line("report/figures/s1.py", "def draw(")),
    "report/figures/fig3.py": Edit({"draw_fig3": 1}, sources=line("report/figures/fig3.py", "def draw(")),
    "report/figures/mine.py, a new figure": Edit({"draw_mine": 1}, files={additions.FIGURE_FILE: additions.FIGURE}),
    "datasets/stripes.py, a new data source": Edit({}, files={additions.SOURCE_FILE: additions.SOURCE}),
    "datasets/cifar10.py, which the study does not use": Edit({}, sources=line("datasets/cifar10.py", "SIDE")),
    "datasets/sample_images.py": Edit({"fetch": 1, **PATTERNS}, sources=line("datasets/sample_images.py", "NAMES")),
    "datasets/scikit_digits.py": Edit({"fetch_digits": 1, **IMAGES}, sources=line("datasets/scikit_digits.py", "def ")),
    "report/figures/style.py": Edit(FIGURES, sources=line("report/figures/style.py", "def panel_letter(")),
    "results/records.py, study/reruns/, study/progress.py, study/cost/, errors.py": Edit(
        {},
        sources=line("results/records.py", "def ")
        + line("study/reruns/plan.py", "def ")
        + line("study/cost/workload.py", "def ")
        + line("study/cost/sizes.py", "def ")
        + line("errors.py", "class Tr"),
    ),
    "a kernel (backend/gpu/kernels/*.cu), device cpu or reference": Edit(
        {}, sources=code("backend/gpu/kernels/joint.cu", "\n", "\n\n")
    ),
    "a kernel (backend/gpu/kernels/*.cu), device gpu or auto": Edit(
        blocks(2, GPU_JOBS), sources=code("backend/gpu/kernels/joint.cu", "\n", "\n\n"), study="other"
    ),
}

OTHERS = {
    "a fresh checkout beside old results, or in another folder, every source newer": Edit({}),
    "a comment in Snakefile or workflow/": Edit(
        {},
        sources=(
            ("Snakefile", "import os", "# more\nimport os"),
            ("workflow/rules/data.smk", "rule fetch:", "\n\nrule fetch:"),
        ),
    ),
    "the command of a rule in workflow/rules/": Edit(
        {"table1": 1},
        sources=(("workflow/rules/results.smk", 'command("table1")', '"nice " + command("table1")'),),
    ),
    "memory, time limit or threads of a rule": Edit(
        {},
        sources=(
            ("workflow/rules/patches.smk", "mem_mb=1000", "mem_mb=1001"),
            ("workflow/rules/patches.smk", 'needs("retrain"', 'needs("sample"'),
            ("workflow/rules/patches.smk", "threads: cores", "threads: 3"),
        ),
    ),
    "envs/*.yaml": Edit({}, sources=(("envs/cpu.yaml", "numpy", "numpy  # arrays"),)),
    "another version of numpy or another library": Edit(
        {}, files={"src/numpy-99.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: numpy\nVersion: 99.0\n"}
    ),
    "a data file replaced (patches.data.file)": Edit(
        blocks(2, {"fetch": 1, **PATTERNS}), files={"mine.npz": "other"}, study="other"
    ),
    "a data file replaced (digits.data.directory)": Edit(
        blocks(2, {"fetch_digits": 1, **IMAGES}), files={"idx/train-images-idx3-ubyte": "other"}, study="other"
    ),
    "a data file replaced by an older one of the same size": Edit(
        blocks(2, {"fetch": 1, **PATTERNS}), files={"mine.npz": "atad"}, dated=1.6e9, study="other"
    ),
    "a data file written again, every byte the same": Edit({}, files={"mine.npz": "data"}, study="other"),
    "a data file removed after the data were prepared": Edit({}, files={"mine.npz": None}, study="other"),
}

EDITS = CONFIGURATION | CODE | OTHERS
IDX = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
DATA = {"mine.npz": "data", **{f"idx/{name}-ubyte": name for name in IDX}}
"""Files that the other study names; a dry run reads their bytes and nothing more."""
OTHER = {
    "seeds": 6,
    "device": "auto",
    "patches": {"data": {"source": "npz", "file": "mine.npz"}},
    "digits": {"data": {"source": "mnist", "directory": "idx"}},
}
"""What the configuration of the other study has besides."""
