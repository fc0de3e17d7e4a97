"""What is given a machine, states or statistics that it is not for refuses them, and never uses a part of them.

dfdx/Boltzmann.jl#8: which number is the fit of a deep machine?
"""

import by_hand
import numpy as np
import pytest

from boltzprune.backend import get_backend
from boltzprune.core import fisher, machine
from boltzprune.core.fisher import Statistics
from boltzprune.core.streams import fork
from boltzprune.errors import InputError
from boltzprune.learning import joint_training, pretraining, training
from boltzprune.pruning.criteria import CRITERIA
from boltzprune.pruning.prune import prune
from boltzprune.sampling import ais, exact, gibbs, statistics
from boltzprune.study.config import DeepPruning, DeepSampling, JointTraining, MeanField, Pruning, Sampling, Training
from boltzprune.study.progress import Progress

DEEP, RBM = by_hand.machine((5, 3, 2), seed=3), by_hand.machine((5, 3), seed=5)
THREE = by_hand.machine((5, 3, 2, 2), seed=7)
KEY, BACKEND = fork(0, "samples"), get_backend("reference")
VISIBLE = by_hand.patterns(7, 5, seed=9)
VARIANCE, EIGENVECTOR = CRITERIA["variance_fi"], CRITERIA["eigenvector"]


def means(*sizes):
    """Means that say nothing, of layers of those sizes."""
    return Statistics(0, tuple(np.full(n, 0.5) for n in sizes), tuple(np.full(s, 0.2) for s in zip(sizes, sizes[1:])))


def pruned(one, means, vector=None, criterion=VARIANCE, pruning=None):
    return prune(one, means, criterion, "mine", pruning or Pruning(), 0, 1, vector)


def trained(one):
    return training.train([one], VISIBLE, Training(), [KEY], training.Run(BACKEND, Progress(1, "", ""), ["mine"]))


def chains(*sizes, n=2):
    return tuple(np.zeros((n, size), np.uint8) for size in sizes)


def trained_jointly(given, cases=VISIBLE):
    settings = JointTraining(), MeanField(), [KEY], training.Run(BACKEND, Progress(1, "", ""), ["mine"])
    return joint_training.train_jointly([DEEP], [given], cases, *settings)


ONE = "is for machines with one weight layer, and this one has 2, between layers of \\(5, 3, 2\\) units; use "
OF_DEEP = {
    "fisher_matrix": (exact.fisher_matrix, "exact.statistics and, for each weight layer, fisher.fisher_diagonal"),
    "estimate": (lambda m: statistics.estimate(m, chains(5, 3, 2), Sampling(), BACKEND), "statistics.deep_statistics"),
    "enumerated": (
        lambda m: statistics.estimate(m, chains(5, 3, 2), Sampling(statistics="enumerated"), BACKEND),
        "statistics.deep_statistics",
    ),
    "train": (trained, "joint_training.train_jointly"),
    "stack": (lambda m: pretraining.stack([m, m]), "the RBMs that it was stacked of"),
    "hidden_data": (lambda m: pretraining.hidden_data(m, VISIBLE, "sampled", 1.0, KEY, BACKEND), "an RBM"),
}


@pytest.mark.parametrize("name", OF_DEEP)
def test_what_is_for_rbms_refuses_a_deep_machine_and_names_what_is_for_it(name):
    function, instead = OF_DEEP[name]
    with pytest.raises(InputError, match=ONE + instead):
        function(DEEP)


def test_what_the_fisher_matrix_names_instead_takes_the_machine():
    expected = fisher.fisher_diagonal(exact.statistics(RBM).pair_means[0])
    found = np.diag(exact.fisher_matrix(RBM))[: RBM.n_weights[0]]
    np.testing.assert_allclose(found, expected.ravel(), rtol=0, atol=1e-12)
    assert [fisher.fisher_diagonal(mean).shape for mean in exact.statistics(DEEP).pair_means] == [(5, 3), (3, 2)]


