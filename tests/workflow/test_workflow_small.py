"""The workflow itself: one tiny study for real, and what a user meets when something fails."""

import re

import numpy as np
import pandas as pd
import pytest
import yaml
from workflow_copy import ROOT, TINY, Copy

from boltzprune.backend import get_backend
from boltzprune.core.streams import fork
from boltzprune.evaluation.encoding import read_classifier
from boltzprune.evaluation.generation import generation
from boltzprune.evaluation.patterns import count_patterns, divergence, exact_log_model
from boltzprune.report.figures import FIGURES
from boltzprune.results.prepared import read_states
from boltzprune.results.store import Arrays, checksum, read_machine
from boltzprune.sampling import exact
from boltzprune.sampling.ais import ais
from boltzprune.study.settings import merged, study_from
from boltzprune.study.yaml_files import read_yaml

SEEDS = (0, 1, 2)
BLOCK = "seeds0-2"


def test_every_result_is_there(study):
    results = study.folder / "results" / "tiny"
    drawn = {name: row for name, row in FIGURES.items() if not row.repeats}  # of one iteration, none is left out
    figures = {f"{name}.png" for name in drawn} | {f"{name}_{panel}" for name in drawn for panel in drawn[name].panels}
    assert {path.name for path in (results / "figures").iterdir()} == figures
    tables = {"metrics.csv", "pattern_probabilities.csv", "claims.csv", "claims.md", "published.csv"}
    tables |= {f"digits_{name}.csv" for name in ("metrics", "classes", "pixels", "examples", "references")}
    tables |= {f"{prefix}{name}.csv" for prefix in ("", "digits_") for name in ("survival", "overlap", "agreement")}
    tables |= {f"{name}.{extension}" for name in ("table1", "per_digit") for extension in ("csv", "md", "tex")}
    assert {path.name for path in (results / "tables").iterdir()} == tables
    assert not list(results.rglob("*.partial*"))
    table = pd.read_csv(results / "tables" / "table1.csv")
    assert table["criterion"].tolist() == ["eigenvector", "rules.py:closest"]
    assert table["label"].tolist() == ["FIM eigenvector", "Closest & 100 %"]
    assert "Closest & 100 %" in (results / "tables" / "per_digit.md").read_text()
    claims = pd.read_csv(results / "tables" / "claims.csv")
    assert set(claims["experiment"]) == {"patches", "digits"}
    assert "the experiment is not in this study" not in set(claims["reason"])
    assert r"Closest \& 100 \% &" in (results / "tables" / "table1.tex").read_text()
    machines = Arrays(results / "patches" / BLOCK / "rules.closest" / "iteration1" / "retrained.npz")
    assert [read_machine(machines, seed).n_weights for seed in SEEDS] == [(45,)] * 3  # of 13 x 7


def test_metrics_are_those_of_the_machines(study):
    results = study.folder / "results" / "tiny"
    metrics = pd.read_csv(results / "tables" / "metrics.csv")
    assert len(metrics) == 3 * (1 + 2 * 2 + 1 + 2)
    patterns, counts = count_patterns(read_states(Arrays(results / "patches" / "patterns.npz")))
    folders = {
        "none": "initial",
        "eigenvector": "eigenvector/iteration1",
        "unpruned": "unpruned/iteration1",
        "rules.py:closest": "rules.closest/iteration1",
    }
    for row in metrics.to_dict("records"):
        path = results / "patches" / BLOCK / folders[row["criterion"]] / f"{row['phase']}.npz"
        log_p = exact.visible_log_probabilities(read_machine(Arrays(path), row["seed"]))
        assert row["kl_exact"] == pytest.approx(divergence(counts, exact_log_model(patterns, 13, log_p)), rel=1e-9)
    assert metrics["kl_exact"].nunique() == len(metrics)


PHASES = ("pruned", "retrained", "rewind")
DEEP_FILES = [
    "initial/initial",
    *(f"{name}/iteration1/{phase}" for name in ("variance_fi", "rules.closest") for phase in PHASES),
    "unpruned/iteration1/retrained",
]


