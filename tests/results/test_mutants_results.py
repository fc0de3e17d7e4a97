"""Damaged results: refused by name, or read as what they are."""

import numpy as np
import pytest
from limits import try_beginnings, try_mutants
from mutant_files import KEYS, RNG, digit_arrays, saved
from small_machines import random_machine

from boltzprune.core.fisher import Statistics
from boltzprune.errors import InputError
from boltzprune.evaluation.encoding import Classifier, classifier_arrays, read_classifier
from boltzprune.evaluation.patterns import read_samples
from boltzprune.results.prepared import read_digits, read_states
from boltzprune.results.store import (
    Arrays,
    chain_arrays,
    machine_arrays,
    read_chains,
    read_machine,
    read_statistics,
    statistics_arrays,
)

pytestmark = pytest.mark.torture


def results(folder):
    """Results of stages: name -> arrays, read, holds."""
    machine, states = random_machine(5, 7, share=0.6), RNG.integers(0, 2, (31, 13), dtype=np.uint8)
    chains = tuple(RNG.integers(0, 2, (11, n), dtype=np.uint8) for n in (5, 7))
    means = Statistics(97, (RNG.random(5), RNG.random(7)), (RNG.random((5, 7)),))
    judge = Classifier(RNG.normal(size=(15, 3)), RNG.normal(size=3), np.arange(3), 7, True)
    samples = {"seed3/patterns": np.packbits(states[:7], axis=1), "seed3/counts": np.arange(1, 8)}
    eigen = {"seed3/eigenvectors": RNG.random((2, 47)), "seed3/fisher_matrix": RNG.random((47, 47)).astype(np.float32)}
    return {
        "machines": (machine_arrays(3, machine), lambda a: read_machine(a, 3), is_machine),
        "chains": (chain_arrays(3, chains), lambda a: read_chains(a, 3, (5, 7)), lambda c: is_binary(*c)),
        "statistics": (statistics_arrays(3, means) | eigen, lambda a: read_statistics(a, 3), is_statistics),
        "samples": (samples, lambda a: read_samples(a, 3, 13), lambda s: len(s[0]) == len(s[1])),
        "patterns": ({"packed": np.packbits(states, axis=1), "n_visible": np.array(13)}, read_states, is_binary),
        "digits": (digit_arrays(), read_digits, lambda d: is_binary(d.states, d.test_states)),
        "classifier": (classifier_arrays(judge), read_classifier, lambda c: c.weights.shape[1:] == c.bias.shape),
        "provenance": ({"a": np.arange(3)}, lambda a: (a.about, a.seeds), lambda p: p[1] and set(p[0]) == set(KEYS)),
    }  # fmt: skip


def is_machine(machine):
    arrays = (*machine.weights, *machine.biases)
    return all(np.isfinite(a).all() for a in arrays) and [w.shape for w in machine.weights] == list(
        zip(machine.layer_sizes[:-1], machine.layer_sizes[1:])
    )


def is_statistics(found):
    statistics, _ = found
    sizes = [len(rate) for rate in statistics.rates]
    means = (*statistics.rates, *statistics.pair_means)
    return (
        statistics.n_samples >= 0
        and [m.shape for m in statistics.pair_means] == list(zip(sizes, sizes[1:]))
        and all(((m >= 0) & (m <= 1)).all() for m in means)
    )


def is_binary(*arrays):
    return all(a.ndim == 2 and a.dtype == np.uint8 and (a.size == 0 or a.max() <= 1) for a in arrays)


NAMES = list(results(None))


def result(name, folder):
    """(valid files, kind of mutant, read, holds) of a result."""
    arrays, read, holds = results(folder)[name]
    return list(saved(folder, arrays)), "npz", lambda path: read(Arrays(path)), holds


@pytest.mark.parametrize("name", NAMES)
def test_a_damaged_result_is_refused_or_read(name, tmp_path, promise, at_scale):
    with promise(f"results, {name}: a damaged file is refused by name or read as what it is") as count:
        try_mutants(count, at_scale(100, 10_000), result(name, tmp_path), tmp_path / "x.npz")


@pytest.mark.parametrize("name", NAMES)
def test_no_beginning_of_a_result_is_accepted(name, tmp_path, promise, at_scale):
    with promise(f"results, {name}: a file cut anywhere is refused") as count:
        try_beginnings(count, at_scale(40, 10**6), result(name, tmp_path), tmp_path / "x.npz")


@pytest.mark.parametrize("n_visible", [7, 17])
def test_states_of_another_width_are_refused_not_filled_with_zeros(n_visible, tmp_path):
    packed = np.packbits(RNG.integers(0, 2, (31, 13), dtype=np.uint8), axis=1)
    (content, _) = saved(tmp_path, {"packed": packed, "n_visible": np.array(n_visible)})
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"x\.npz: 'packed' is uint8 of shape \(31, 2\); expected .*again"):
        read_states(Arrays(tmp_path / "x.npz"))
