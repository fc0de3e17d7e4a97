"""What the stages of the digits write: a tiny study, checked by hand and against scikit-learn."""

import numpy as np
import pandas as pd
import pytest
from deep_study import (
    CHAINS,
    KEYS,
    N_CLASSES,
    N_IMAGES,
    N_SAMPLES,
    N_TEST,
    N_TRAIN,
    SHAPE,
    digits,
    each,
    index,
    machine,
    metrics,
    table,
    visible,
)
from scipy.special import entr, expit, logsumexp
from sklearn.linear_model import LogisticRegression

from boltzprune.core.streams import fork
from boltzprune.pruning.criteria import CRITERIA
from boltzprune.pruning.evidence import numbers_per_weight
from boltzprune.pruning.prune import prune
from boltzprune.pruning.units import dead_ends
from boltzprune.pruning.weights import drop_lowest
from boltzprune.results.store import Arrays, read_statistics
from boltzprune.sampling import exact

EMPTY_FOR_PRUNED = "encoding_error encoding_train_error encoding_converged n_mean_field log_z log_z_sd bound".split()
REGIONS = ["border_disconnected", "centre_disconnected"]
OF_PRUNINGS = [*REGIONS, *(f"{name}_{layer}" for layer in (1, 2) for name in ("undecided", "kept_again"))]
COLUMNS = [
    *KEYS,
    *"n_weights n_weights_1 n_weights_2 n_units_1 n_units_2 n_visible_connected".split(),
    *EMPTY_FOR_PRUNED,
    *"activity_1 activity_2 quality_mean quality_class_mean diversity".split(),
    *"energy_time rate_time p_memory p_starts mixes n_effective".split(),
    *OF_PRUNINGS,
]


def mean_field(model, states, tolerance=1e-5, most=50):
    """Means of both hidden layers and the sweeps of each image, one image after the other, in float64."""
    w1, w2 = (w.astype(float) for w in model.weights)
    _, b1, b2 = model.biases
    found, counts = [], []
    for v in states:
        m1 = expit(b1 + 2 * (v @ w1))
        m2 = expit(b2 + m1 @ w2)
        change, n_sweeps = 1.0, 0
        while change >= tolerance and n_sweeps < most:
            new1 = expit(b1 + v @ w1 + w2 @ m2)
            new2 = expit(b2 + new1 @ w2)
            change = max(np.abs(new1 - m1).max(), np.abs(new2 - m2).max())
            m1, m2, n_sweeps = new1, new2, n_sweeps + 1
        found.append((m1, m2))
        counts.append(n_sweeps)
    return [np.array(layer) for layer in zip(*found)], counts


def test_the_images_are_those_of_the_file(deep):
    raw, made = np.load(deep.folder / "my_images.npz"), digits(deep)
    binary = raw["images"].reshape(N_IMAGES, -1) > raw["images"].mean()
    expected = sorted(zip(map(tuple, binary.astype(int)), raw["labels"].tolist()))
    assert sorted(zip(map(tuple, made.states.astype(int)), made.labels.tolist())) == expected
    test = raw["test_images"].reshape(N_TEST, -1) > raw["test_images"].mean()
    assert np.array_equal(made.test_states, test)
    assert np.array_equal(made.test_labels, raw["test_labels"])
    assert (made.n_train, made.n_classes, made.shape) == (N_TRAIN, N_CLASSES, SHAPE)
    assert len(made.cases) == N_TRAIN
    about = Arrays(deep.folder / "digits.npz").provenance
    assert about["data"]["files"][0]["name"] == "my_images.npz"
    assert str(deep.folder) not in str(about)


def test_metrics_of_every_machine_once(deep):
    found = table(deep, "digits_metrics")
    assert set(found.columns) == set(COLUMNS)
    assert len(found) == len(each())
    assert not found.duplicated(KEYS).any()
    assert found.sort_values(KEYS, ignore_index=True).equals(found)
    assert set(found.set_index(KEYS).index) == {index(*where) for where in each()}
    pruned = found["phase"] == "pruned"
    for name in COLUMNS:
        expected = pruned if name in EMPTY_FOR_PRUNED else np.zeros(len(found), dtype=bool)
        expected = found["criterion"].isin(["none", "unpruned"]) if name in OF_PRUNINGS else expected
        assert found[name].isna().equals(pd.Series(expected)), name


def test_sizes_are_those_of_the_machines(deep):
    found = metrics(deep)
    for name, seed in each():
        model, row = machine(deep, name, seed), found.loc[index(name, seed)]
        one, two = (int(mask.sum()) for mask in model.masks)
        assert (row["n_weights"], row["n_weights_1"], row["n_weights_2"]) == (one + two, one, two)
        assert (row["n_units_1"], row["n_units_2"]) == (len(model.units[1]), len(model.units[2]))
        assert row["n_visible_connected"] == model.masks[0].any(axis=1).sum()
    first = found.loc[index("initial", 0)]
    assert (first["n_weights_1"], first["n_weights_2"]) == ((2 + 3 + 3 + 3 + 2) * (2 + 3 + 2), 15 * 11)


