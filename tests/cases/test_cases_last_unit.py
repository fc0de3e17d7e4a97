"""A pruning that leaves no weight ends the course of its seed, in both experiments, and nothing else.

From public reports of pruning that takes the last unit of a layer: Eric-mingjie/rethinking-network-pruning#50 and
GATECH-EIC/Early-Bird-Tickets#1. In the patches such a criterion stopped its job, and so the tables of all criteria.
"""

import numpy as np
import pandas as pd
import pytest
from deep_study import DeepRunner, deep_values, write_images
from tiny_study import Runner, tiny_values, write_patterns
from workflow_copy import TINY, Copy

from boltzprune.report.claims.collected import Courses
from boltzprune.results.store import Arrays
from boltzprune.results.tidy import endings
from boltzprune.study.settings import merged
from boltzprune.study.stages import Job

SEEDS, ITERATIONS = (0, 1, 2), (1, 2, 3, 4)
SUDDEN = '''
def sudden(evidence):
    """Random weights; but all are equal, and go together, if the first unit draws a number below 0.37."""
    return evidence.uniform_weights * (evidence.uniform_units[0] > 0.37)
'''
ENDS = {"patches": {0: 3, 1: 2, 2: 3}, "digits": {0: 1, 1: 2, 2: 3}}
"""Seed -> the iteration that ends its course under that criterion: its random numbers decide, no training."""


def made(folder, experiment):
    """A study of three seeds of an experiment; its criteria are that one and a built-in."""
    (folder / "rules.py").write_text(SUDDEN)
    own = f"{folder / 'rules.py'}:sudden"
    if experiment == "patches":
        write_patterns(folder / "data.npz")
        pruning = {"fraction": 0.5, "whole_units": "weights"}
        changed = {"criteria": ["random_units", own], "machine": {"n_hidden": 6}, "pruning": pruning}
        values, runner = tiny_values(folder / "data.npz", iterations=4, **changed), Runner
    else:
        write_images(folder / "data.npz")
        pruning = {"fraction": [0.3, 0.4]}
        values = deep_values(folder / "data.npz", criteria=["random_weights"], iterations=4, pruning=pruning)
        values["digits"]["criteria"], runner = ["random_weights", own], DeepRunner
    values["figures"] = {"formats": ["svg"]}
    runner = runner(values | {"seeds": 3}, folder)
    runner.own = own
    return runner


@pytest.fixture(scope="module", params=list(ENDS))
def study(request, tmp_path_factory):
    """The finished study of one of the experiments."""
    runner = made(tmp_path_factory.mktemp(request.param), request.param)
    runner.experiment, runner.ends = request.param, ENDS[request.param]
    runner.deep = "digits_" if request.param == "digits" else ""
    runner.chain_name = lambda name: runner.own if name == "sudden" else name
    return runner.everything()


def file(study, iteration, end):
    return study.folder / f"{study.own}{iteration}_{end}"


def of_chain(study, table, name="metrics"):
    """Rows of that criterion in a collected table."""
    rows = pd.read_csv(study.folder / f"{table}{name}.csv")
    return rows[rows["criterion"] == study.own]


def test_the_files_hold_the_seeds_that_are_left_and_say_which_ended(study):
    kinds = ["pruned", "retrained", "pruned_statistics", "retrained_statistics"]
    kinds += ["pruned_samples", "retrained_samples"] if study.deep else []
    for iteration in ITERATIONS:
        for kind in kinds:
            arrays = Arrays(file(study, iteration, f"{kind}.npz"))
            assert arrays.seeds == [seed for seed in SEEDS if study.ends[seed] > iteration]
            assert arrays.ended == {seed: k for seed, k in study.ends.items() if k <= iteration}
            held = {int(name[4:].split("/")[0]) for name in arrays.names if name.startswith("seed")}
            assert held == set(arrays.seeds)
    whole = Arrays(study.folder / "initial.npz")
    assert whole.seeds == list(SEEDS) and "ended" not in whole.provenance


