"""Courses that stop: when the rules hold, and that a stopped course is the beginning of the one that goes on."""

import logging
import re

import numpy as np
import pandas as pd
import pytest
from deep_study import DeepRunner, deep_values, write_images
from tiny_study import Runner, tiny_values, write_patterns

from boltzprune.evaluation.stopping import stopped
from boltzprune.results.store import Arrays
from boltzprune.study import jobs
from boltzprune.study.config import DeepStop, Stop
from boltzprune.study.settings import study_from

SEEDS, ITERATIONS = (0, 1, 2), (1, 2, 3)


def metrics(**columns):
    """Of one seed: the initial machine, then pruned and retrained ones; what is pruned only would stop everything."""
    rows = [("none", 0, "initial", *(values[0] for values in columns.values()))]
    for k in range(1, len(next(iter(columns.values())))):
        rows.append(("x", k, "pruned", *(1e9 for _ in columns)))
        rows.append(("x", k, "retrained", *(values[k] for values in columns.values())))
    table = pd.DataFrame(rows, columns=["criterion", "iteration", "phase", *columns])
    return pd.concat([table.assign(seed=3), table.assign(seed=5, **dict.fromkeys(columns, 1e9))]).sample(
        frac=1, random_state=1
    )


@pytest.mark.parametrize(
    ("values", "factor", "stops"),
    [
        ([0.2], 0.5, False),  # before the first pruning there is nothing to judge
        ([0.2, 0.3], 1.5, False),  # not more than that
        ([0.2, 0.31], 1.5, True),
        ([0.2, 0.9, 0.25], 1.5, False),  # the last one counts: an earlier one would have stopped it then
        ([0.2, 0.1], 0.4, True),
        ([0.2, np.nan], 1.5, False),
    ],
)
def test_factors(values, factor, stops):
    patches = metrics(kl_exact=values, kl_sampled=[7.0] * len(values))
    found = stopped(patches, Stop(divergence=factor), 3)
    is_missing = np.isnan(values).any()
    assert bool(found) == (stops and not is_missing)
    assert bool(stopped(metrics(encoding_error=values), DeepStop(encoding_error=factor), 3)) == stops
    if stops:
        assert found == f"kl_exact is {values[-1]:.3g}, more than {factor:g} times the initial machine's 0.2"


def test_divergence_from_samples_where_none_is_exact():
    table = metrics(kl_exact=[np.nan] * 2, kl_sampled=[0.2, 0.5])
    assert stopped(table, Stop(divergence=2.0), 3).startswith("kl_sampled is 0.5, more than 2 times")


@pytest.mark.parametrize(
    ("values", "stops"), [([0.4], False), ([0.4, 0.3, 0.2], False), ([0.4, 0.3, 0.31], True), ([0.4, 0.3, 0.3], False)]
)
def test_a_rise_of_the_activity(values, stops):
    table = metrics(activity_1=values, activity_2=[0.5 - 0.1 * k for k in range(len(values))])
    assert bool(stopped(table, DeepStop(activity="h1"), 3)) == stops
    assert stopped(table, DeepStop(activity="h2"), 3) == ""


def test_a_section_without_rules_stops_nothing_and_is_told_to_no_job():
    assert stopped(metrics(kl_exact=[0.1, 9.0], kl_sampled=[0.1, 9.0]), Stop(), 3) == ""
    study = study_from({})
    assert not any(jobs.stops(study, name) for name in ("patches", "digits"))
    assert '"stop"' not in jobs.prune_job(study, "anti_fi", 1)["spec"]
    some = study_from({"patches": {"stop": {"divergence": 2}}})
    assert jobs.stops(some, "patches") and not jobs.stops(some, "digits")
    assert '"stop": {"divergence": 2.0}' in jobs.prune_job(some, "anti_fi", 1)["spec"]