def test_every_file_of_the_digits_is_made_from_the_right_ones(study):
    digits = study.folder / "results" / "tiny" / "digits"
    data = checksum(digits / "digits.npz")
    for name in DEEP_FILES:
        path = digits / BLOCK / name
        about, sampled = Arrays(f"{path}.npz").provenance, Arrays(f"{path}_statistics.npz").provenance
        before = {"initial": "initial/pretrained", "pruned": "initial/initial"}.get(path.name)
        before = "initial/initial" if name.startswith("unpruned") else before
        anew = "retrained.npz" if path.name == "rewind" else "pruned.npz"
        before = digits / BLOCK / f"{before}.npz" if before else path.with_name(anew)
        assert about["inputs"]["machine"] == [checksum(before)]
        assert sampled["inputs"] == {"machine": [checksum(f"{path}.npz")], "digits": [data]}
        if path.name == "pruned":
            statistics = digits / BLOCK / "initial" / "initial_statistics.npz"
            assert about["inputs"]["statistics"] == [checksum(statistics)]
        else:
            assert about["inputs"]["digits"] == [data]
        spec, names = sampled["spec"], study.values["digits"]["criteria"]
        criteria = {"initial": "none", "variance_fi": names[0], "rules.closest": names[1], "unpruned": "unpruned"}
        criterion = criteria[name.partition("/")[0]]
        expected = (criterion, int(path.name != "initial"), path.name)
        assert (spec["criterion"], spec["iteration"], spec["phase"]) == expected
        assert about["seeds"] == sampled["seeds"] == list(SEEDS)


def test_metrics_of_the_digits_are_those_of_the_machines_and_statistics(study):
    results = study.folder / "results" / "tiny"
    metrics = pd.read_csv(results / "tables" / "digits_metrics.csv")
    assert len(metrics) == 3 * (1 + 2 * 2 + 1 + 2)
    folders = {
        "none": "initial",
        "unpruned": "unpruned/iteration1",
        "variance_fi": "variance_fi/iteration1",
        "rules.py:closest": "rules.closest/iteration1",
    }
    judge = read_classifier(Arrays(results / "digits" / "classifier.npz"))
    for row in metrics.to_dict("records"):
        path = results / "digits" / BLOCK / folders[row["criterion"]] / row["phase"]
        machine = read_machine(Arrays(f"{path}.npz"), row["seed"])
        assert (row["n_weights_1"], row["n_weights_2"]) == machine.n_weights
        rates = [Arrays(f"{path}_statistics.npz")[f"seed{row['seed']}/rate{layer}"].mean() for layer in (1, 2)]
        assert [row["activity_1"], row["activity_2"]] == pytest.approx(rates)
        visible = np.unpackbits(Arrays(f"{path}_samples.npz")[f"seed{row['seed']}/visible"], axis=1, count=16)
        assert row["quality_mean"] == generation(judge, visible, get_backend("reference")).quality_mean
        if row["phase"] != "pruned":
            key = fork(row["seed"], "log Z", row["iteration"])
            assert row["log_z"] == ais(machine, 5, 7, key, get_backend("reference")).log_z
    pixels = pd.read_csv(results / "tables" / "digits_pixels.csv")
    assert (len(pixels), set(pixels["n_seeds"])) == (2 * 16, {3})
    examples = pd.read_csv(results / "tables" / "digits_examples.csv")
    assert examples.groupby(["criterion", "phase"]).size().to_dict() == {
        ("none", "initial"): 10,
        ("variance_fi", "retrained"): 10,
        ("rules.py:closest", "retrained"): 10,
    }


def test_every_job_has_a_log_and_a_benchmark(study):
    results = study.folder / "results" / "tiny"
    logs = {path.relative_to(results / "logs").with_suffix("") for path in (results / "logs").rglob("*.log")}
    times = {path.relative_to(results / "benchmarks").with_suffix("") for path in results.rglob("*.tsv")}
    assert logs == times
    assert not any("Traceback" in path.read_text() for path in (results / "logs").rglob("*.log"))
    assert "updates in" in (results / "logs" / BLOCK / "train.log").read_text()
    assert "updates in" in (results / "logs" / "digits" / BLOCK / "pretrain.log").read_text()


