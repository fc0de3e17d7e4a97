"""The tables of who survives: every number against the machines of a tiny study, and seeds whose course has ended."""

import json

import numpy as np
import pandas as pd
import pytest
from deep_study import DeepRunner, deep_values, write_images
from tiny_study import Runner, tiny_values, write_patterns

from boltzprune.errors import InputError
from boltzprune.results import tidy
from boltzprune.results.store import Arrays, read_machine, write_arrays
from boltzprune.study import jobs

SEEDS = (0, 1, 2)
CRITERIA = ["random_weights", "anti_fi"]
LAYERS = {"patches": 1, "digits": 2}
NAMES = ("survival", "overlap", "agreement")


def initial_and_pruned(runner):
    """The machines before any pruning and those after each, without the evaluation, which nothing here reads."""
    section = getattr(runner.study, runner.experiment)
    if runner.experiment == "patches":
        for stage, inputs, outputs in (
            ("fetch", {}, {"manifest": "source.json"}),
            ("prepare", {"manifest": "source.json"}, {"patterns": "patterns.npz"}),
        ):
            runner(stage, getattr(jobs, f"{stage}_job")(runner.study), inputs, outputs)
        runner("train", jobs.job(runner.study, "train"), {"patterns": "patterns.npz"}, {"machine": "initial.npz"})
    else:
        runner.data()
        runner("pretrain", jobs.job(runner.study, "pretrain"), {"digits": "digits.npz"}, {"machine": "pretrained.npz"})
        inputs = {"machine": "pretrained.npz", "digits": "digits.npz"}
        runner("train_jointly", jobs.job(runner.study, "train_jointly"), inputs, {"machine": "initial.npz"})
    runner.sample("none", 0, "initial", "initial")
    stage = "prune" if runner.experiment == "patches" else "prune_deep"
    for criterion in section.criteria:
        before = "initial"
        for k in range(1, section.iterations + 1):
            inputs = {"machine": f"{before}.npz", "statistics": f"{before}_statistics.npz"}
            outputs = {"machine": f"{criterion}{k}.npz", "record": f"{criterion}{k}_record.csv"}
            runner(stage, jobs.prune_job(runner.study, criterion, k, stage), inputs, outputs)
            before = f"{criterion}{k}"
            if k < section.iterations:
                runner.sample(criterion, k, "pruned", before)


def survivors(runner, names):
    """Run the stage on these files of pruned machines."""
    prefix, stage = {"patches": ("", "survivors"), "digits": ("digits_", "survivors_deep")}[runner.experiment]
    inputs = {"initial": "initial.npz", "machine": names}
    outputs = {name: f"{prefix}{name}.csv" for name in NAMES}
    runner(stage, jobs.job(runner.study, stage), inputs, outputs)
    return {name: tidy.read([runner.folder / f"{prefix}{name}.csv"], f"{prefix}{name}") for name in NAMES}