SHAPES = {
    "visible, too few units": (lambda: exact.free_energy(RBM, VISIBLE[:, 1:]), r"visible has shapes \[\(7, 4\)\]"),
    "visible, one pattern": (lambda: exact.log_likelihood_gradient(RBM, VISIBLE[0]), r"visible has shapes \[\(5,\)\]"),
    "states, a layer missing": (
        lambda: machine.energy(DEEP, chains(5, 3)),
        r"states has shapes \[\(2, 5\), \(2, 3\)\]",
    ),
    "visible, deep": (lambda: exact.clamped_statistics(DEEP, VISIBLE.T), r"\[\(5, 7\)\]; expected \(n, 5\)"),
    "means, a layer missing": (
        lambda: ais.variational_bounds(DEEP, VISIBLE, [np.zeros((7, 3))], 0.0),
        r"means\] has shapes \[\(7, 5\), \(7, 3\)\]; expected \(n, 5\), \(n, 3\), \(n, 2\), with the same n",
    ),
    "means, of fewer images": (
        lambda: ais.variational_bounds(DEEP, VISIBLE, [np.zeros((7, 3)), np.zeros((6, 2))], 0.0),
        "with the same n",
    ),
    "chains of an RBM": (
        lambda: statistics.deep_statistics(DEEP, chains(5, 3), 4, DeepSampling(), KEY, BACKEND),
        r"chains has shapes \[\(2, 5\), \(2, 3\)\]; expected \(n, 5\), \(n, 3\), \(n, 2\)",
    ),
    "chains, layers swapped": (lambda: trained_jointly(chains(5, 2, 3)), r"mine: chains has shapes"),
    "cases": (lambda: trained_jointly(chains(5, 3, 2), VISIBLE[:, 1:]), r"mine: cases has shapes \[\(7, 4\)\]"),
    "cases of restarted chains": (
        lambda: joint_training.restarted(DEEP, VISIBLE[:, 1:], 3, KEY, BACKEND),
        r"cases has shapes \[\(7, 4\)\]; expected \(n, 5\)",
    ),
    "statistics of another": (lambda: pruned(RBM, means(3, 5)), r"statistics have shapes \[\(3,\), .* expected"),
    "statistics of deep": (
        lambda: pruned(DEEP, means(5, 3), pruning=DeepPruning()),
        "statistics have shapes",
    ),
    "no eigenvector": (
        lambda: pruned(RBM, means(5, 3), None, EIGENVECTOR),
        r"criterion 'mine' needs the leading eigenvector .* missing \(not asked for when the machine was sampled\)",
    ),
    "eigenvector, too long": (
        lambda: pruned(RBM, means(5, 3), np.ones(24), EIGENVECTOR),
        r"leading_eigenvector has shape \(24,\); expected one entry for each parameter, \(23,\)",
    ),
    "eigenvector, deep": (
        lambda: pruned(DEEP, means(5, 3, 2), np.ones(31), EIGENVECTOR, DeepPruning()),
        "criterion 'mine' needs the full FIM, which is computed for RBMs only; leave it out",
    ),
    "eigenvector nobody needs, deep": (
        lambda: pruned(DEEP, means(5, 3, 2), np.ones(31), pruning=DeepPruning()),
        "leading_eigenvector is given with a machine of 2 weight layers; expected None",
    ),
    "fractions": (
        lambda: pruned(THREE, means(5, 3, 2, 2), pruning=DeepPruning()),
        "pruning.fraction has 2 entries; expected one for each weight layer of the machine, 3",
    ),
    "fractions, one layer": (
        lambda: pruned(RBM, means(5, 3), pruning=DeepPruning()),
        "pruning.fraction has 2 entries; expected one for each weight layer of the machine, 1",
    ),
    "rates swapped": (
        lambda: fisher.heuristic_diagonal(RBM.weights[0], np.full(3, 0.5), np.full(5, 0.5)),
        r"weights have shape \(5, 3\); expected one for each of 3 lower rates and 5 upper rates",
    ),
    "mask of another": (
        lambda: fisher.sampled_fisher_matrix(
            np.zeros((5, 1), "u8"), np.zeros((3, 1), "u8"), RBM.masks[0].T, 64, BACKEND
        ),
        r"mask has shape \(3, 5\); expected visible by hidden units, \(5, 3\)",
    ),
    "no samples": (lambda: gibbs.sample(RBM, 0, 1, KEY, BACKEND), "n_samples is 0, expected 1 or more"),
    "steps back": (lambda: gibbs.sample(RBM, 1, -1, KEY, BACKEND), "n_gibbs_steps is -1, expected 0 or more"),
}


@pytest.mark.parametrize("case", SHAPES)
def test_what_does_not_belong_to_the_machine_is_refused_by_name(case):
    function, expected = SHAPES[case]
    with pytest.raises(InputError, match=expected):
        function()


def test_the_whole_matrix_of_too_many_parameters_is_refused_by_enumeration_too():
    wide = by_hand.machine((2, 6_667), seed=11)
    assert fisher.n_parameters(wide) == 20_003
    with pytest.raises(InputError, match="the full FIM of 20003 parameters needs 3 GB; at most 20000 are supported"):
        exact.fisher_matrix(wide)


def test_an_exact_draw_of_a_deep_machine_has_all_its_layers():
    layers = statistics.draw(DEEP, 3, Sampling(method="exact"), KEY, BACKEND)
    assert [layer.shape for layer in layers] == [(3, 5), (3, 3), (3, 2)]
    assert len(statistics.draw(RBM, 3, Sampling(), KEY, BACKEND)) == 2