def test_the_file_beside_the_results_repeats_the_study(study, monkeypatch):
    monkeypatch.chdir(study.folder)  # where rules.py lies
    kept = study.folder / "results" / "tiny" / "study.yaml"
    values = yaml.safe_load(kept.read_text())
    assert study_from(merged(values, {"figures": study.values["figures"]})) == study_from(study.values)
    study.write(merged(values, {"figures": study.values["figures"]}))
    assert study.planned() == {}


def test_either_snakefile_finds_nothing_to_do(study):
    assert study.planned() == {}
    assert study.planned("--snakefile", "workflow/Snakefile") == {}


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """The workflow without results."""
    return Copy(tmp_path_factory.mktemp("bare"), TINY)


def test_the_shipped_configuration_builds_the_whole_graph(bare):
    done = bare.snakemake("--dry-run", configfile=None)
    assert done.returncode == 0, done.stdout
    rules = ("prune ", "train ", "sample ", "retrain_unpruned ", "pretrain ", "prune_deep ", "sample_deep ")
    counts = dict(line.split() for line in done.stdout.splitlines() if line.startswith(rules))
    patches = {
        "prune": "21",
        "train": "1",
        "sample": "45",
        "retrain_unpruned": "3",
    }  # 7 criteria, 3 iterations, 1 block
    steps = 6 * study_from(read_yaml(ROOT / "config" / "config.yaml")).digits.iterations
    assert counts == patches | {"pretrain": "1", "prune_deep": str(steps), "sample_deep": str(steps)}


def test_each_experiment_has_its_own_seeds(bare):
    bare.write(merged(TINY, {"patches": {"seeds": 7}, "digits": {"seeds": 2}}))
    planned, done = bare.planned(), bare.snakemake("--dry-run")
    bare.write(TINY)
    assert (planned["train"], planned["evaluate"], planned["pretrain"], planned["evaluate_digits"]) == (3, 3 * 2, 1, 1)
    blocks = {experiment: re.findall(rf"tiny/{experiment}/seeds(\d+-\d+)/", done.stdout) for experiment in EXPERIMENTS}
    assert {name: sorted({*found}) for name, found in blocks.items()} == EXPERIMENTS


EXPERIMENTS = {"patches": ["0-2", "3-5", "6-6"], "digits": ["0-1"]}
"""Blocks of seeds."""


@pytest.mark.parametrize(("rule", "experiment"), [("prune", "patches"), ("prune_deep", "digits")])
def test_an_iteration_starts_from_the_retrained_machines_of_the_one_before(bare, rule, experiment):
    done = bare.snakemake("--dry-run", experiment, configfile=None)
    jobs = re.findall(rf"^rule {rule}:\n    input: (.*)\n    output: (\S+),", done.stdout, flags=re.MULTILINE)
    inputs = {output: set(text.split(", ")) for text, output in jobs}
    (block,) = {output.partition("/anti_fi/")[0] for output in inputs if "/anti_fi/" in output}
    assert block.startswith(f"results/demo/{experiment}/seeds0-")
    for iteration in (2, 3):
        folder, before = (f"{block}/anti_fi/iteration{k}" for k in (iteration, iteration - 1))
        expected = {f"{before}/retrained.npz", f"{before}/retrained_statistics.npz"}
        assert inputs[f"{folder}/pruned.npz"] == expected
    expected = {f"{block}/initial/initial.npz", f"{block}/initial/initial_statistics.npz"}
    assert inputs[f"{block}/anti_fi/iteration1/pruned.npz"] == expected


TARGETS = {
    "s2": {"draw_s2a", "draw_s2b"},
    "fig3": {"draw_fig3"},
    "per_digit": {"per_digit"},
    "claims": {"claims"},
    "digits": {"draw_fig3", "draw_fig4", "draw_s1", "draw_survival_digits", "per_digit", "study"},
    "patches": {"draw_fig1", "draw_fig2", "draw_survival_patches", "table1", "study"},
}


RESULTS = {"table1", "per_digit", "claims", "study"}


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_makes_what_it_names_and_nothing_else(bare, target):
    rules = set(bare.planned(target))
    assert {rule for rule in rules if rule.startswith("draw_") or rule in RESULTS} == TARGETS[target]
    assert ("pretrain" in rules) == (target != "patches")
    assert ("train" in rules) == (target in ("patches", "claims"))