def test_retraining_keeps_the_masks_and_changes_the_values(deep):
    for chain in CHAINS:
        for seed in (0, 1):
            pruned, retrained = (machine(deep, f"{chain}_{phase}", seed) for phase in ("pruned", "retrained"))
            for layer, mask in enumerate(pruned.masks):
                assert np.array_equal(mask, retrained.masks[layer])
                assert (pruned.weights[layer] != retrained.weights[layer])[mask].mean() > 0.9
                assert not retrained.weights[layer][~mask].any()


def test_the_record_tells_what_went(deep):
    for chain in CHAINS:
        before = "initial" if chain.endswith("1") else f"{chain[:-1]}1_retrained"
        record = pd.read_csv(deep.folder / f"{chain}_record.csv", dtype=str, keep_default_na=False)
        assert record["seed"].tolist() == ["0", "1"]
        for row in record.to_dict("records"):
            old, new = (machine(deep, name, int(row["seed"])) for name in (before, f"{chain}_pruned"))
            assert f"{row['criterion']}{row['iteration']}" == chain
            for layer in (1, 2):
                assert int(row[f"n_weights_{layer}_before"]) == old.masks[layer - 1].sum()
                assert int(row[f"n_weights_{layer}"]) == new.masks[layer - 1].sum()
                assert int(row[f"n_units_{layer}_before"]) == len(old.units[layer])
                assert int(row[f"n_units_{layer}"]) == len(new.units[layer])
                gone = [entry.split(":") for entry in row[f"units_removed_{layer}"].split()]
                assert sorted([*(int(unit) for unit, _ in gone), *new.units[layer]]) == old.units[layer].tolist()
                why = {"chosen"} if "units" in chain else {"below", "above", "both", "cascade"}
                assert {reason for _, reason in gone} <= why
            lost = [int(pixel) for pixel in row["pixels_disconnected"].split()]
            assert lost == np.flatnonzero(~new.masks[0].any(axis=1)).tolist()


def test_each_layer_loses_its_own_fraction_of_the_weights(deep):
    for seed in (0, 1):
        before, first = machine(deep, "initial", seed), machine(deep, "anti_fi1_pruned", seed)
        statistics, _ = read_statistics(Arrays(deep.folder / "initial_statistics.npz"), seed)
        masks = []
        for layer, fraction in enumerate((0.4, 0.5)):
            ties = numbers_per_weight(*before.units[layer : layer + 2], layer, fork(seed, "ties", 1))
            information = statistics.pair_means[layer] * (1 - statistics.pair_means[layer])
            masks.append(drop_lowest(-information, before.masks[layer], fraction, ties))
        assert [mask.sum() for mask in masks] == [54, 82]  # of 91 and 165 remain floor(0.6 n), floor(0.5 n)
        left = dead_ends(masks)[0]  # units that lead nowhere take the rest of their weights with them
        assert first.n_weights == tuple(mask.sum() for mask in left)
    weights = metrics(deep)["n_weights"]
    for seed in (0, 1):
        left = weights.loc[index("random_units1_pruned", seed)]
        assert abs(left - (54 + 82)) < 15


@pytest.mark.parametrize("name", ["initial", "random_units1_retrained", "anti_fi2_retrained"])
def test_the_encoding_by_hand(deep, name):
    data = digits(deep)
    for seed in (0, 1):
        model, row = machine(deep, name, seed), metrics(deep).loc[index(name, seed)]
        train, _ = mean_field(model, data.cases)
        test, counts = mean_field(model, data.test_states)
        classifier = LogisticRegression(C=0.7, max_iter=1000).fit(train[1], data.labels[:N_TRAIN])
        errors = [
            1 - classifier.score(train[1], data.labels[:N_TRAIN]),
            1 - classifier.score(test[1], data.test_labels),
        ]
        assert [row["encoding_train_error"], row["encoding_error"]] == pytest.approx(errors, abs=1.01 / N_TRAIN)
        assert row["encoding_converged"] == 1
        assert row["n_mean_field"] == pytest.approx(np.mean(counts), abs=0.1)