@pytest.fixture(scope="module", params=LAYERS)
def found(request, tmp_path_factory):
    """Experiment, runner, tables."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "patches":
        write_patterns(folder / "p.npz")
        runner = Runner(tiny_values(str(folder / "p.npz"), criteria=CRITERIA) | {"seeds": len(SEEDS)}, folder)
    else:
        write_images(folder / "p.npz")
        runner = DeepRunner(deep_values(str(folder / "p.npz"), criteria=CRITERIA) | {"seeds": len(SEEDS)}, folder)
    runner.experiment = request.param
    initial_and_pruned(runner)
    return request.param, runner, survivors(runner, [f"{name}{k}.npz" for name in CRITERIA for k in (1, 2)])


def machine(runner, name, seed):
    return read_machine(Arrays(runner.folder / f"{name}.npz"), seed)


def kept_pairs(runner, name, seed, layer):
    """Pairs of first numbers of units that a weight still joins, by loops."""
    one = machine(runner, name, seed)
    places = np.argwhere(one.masks[layer])
    return {(int(one.units[layer][i]), int(one.units[layer + 1][j])) for i, j in places}


def test_shares_are_of_the_initial_machine_of_the_seed(found):
    experiment, runner, tables = found
    survival = tables["survival"].set_index(["criterion", "iteration", "phase", "seed", "layer"])
    assert len(survival) == len(SEEDS) * LAYERS[experiment] * (1 + 2 * 2)
    for (criterion, iteration, phase, seed, layer), row in survival.iterrows():
        assert phase == ("initial" if criterion == "none" else "pruned")
        one = machine(runner, "initial" if criterion == "none" else f"{criterion}{iteration}", seed)
        first = machine(runner, "initial", seed)
        assert (row["n_weights"], row["n_units"]) == (one.n_weights[layer - 1], one.layer_sizes[layer])
        assert row["share_weights"] == one.n_weights[layer - 1] / first.n_weights[layer - 1]
        assert row["share_units"] == one.layer_sizes[layer] / first.layer_sizes[layer]


def test_overlaps_are_those_of_sets_of_weights(found):
    experiment, runner, tables = found
    rows = tables["overlap"].to_dict("records")
    assert len(rows) == len(SEEDS) * LAYERS[experiment] * 2 * 3
    assert [row["criterion"] for row in rows if row["other"] == "random_weights"] == ["random_weights"] * (
        len(rows) // 3
    ), "in the order of the files"
    for row in rows:
        layer, seed = row["layer"] - 1, row["seed"]
        a, b = (kept_pairs(runner, f"{row[name]}{row['iteration']}", seed, layer) for name in ("criterion", "other"))
        n_initial = len(kept_pairs(runner, "initial", seed, layer))
        assert (row["n_weights"], row["n_weights_other"], row["n_both"]) == (len(a), len(b), len(a & b))
        expected = len(a) * len(b) / n_initial
        assert row["n_expected"] == pytest.approx(expected)
        excess = len(a & b) - expected
        bound = min(len(a), len(b)) if excess >= 0 else max(0, len(a) + len(b) - n_initial)
        assert row["overlap"] == pytest.approx(excess / abs(bound - expected), abs=1e-9)
        assert row["criterion"] != row["other"] or row["overlap"] == 1


def test_seeds_agree_by_the_share_of_weights_at_the_units_that_all_of_them_have(found):
    experiment, runner, tables = found
    agreement = tables["agreement"].set_index(["criterion", "iteration", "layer", "seed"])["agreement"]
    common = (0,) if experiment == "patches" else (0, 1)  # h1 of the digits has receptive fields
    assert len(agreement) == 2 * 2 * len(common) * len(SEEDS)
    for (criterion, iteration, layer), values in agreement.groupby(level=[0, 1, 2]):
        profiles = []
        for seed in SEEDS:
            n_units = machine(runner, "initial", seed).layer_sizes[layer]
            numbers = []
            for name in (f"{criterion}{iteration}", "initial"):
                pairs = kept_pairs(runner, name, seed, 0)
                numbers.append([sum(pair[layer] == unit for pair in pairs) for unit in range(n_units)])
            profiles.append(np.divide(*numbers))
        whole = np.corrcoef(profiles)
        expected = [np.mean([whole[i, j] for j in range(len(SEEDS)) if j != i]) for i in range(len(SEEDS))]
        assert values.loc[criterion, iteration, layer].to_numpy() == pytest.approx(expected)


def test_a_seed_whose_course_has_ended_has_nothing_left_and_costs_the_others_nothing(found):
    _, runner, tables = found
    arrays = Arrays(runner.folder / "anti_fi2.npz")
    left = {name: arrays[name] for name in arrays.names - {"provenance"} if not name.startswith("seed1/")}
    about = arrays.provenance | {"seeds": [0, 2], "ended": {"1": 2}}
    write_arrays(runner.folder / "ended.npz", left, about)
    names = ["random_weights1.npz", "random_weights2.npz", "anti_fi1.npz", "ended.npz"]
    ended = survivors(runner, names)
    assert tidy.endings(ended["survival"], {}) == ["Ended early: anti_fi after iteration 1 in 1 of 3 seeds (1)."]
    keys = {"survival": ["criterion", "iteration", "seed", "layer"], "overlap": list(tidy.TABLES["overlap"].keys)}
    for name, by in keys.items():
        one, other = (frame[name].set_index(by).sort_index() for frame in (tables, ended))
        assert one.index.equals(other.index)
        of = one.reset_index()
        criteria = of["criterion"] if name == "survival" else of["criterion"].where(of["other"] != "anti_fi", "anti_fi")
        gone = ((criteria == "anti_fi") & (of["iteration"] == 2) & (of["seed"] == 1)).to_numpy()
        pd.testing.assert_frame_equal(one[~gone], other[~gone])
        shares = ["share_weights", "share_units"] if name == "survival" else ["overlap"]
        assert gone.any() and other.loc[gone, shares].isna().all().all()
    rows = ended["agreement"].query("criterion == 'anti_fi' and iteration == 2")
    assert rows["agreement"].isna().tolist() == (rows["seed"] == 1).tolist()
    two = rows[rows["seed"] != 1].groupby("layer")["agreement"]
    assert two.max().to_numpy() == pytest.approx(two.min().to_numpy()), "each of the two has one other seed"


def test_a_file_that_is_of_no_pruning_is_refused(found):
    _, runner, _ = found
    with pytest.raises(InputError, match=r"initial\.npz: it is of .* expected the criterion and the iteration"):
        survivors(runner, ["initial.npz"])


def test_the_tables_do_not_depend_on_blocks_of_seeds(found):
    """Files of single seeds give the tables of files of all seeds."""
    experiment, runner, tables = found
    names, blocks = [], {}
    for name in ("initial", *(f"{criterion}{k}" for criterion in CRITERIA for k in (1, 2))):
        arrays = Arrays(runner.folder / f"{name}.npz")
        for seed in SEEDS:
            mine = {key: arrays[key] for key in arrays.names - {"provenance"} if key.startswith(f"seed{seed}/")}
            write_arrays(runner.folder / f"{name}_{seed}.npz", mine, arrays.provenance | {"seeds": [seed]})
            blocks.setdefault(name, []).append(f"{name}_{seed}.npz")
            names += [f"{name}_{seed}.npz"] if name != "initial" else []
    prefix, stage = {"patches": ("", "survivors"), "digits": ("digits_", "survivors_deep")}[experiment]
    outputs = {name: f"alone_{name}.csv" for name in NAMES}
    inputs = {"initial": blocks["initial"], "machine": names}
    runner(stage, jobs.job(runner.study, stage), inputs, outputs)
    for name in NAMES:
        alone = tidy.read([runner.folder / f"alone_{name}.csv"], f"{prefix}{name}")
        one, other = (tidy.in_order(frame, f"{prefix}{name}") for frame in (tables[name], alone))
        pd.testing.assert_frame_equal(one, other)
    assert json.loads(jobs.job(runner.study, stage)["spec"]) == {}
