"""Weights that grow again: how many, where, in place of which; against a brute force of loops over single weights."""

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from deep_machines import activity, by_layer, full_machine, machine_of, permuted
from deep_study import DeepRunner, deep_values, write_images
from small_machines import by_weight, criterion
from tiny_study import Runner, tiny_values, write_patterns

from boltzprune.core.streams import fork
from boltzprune.errors import InputError
from boltzprune.pruning.criteria import CRITERIA
from boltzprune.pruning.evidence import numbers_per_weight
from boltzprune.pruning.prune import prune
from boltzprune.results.store import Arrays, read_machine
from boltzprune.single.activity import observe
from boltzprune.single.pruning import prune as prune_alone
from boltzprune.study import jobs
from boltzprune.study.config import DeepPruning, Pruning
from boltzprune.study.settings import study_from

SIZES = (11, 13, 7)
RULES = ("random", "correlation")


def sparse_machine(share=0.5, seed=29, sizes=SIZES):
    """A machine of which about that share of the weights exists, with units that are numbered as in a larger one."""
    rng = np.random.default_rng(seed)
    masks = [rng.random(shape) < share for shape in zip(sizes[:-1], sizes[1:])]
    for mask in masks:  # each hidden unit has a weight on each side
        mask[np.arange(mask.shape[1]) % len(mask), np.arange(mask.shape[1])] = True
        mask[np.arange(len(mask)), np.arange(len(mask)) % mask.shape[1]] = True
    return machine_of(masks, units=(np.arange(sizes[0]), *(2 * np.arange(n) + 1 for n in sizes[1:])))


def pruned(machine, by, share=0.6, function=by_weight, allowed=None, fraction=0.3, seed=3, iteration=2, given=None):
    """One pruning; without regrowth if `by` is None."""
    regrowth = by and {"fraction": share, "by": by}
    options = {"threshold": "rank", "anti_fi_threshold": "rank", "regrowth": regrowth}
    is_rbm = machine.is_rbm
    settings = Pruning(fraction=fraction, **options) if is_rbm else DeepPruning(fraction=[fraction] * 2, **options)
    row = function if hasattr(function, "saliency") else criterion(function)
    return prune(machine, given or activity(machine), row, "test", settings, seed, iteration, None, allowed)


def places(machine):
    """Of each weight layer, the set of the weights, as pairs of original units."""
    found = []
    for layer, mask in enumerate(machine.masks):
        lower, upper = machine.units[layer : layer + 2]
        found.append({(int(lower[i]), int(upper[j])) for i, j in np.argwhere(mask)})
    return found