def test_a_seed_goes_on_as_if_it_were_alone(study, tmp_path):
    alone = made(tmp_path, study.experiment)
    alone.seeds = (2,)
    alone.initial()
    alone.chain(alone.own)
    for iteration in (1, 2):
        for kind in ("pruned", "retrained"):
            together, one = (Arrays(file(run, iteration, f"{kind}.npz")) for run in (study, alone))
            mine = {name for name in together.names if name.startswith("seed2/")}
            assert mine == one.names - {"provenance"} and len(mine) > 5
            assert all(np.array_equal(together[name], one[name]) for name in mine)
    assert Arrays(file(alone, 3, "retrained.npz")).seeds == []


def test_a_job_of_some_seeds_knows_of_those_alone(study):
    job = Job("retrain", {}, {}, {}, (1, 2))
    for iteration, seeds in ((1, [1, 2]), (2, [2]), (3, [])):
        left, ended = job.split(Arrays(file(study, iteration, "pruned.npz")))
        assert left == seeds and ended == {seed: study.ends[seed] for seed in (1, 2) if seed not in seeds}


def test_the_record_has_a_line_for_each_seed(study):
    layers = ["_1", "_2"] if study.deep else [""]
    for iteration in ITERATIONS:
        record = pd.read_csv(file(study, iteration, "record.csv")).set_index("seed")
        assert record.index.tolist() == list(SEEDS)
        for seed, row in record.iterrows():
            before = [row[f"n_weights{layer}_before"] for layer in layers]
            after = [row["n_weights_1"], row["n_weights_2"]] if study.deep else [before[0] - row["n_weights_removed"]]
            assert all(n > 0 for n in before) == (iteration <= study.ends[seed])
            assert all(n > 0 for n in after) == (iteration < study.ends[seed])
            assert any(after) == all(after)


def test_the_metrics_say_where_there_is_no_machine(study):
    rows = of_chain(study, study.deep)
    for (iteration, seed), mine in rows.groupby(["iteration", "seed"]):
        is_left = iteration < study.ends[seed]
        assert mine["phase"].tolist() == (["pruned", "retrained"] if is_left else ["ended"])
        sizes = mine.filter(regex="^n_(weights|hidden|units)")
        assert (sizes > 0).all(axis=None) if is_left else (sizes == 0).all(axis=None)
        others = mine.filter(regex="kl_|quality|diversity|activity|disconnected")
        assert len(others.columns) > 1 and others.notna().all(axis=None) == is_left
    assert len(rows) == sum(2 * (k - 1) + 5 - k for k in study.ends.values())


TOLD = {
    "patches": "Random units after iteration 2 in 3 of 3 seeds; sudden after iteration 1 in 1 of 3 seeds (1), after "
    "iteration 2 in 2 of 3 seeds (0, 2).",
    "digits": "sudden with the first pruning in 1 of 3 seeds (0), after iteration 1 in 1 of 3 seeds (1), after "
    "iteration 2 in 1 of 3 seeds (2).",
}


def test_tables_and_figures_name_what_ended(study):
    told = f"Ended early: {TOLD[study.experiment]}"
    pages = ["per_digit.md", "per_digit.tex", "claims.md"] if study.deep else ["table1.md", "table1.tex"]
    for page in pages:
        assert told in (study.folder / page).read_text().replace("\\_", "_")
    for name in ("fig3", "fig4", "s1", "s2a", "s2b") if study.deep else ("fig2",):
        text = (study.folder / "figures" / f"{name}.svg").read_text()
        assert "Ended early: " in text and "after iteration 2 in" in text
    assert not study.deep or "no row of seed" not in (study.folder / "claims.md").read_text()