def test_figure_s2_is_drawn_where_figures_3_and_4_leave_out_iterations(bare):
    rules = bare.planned("digits", "--config", "digits={iterations: 2}", "figures={last_iterations: {variance_fi: 1}}")
    assert {rule for rule in rules if rule.startswith("draw_")} == {"draw_s2a", "draw_s2b"} | TARGETS[
        "digits"
    ] - RESULTS


def test_every_target_is_there(bare):
    names = "all patches digits fig1 fig2 fig3 fig4 s1 s2 table1 per_digit claims study".split()
    names += ["controls_patches", "controls_digits", "survival_patches", "survival_digits"]
    assert {*names} <= set(bare.snakemake("--list-rules").stdout.split())


@pytest.mark.slow
def test_where_courses_may_stop_a_pruning_reads_the_metrics_so_far(bare):
    """A real run: all courses of the patches stop after the first iteration, and the tables say so."""
    patches = {"criteria": ["variance_fi"], "iterations": 3, "controls": ["scratch"], "stop": {"divergence": 1e-6}}
    bare.write(merged(TINY, {"study": "stops", "device": "reference", "patches": patches}))
    done = bare.snakemake(
        "--cores", "2", "patches", "claims", "--until", "table1", "draw_fig2", "draw_controls_patches"
    )
    planned = bare.snakemake("--dry-run", "--forceall", "patches")
    bare.write(TINY)
    assert done.returncode == 0, done.stdout
    chain = "results/stops/patches/seeds0-2"
    inputs = re.search(
        rf"^rule prune:\n    input: (.*)\n    output: {chain}/variance_fi/iteration3", planned.stdout, re.M
    )
    of_metrics = [path for path in inputs[1].split(", ") if path.endswith("metrics.csv")]
    before = [f"{chain}/initial", *(f"{chain}/variance_fi/iteration{k}" for k in (1, 2))]
    assert of_metrics == [f"{place}/metrics.csv" for place in before]
    table = pd.read_csv(bare.folder / "results" / "stops" / "tables" / "metrics.csv")
    assert table.groupby("iteration")["phase"].agg(set).to_dict() == {
        0: {"initial"},
        1: {"pruned", "retrained"},
        2: {"ended"},
        3: {"ended"},
    }
    assert (bare.folder / "results" / "stops" / "figures" / "controls_patches.png").is_file()
    log = (
        bare.folder / "results" / "stops" / "logs" / "seeds0-2" / "variance_fi" / "iteration2" / "prune.log"
    ).read_text()
    assert log.count("stopped before iteration 2: kl_exact is ") == 3


@pytest.mark.slow
def test_lint(bare):
    done = bare.snakemake("--lint")
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (
            {"sedes": 3, "patches": {"pruning": {"fraction": 2}}},
            ["sedes = 3: unknown key, did you mean seeds?", "fraction = 2:"],
        ),
        ({"patches": {"criteria": ["rules.py:mine"]}}, ["there is no file rules.py"]),
    ],
)
def test_a_wrong_configuration_ends_with_its_problems(bare, values, expected):
    bare.write(merged(TINY, values))
    done = bare.snakemake("--dry-run")
    bare.write(TINY)
    assert done.returncode == 1
    assert all(text in done.stdout for text in expected)
    assert "study.yaml: " in done.stdout
    assert "Traceback" not in done.stdout


def test_a_job_that_fails_says_why_and_leaves_no_output(bare):
    bare.write(merged(TINY, {"study": "failing", "patches": {"data": {"source": "npz", "file": "none.npz"}}}))
    (bare.folder / "none.npz").write_bytes(b"no archive")
    done = bare.snakemake("--cores", "1", "patches")
    bare.write(TINY)
    assert done.returncode == 1
    log = bare.folder / "results" / "failing" / "logs" / "prepare.log"
    assert "none.npz cannot be read as an .npz file" in log.read_text()
    assert "none.npz cannot be read as an .npz file" in done.stdout
    assert "Traceback" not in done.stdout + log.read_text()
    assert [path.name for path in (bare.folder / "results" / "failing" / "patches").iterdir()] == ["source.json"]