@pytest.fixture(scope="module", params=["patches", "digits"])
def pair(request, tmp_path_factory):
    """A study that goes on, and the same with a rule that holds for some of its seeds at some iterations."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "patches":
        write_patterns(folder / "data.npz")
        values, runner, column = tiny_values(folder / "data.npz", iterations=3), Runner, "kl_exact"
    else:
        write_images(folder / "data.npz")
        values, runner, column = deep_values(folder / "data.npz", iterations=3), DeepRunner, "encoding_error"
    values |= {"seeds": 3, "figures": {"formats": ["svg"]}}
    (folder / "whole").mkdir()
    whole = runner(values, folder / "whole").everything([])
    table = pd.read_csv(whole.folder / f"{'digits_' * (column != 'kl_exact')}metrics.csv")
    rows = table[(table["criterion"] == "anti_fi") & (table["phase"] == "retrained")]
    numbers = rows.pivot_table(index="seed", columns="iteration", values=column)
    initial = table[table["phase"] == "initial"].set_index("seed")[column]
    ratios = numbers.div(initial, axis=0)
    key = {"kl_exact": "divergence", "encoding_error": "encoding_error"}[column]
    factor = float(np.sort(ratios[[1, 2]].to_numpy().ravel())[2:4].mean())  # between two of six numbers
    values[request.param]["stop"] = {key: factor}
    (folder / "stopped").mkdir()
    shown = "fig2" if request.param == "patches" else "fig3"
    made = runner(values, folder / "stopped").everything([shown])
    made.ends = {s: next((k + 1 for k in (1, 2) if ratios.loc[s, k] > factor), None) for s in SEEDS}
    made.table = f"{'digits_' * (column != 'kl_exact')}metrics.csv"
    return whole, made


def test_a_stopped_course_is_the_beginning_of_one_that_goes_on(pair):
    whole, made = pair
    ends = made.ends
    assert len(set(ends.values())) > 1 and set(ends.values()) <= {2, 3, None}
    for k in ITERATIONS:
        for phase in ("pruned", "retrained"):
            one, other = (Arrays(run.folder / f"anti_fi{k}_{phase}.npz") for run in (whole, made))
            left = [seed for seed in SEEDS if ends[seed] is None or ends[seed] > k]
            assert other.seeds == left and one.seeds == list(SEEDS)
            assert other.ended == {seed: end for seed, end in ends.items() if end and end <= k}
            for name in other.names - {"provenance"}:
                assert np.array_equal(one[name], other[name]), name


def test_tables_say_where_a_course_has_ended(pair):
    whole, made = pair
    table, full = (pd.read_csv(run.folder / made.table) for run in (made, whole))
    keys = ["criterion", "iteration", "phase", "seed"]
    mine = table[table["phase"] != "ended"].set_index(keys).sort_index()
    expected = full.set_index(keys).sort_index().loc[mine.index]
    pd.testing.assert_frame_equal(mine, expected, check_dtype=False, check_exact=True)
    ended = table[(table["phase"] == "ended") & (table["criterion"] == "anti_fi")]
    expected = {(seed, k) for seed, end in made.ends.items() if end for k in ITERATIONS if k >= end}
    assert {*zip(ended["seed"], ended["iteration"])} == expected
    anew = table[table["phase"].isin(["rewind", "scratch"]) & (table["criterion"] == "anti_fi")]
    assert set(anew["seed"]) == {seed for seed, end in made.ends.items() if end is None}
    [shown] = (made.folder / "figures").glob("*.svg")
    assert "Ended early: " in shown.read_text()


def test_the_log_says_why(pair, caplog, tmp_path):
    _, made = pair
    caplog.set_level(logging.WARNING)
    again = type(made)(made.study.model_dump(), made.folder)
    again.chain("anti_fi")
    told = re.findall(r"anti_fi, seed (\d): stopped before iteration (\d): \w+ is [\d.]+, more than", caplog.text)
    assert {(int(seed), int(k)) for seed, k in told} == {(seed, end) for seed, end in made.ends.items() if end}