@pytest.mark.parametrize("name", ["initial", "random_units2_retrained", "anti_fi1_retrained"])
def test_log_z_and_the_bound_by_hand(deep, name):
    states = digits(deep).test_states.astype(float)
    for seed in (0, 1):
        model, row = machine(deep, name, seed), metrics(deep).loc[index(name, seed)]
        exact_log_z = exact.log_z(model)
        assert abs(row["log_z"] - exact_log_z) < 5 * row["log_z_sd"] + 0.1
        assert abs(row["log_z"] - exact_log_z) > 1e-6  # an estimate
        w1, w2 = (w.astype(float) for w in model.weights)
        b0, b1, b2 = (b.astype(float) for b in model.biases)
        (m1, m2), _ = mean_field(model, states)
        energy = states @ b0 + m1 @ b1 + m2 @ b2 + ((states @ w1) * m1).sum(1) + ((m1 @ w2) * m2).sum(1)
        entropy = (entr(m1) + entr(1 - m1)).sum(1) + (entr(m2) + entr(1 - m2)).sum(1)
        assert row["bound"] + row["log_z"] == pytest.approx((energy + entropy).mean(), abs=1e-4)
        h2 = np.array(list(np.ndindex(*[2] * len(b2))))
        fields = b1 + (states @ w1)[:, None, :] + h2 @ w2.T
        log_p = states @ b0 + logsumexp(h2 @ b2 + np.logaddexp(0, fields).sum(axis=2), axis=1)
        assert row["bound"] + row["log_z"] <= log_p.mean() + 1e-9
        assert -15 * np.log(2) < row["bound"] <= 0


def test_activity_is_the_mean_rate_of_the_statistics(deep):
    for name, seed in each():
        statistics, row = Arrays(deep.folder / f"{name}_statistics.npz"), metrics(deep).loc[index(name, seed)]
        assert statistics[f"seed{seed}/n_samples"] == N_SAMPLES
        for layer in (1, 2):
            assert row[f"activity_{layer}"] == pytest.approx(statistics[f"seed{seed}/rate{layer}"].mean(), abs=1e-12)
        assert statistics[f"seed{seed}/rate0"] == pytest.approx(visible(deep, name, seed).mean(axis=0), abs=1e-12)
        assert len(visible(deep, name, seed)) == N_SAMPLES


def test_disconnected_pixels_are_those_of_the_machines(deep):
    pixels = table(deep, "digits_pixels").set_index(["criterion", "iteration", "pixel"])
    assert len(pixels) == 4 * 15
    for chain in CHAINS:
        gone = np.mean([~machine(deep, f"{chain}_pruned", seed).masks[0].any(axis=1) for seed in (0, 1)], axis=0)
        own = pixels.loc[(chain[:-1], int(chain[-1]))]
        assert own.index.tolist() == list(range(15))
        assert own["disconnected"].tolist() == gone.tolist()
        assert (own["n_seeds"] == 2).all()
    assert set(pixels["disconnected"]) >= {0, 0.5}


def test_disconnected_pixels_of_the_border_and_the_centre(deep):
    """5 x 3 pixels: all but three in the middle of the middle column are the border, and these three the centre."""
    border, centre = np.ones((5, 3), dtype=bool), np.zeros((5, 3), dtype=bool)
    border[1:4, 1] = False
    centre[1:4, 1] = True
    found = metrics(deep)
    for chain in CHAINS:
        for seed in (0, 1):
            gone = ~machine(deep, f"{chain}_pruned", seed).masks[0].any(axis=1).reshape(5, 3)
            for phase in ("pruned", "retrained"):
                row = found.loc[index(f"{chain}_{phase}", seed)]
                assert row["border_disconnected"] == pytest.approx(gone[border].mean())
                assert row["centre_disconnected"] == pytest.approx(gone[centre].mean())
    initial = found.xs("initial", level="phase")
    assert initial[REGIONS].isna().all(axis=None)
    assert found["border_disconnected"].max() > 0
    assert len(found) == len(each())


def test_a_class_without_images_has_no_line(deep):
    classes = table(deep, "digits_classes")
    assert set(classes["digit"]) == {0, 1, 2}
    assert len(classes) == 3 * len(each())
    text = (deep.folder / "per_digit.md").read_text()
    assert "| Quality | 0 | 1 | 2 |" in text


@pytest.mark.parametrize("chain", CHAINS)
def test_pruning_by_the_library(deep, chain):
    name, iteration = chain[:-1], int(chain[-1])
    before = "initial" if iteration == 1 else f"{name}1_retrained"
    for seed in (0, 1):
        statistics, _ = read_statistics(Arrays(deep.folder / f"{before}_statistics.npz"), seed)
        given = machine(deep, before, seed), statistics, CRITERIA[name], name, deep.study.digits.pruning
        expected, found = prune(*given, seed, iteration).machine, machine(deep, f"{chain}_pruned", seed)
        assert all(map(np.array_equal, found.weights, expected.weights))
        assert all(map(np.array_equal, found.units, expected.units))