def brute_force(machine, plain, by, share, allowed, seed, iteration, statistics):
    """What is left of each layer, one weight after the other, from what the pruning without regrowth has left."""
    result = []
    for layer, (left, before) in enumerate(zip(places(plain.machine), places(machine))):
        lower, upper = (machine.units[k].tolist() for k in (layer, layer + 1))
        stay = [machine.units[k][plain.remaining[k]].tolist() for k in (layer, layer + 1)]
        chance = numbers_per_weight(*machine.units[layer : layer + 2], layer, fork(seed, "regrowth", iteration))
        free = {}
        for i in stay[0]:
            for j in stay[1]:
                a, b = lower.index(i), upper.index(j)
                if (i, j) not in before and (allowed is None or allowed[layer][a, b]):
                    mean = statistics.pair_means[layer][a, b]
                    alone = statistics.rates[layer][a] * statistics.rates[layer + 1][b]
                    free[i, j] = (-abs(mean - alone) if by == "correlation" else 0.0, chance[a, b])
        n = min(len(free), Fraction(str(share)) * (len(before) - len(left)) // 1)
        gone = set()
        for i, j in sorted(left, key=lambda w: abs(machine.weights[layer][lower.index(w[0]), upper.index(w[1])])):
            rest = left - gone - {(i, j)}
            alone = all(b != j for _, b in rest) or (layer > 0 and all(a != i for a, _ in rest))
            if len(gone) < n and not alone:
                gone.add((i, j))
        result.append((left - gone) | set(sorted(free, key=free.get)[: len(gone)]))
    return result


@pytest.mark.parametrize("by", RULES)
@pytest.mark.parametrize("share", [0.2, 1.0])
@pytest.mark.parametrize("is_bounded", [False, True])
def test_as_by_brute_force(by, share, is_bounded):
    machine = sparse_machine()
    allowed = [mask | (np.random.default_rng(5).random(mask.shape) < 0.5) for mask in machine.masks]
    allowed = allowed if is_bounded else None
    plain, found = (pruned(machine, one, share, allowed=allowed) for one in (None, by))
    expected = brute_force(machine, plain, by, share, allowed, 3, 2, activity(machine))
    assert places(found.machine) == expected
    grown = [len(one - before) for one, before in zip(expected, places(machine))]
    assert list(found.n_weights_grown) == grown and min(grown) > 0
    assert found.machine.n_weights == plain.machine.n_weights
    assert found.n_weights_removed == plain.n_weights_removed
    assert found.units_removed == plain.units_removed
    for one, other in zip(found.remaining, plain.remaining):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("by", RULES)
@pytest.mark.parametrize("name", [name for name, row in CRITERIA.items() if row.needs != "eigenvector"])
def test_as_many_weights_and_the_same_units_whatever_the_criterion(by, name):
    row = CRITERIA[name]
    for share, fraction in ((1.0, 0.4), (0.7, 0.8)):
        machine = sparse_machine(0.3, seed=31)
        plain, found = (pruned(machine, one, share, row, fraction=fraction) for one in (None, by))
        assert found.machine.n_weights == plain.machine.n_weights
        assert found.machine.layer_sizes == plain.machine.layer_sizes
        if row.whole_units:
            assert found.n_weights_grown == plain.n_weights_grown == ()
            assert places(found.machine) == places(plain.machine)


def test_what_grows_is_0_and_what_is_kept_has_its_value():
    machine, found = sparse_machine(), pruned(sparse_machine(), "correlation").machine
    for layer, mask in enumerate(found.masks):
        kept = np.ix_(*(np.isin(machine.units[k], found.units[k]) for k in (layer, layer + 1)))
        before, was = machine.weights[layer][kept], machine.masks[layer][kept]
        assert (mask & ~was).any() and not found.weights[layer][mask & ~was].any()
        assert np.array_equal(found.weights[layer][mask & was], before[mask & was])


def test_a_machine_with_all_weights_has_no_place_left_and_is_pruned_as_without():
    machine = full_machine(*SIZES)
    plain, found = (pruned(machine, by) for by in (None, "random"))
    assert found.n_weights_grown == (0, 0)
    assert places(found.machine) == places(plain.machine)


def test_an_rbm_may_lose_the_weights_of_a_pixel_and_get_them_again():
    mask = np.ones((5, 7), dtype=bool)
    mask[2], mask[3, 1:] = False, False
    found = pruned(machine_of([mask]), "random", share=1.0, fraction=0.5)
    assert found.machine.n_weights == (11,) and found.machine.masks[0][2].any()


SALIENCY = np.array([[0, 4, 5], [1, 0, 6], [2, 0, 7], [3, 0, 8], [20, 0, 9]], dtype=float)
"""Of 11 weights, those but for the zeros below 4: unit 1 has one weight, the least salient that three tenths leave."""
EXISTS = np.array([[1, 1, 1], [1, 0, 1], [1, 0, 1], [1, 0, 1], [1, 0, 1]], dtype=bool)


@pytest.mark.parametrize("is_lower", [False, True])
def test_a_hidden_unit_keeps_its_last_weight(is_lower):
    """Two others give way, of which no unit loses its last: 5 and 6, or, of units above that have two, 5 and 9."""
    masks = [np.ones((7, 3), dtype=bool), EXISTS.T] if is_lower else [EXISTS]
    saliencies = by_layer(np.arange(21.0).reshape(7, 3), SALIENCY.T, SALIENCY)
    found = pruned(machine_of(masks), "random", 0.5, saliencies)
    mask = found.machine.masks[-1].T if is_lower else found.machine.masks[-1]
    assert found.n_weights_grown[-1] == 2
    assert {*SALIENCY[EXISTS & mask]} == ({4, 6, 7, 8, 20} if is_lower else {4, 7, 8, 9, 20})


def test_chance_belongs_to_seed_iteration_and_units():
    """Of other seeds and iterations other places; in another order of the units the same."""
    machine = sparse_machine()
    found = [places(pruned(machine, "random", seed=s, iteration=k).machine) for s, k in ((3, 2), (4, 2), (3, 1))]
    assert found[0] != found[1] and found[0] != found[2]
    for by in RULES:
        other, statistics = permuted(machine, activity(machine), seed=37)
        one, again = pruned(machine, by), pruned(other, by, given=statistics)
        assert places(one.machine) == places(again.machine)


def test_all_places_are_equally_likely_by_chance():
    machine = machine_of([np.eye(7, 5, dtype=bool) | (np.arange(7) < 3)[:, None]])
    counts, n = np.zeros((7, 5)), 401
    for seed in range(n):
        found = pruned(machine, "random", 0.2, fraction=0.5, seed=seed)
        assert found.machine.layer_sizes == (7, 5) and found.n_weights_grown == (1,)
        counts += found.machine.masks[0] & ~machine.masks[0]
    free = ~machine.masks[0]
    p = 1 / free.sum()
    assert counts[~free].sum() == 0
    assert (np.abs(counts[free] - n * p) < 5 * np.sqrt(n * p * (1 - p))).all()


# in a study


def test_who_is_told():
    on = {"fraction": 0.3, "by": "random"}
    for experiment, stage in (("patches", "prune"), ("digits", "prune_deep")):
        study, plain = study_from({experiment: {"pruning": {"regrowth": on}}}), study_from({})
        assert '"regrowth": {"fraction": 0.3, "by": "random"}' in jobs.prune_job(study, "anti_fi", 1, stage)["spec"]
        assert "regrowth" not in jobs.prune_job(plain, "anti_fi", 1, stage)["spec"]
        units = [jobs.prune_job(one, "random_units", 1, stage) for one in (study, plain)]
        assert units[0] == units[1], "criteria of whole units are left as they are"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"fraction": 0.0, "by": "random"}, r"pruning\.regrowth\.fraction = 0\.0: expected greater than 0"),
        ({"fraction": 1.5, "by": "random"}, r"pruning\.regrowth\.fraction = 1\.5: expected less than or equal to 1"),
        (
            {"fraction": 0.5, "by": "chance"},
            r"pruning\.regrowth\.by = 'chance': expected one of 'random' or 'correlation'",
        ),
        ({"fraction": 0.5}, r"pruning\.regrowth\.by"),
        (0.5, r"pruning\.regrowth = 0\.5"),
    ],
)
def test_what_is_no_regrowth(value, text):
    with pytest.raises(InputError, match=text):
        study_from({"patches": {"pruning": {"regrowth": value}}})