def test_means_are_over_the_seeds_that_are_there(study):
    courses = Courses(pd.read_csv(study.folder / f"{study.deep}metrics.csv"))
    assert courses.last(study.own) == 2
    left = [[seed for seed in SEEDS if study.ends[seed] > k] for k in ITERATIONS]
    assert courses.after(study.own, "n_weights").index.tolist() == left[1]
    if study.deep:
        pixels = of_chain(study, "digits_", "pixels")
        assert pixels.groupby("iteration")["n_seeds"].unique().str[0].tolist() == [len(seeds) for seeds in left]
        assert pixels["disconnected"].notna().tolist() == (pixels["n_seeds"] > 0).tolist()
        examples = of_chain(study, "digits_", "examples")
        assert examples.groupby("iteration")["seed"].unique().str[0].to_dict() == {1: 1, 2: 2}
        assert "sudden, iteration 2, seed 2" in (study.folder / "figures" / "fig4.svg").read_text()
    else:
        table = of_chain(study, "", "table1").set_index("iteration")
        assert table["n_seeds"].tolist() == [len(seeds) for seeds in left]
        assert table["n_hidden_mean"].notna().tolist() == [True, True, False, False]
        assert "until iteration 2" in (study.folder / "figures" / "fig2.svg").read_text()
        assert pd.read_csv(study.folder / "pattern_probabilities.csv")["criterion"].unique().tolist() == ["none"]


@pytest.mark.parametrize("experiment", list(ENDS))
def test_a_study_whose_first_pruning_leaves_nothing_has_its_tables(experiment, tmp_path):
    runner = made(tmp_path, experiment)
    fraction = [0.999, 0.999] if experiment == "digits" else 0.99
    values = runner.study.model_dump()
    values[experiment] |= {"criteria": ["random_weights"], "iterations": 2}
    values[experiment]["pruning"] |= {"fraction": fraction, "threshold": "rank"}
    type(runner)(values, tmp_path).everything([])
    name = "per_digit" if experiment == "digits" else "table1"
    assert "Random weights with the first pruning in 3 of 3 seeds." in (tmp_path / f"{name}.md").read_text()


def test_the_small_study_of_the_report(tmp_path):
    """6 units of 5 weights, of which half goes: 3, 1, none at iteration 3, as 70 units are gone at iteration 7."""
    write_patterns(tmp_path / "data.npz")
    pruning = {"fraction": 0.5, "whole_units": "weights"}
    machine = {"n_hidden": 6}
    values = tiny_values(
        tmp_path / "data.npz", criteria=["random_units"], iterations=3, machine=machine, pruning=pruning
    )
    Runner(values, tmp_path).everything([])
    table = pd.read_csv(tmp_path / "table1.csv")
    assert table["n_hidden_mean"].fillna(0).tolist() == [3, 1, 0] and table["n_seeds"].tolist() == [2, 2, 0]


@pytest.mark.slow
def test_the_workflow_goes_to_its_end(tmp_path):
    """Both experiments, whose criteria end with iteration 3 and 2: the last jobs have no machine.

    These targets need every job but those of the figures, which test_tables_and_figures_name_what_ended draws.
    """
    patches = {"machine": {"n_hidden": 6}, "criteria": ["random_units"], "iterations": 3, "controls": []}
    patches |= {"pruning": {"whole_units": "weights"}}
    digits = {"criteria": ["random_weights"], "iterations": 3, "pruning": {"fraction": [0.9, 0.9]}}
    digits |= {"evaluation": {"after_pruning": False, "ais_chains": None}}
    values = merged(TINY, {"seeds": 2, "seeds_per_job": 2, "device": "reference", "patches": patches, "digits": digits})
    copy = Copy(tmp_path, values)
    done = copy.snakemake("claims", "table1", "per_digit", "--cores", "2", "--workflow-profile", "none")
    assert done.returncode == 0, done.stdout
    results = tmp_path / "results" / "tiny"
    claims = (results / "tables" / "claims.md").read_text()
    for name, criterion, label in (
        ("metrics", "random_units", "Random units"),
        ("digits_metrics", "random_weights", "Random weights"),
    ):
        table = pd.read_csv(results / "tables" / f"{name}.csv")
        ended = table[table["phase"] == "ended"]
        assert ended["criterion"].unique().tolist() == [criterion] and set(ended["seed"]) == {0, 1}
        [told] = endings(table, {criterion: label})
        assert "after iteration 2 in " in told and told in claims