def test_functions_for_one_machine_refuse_it():
    machine = full_machine(5, 7)
    with pytest.raises(InputError, match=r"prune: regrowth is a key of studies; .* leave it out"):
        prune_alone(machine, observe(machine, 101, device="reference"), regrowth={"fraction": 0.3, "by": "random"})


def test_a_study_of_patches(tmp_path):
    """Weights grow in the second iteration, where the first has left places; the record says how many."""
    write_patterns(tmp_path / "data.npz")
    counts = {}
    for by in (None, *RULES):
        folder = tmp_path / str(by)
        folder.mkdir()
        pruning = {"threshold": "rank", "regrowth": by and {"fraction": 0.9, "by": by}}
        values = tiny_values(tmp_path / "data.npz", criteria=["weight_magnitude"], controls=[], pruning=pruning)
        run = Runner(values, folder)
        run.initial()
        run.chain("weight_magnitude")
        records = [pd.read_csv(folder / f"weight_magnitude{k}_record.csv") for k in (1, 2)]
        counts[by] = [record["n_weights_removed"].tolist() for record in records]
        if by:
            assert (records[0]["n_weights_grown"] == 0).all() and (records[1]["n_weights_grown"] > 0).all()
        else:
            assert "n_weights_grown" not in records[0]
    assert counts["random"] == counts["correlation"] == counts[None] == [[18, 18], [9, 9]]


def test_a_study_of_digits_grows_within_receptive_fields(tmp_path):
    write_images(tmp_path / "data.npz")
    pruning = {"fraction": [0.4, 0.5], "threshold": "rank", "regrowth": {"fraction": 1.0, "by": "random"}}
    values = deep_values(tmp_path / "data.npz", criteria=["variance_fi"], controls=[], pruning=pruning)
    run = DeepRunner(values, tmp_path)
    run.initial()
    run.chain("variance_fi")
    grown = pd.read_csv(tmp_path / "variance_fi2_record.csv")
    assert (grown[["n_weights_1_grown", "n_weights_2_grown"]] > 0).all(axis=None)
    initial, first, second = (
        Arrays(tmp_path / f"{name}.npz") for name in ("initial", "variance_fi1_retrained", "variance_fi2_pruned")
    )
    for seed in run.seeds:
        sizes = [places(read_machine(arrays, seed)) for arrays in (initial, first, second)]
        for whole, before, after in zip(*sizes):
            assert after <= whole and after - before
    job = jobs.prune_job(run.study, "variance_fi", 1, "prune_deep")
    inputs = {"machine": "initial.npz", "statistics": "initial_statistics.npz"}
    with pytest.raises(InputError, match=r"prune_deep: --in initial is missing; pruning\.regrowth needs these"):
        run("prune_deep", job, inputs, {"machine": "x.npz", "record": "x.csv"})
