"""Pre-training: inputs that count twice, data of the second RBM, stacking, and where the chains start."""

import by_hand
import deep_by_hand as deep
import numpy as np
import pytest
from scipy.stats import kstest

from boltzprune.backend import get_backend, reference
from boltzprune.backend.cpu import backend as cpu_backend
from boltzprune.core import streams
from boltzprune.core.contrastive import Epoch, Velocity
from boltzprune.core.machine import BoltzmannMachine
from boltzprune.errors import InputError, TrainingError
from boltzprune.learning import pretraining, training
from boltzprune.study.config import DeepMachine, PreTraining
from boltzprune.study.config.digits import RbmTraining, SecondRbm

KEY = streams.fork(3, "pre-training", 1)
CPU, REFERENCE = get_backend("cpu"), get_backend("reference")
LARGE = (131, 139)
START = DeepMachine(receptive_field=3, n_hidden=[15, 7], weight_sd=0.1, visible_bias=-1.0, hidden_bias=-2.0)


def _settings(**changed):
    options = {"n_epochs": 2, "learning_rate": [0.2, 0.1], "momentum_switch": 1, "skip_first": False}
    others = {"learning_rate": [0.3, 0.2], "last_learning_rate": None}
    first, second = RbmTraining(**options, batch_size=1), SecondRbm(**options | others)
    return PreTraining(**{"first": first, "second": second} | changed)


def _masks():
    return [deep.receptive_fields((3, 5), 3), np.ones((15, 7), dtype=bool)]


def _arrays(machine):
    return [*machine.weights, *machine.biases]


# Inputs that count twice


def _with_gains(up, down):
    """A chain whose input to the hidden units counts `up` times, to the visible units `down` times."""

    class Chain(by_hand.Chain):
        def hidden_probability(self, v):
            sums = [sum(x * w for x, w in zip(v, column)) for column in self.weights.T]
            return [by_hand.logistic(up * (bias + x)) for bias, x in zip(self.hidden_bias, sums)]

        def visible_probability(self, h):
            sums = [sum(x * w for x, w in zip(h, row)) for row in self.weights]
            return [by_hand.logistic(down * (bias + x)) for bias, x in zip(self.visible_bias, sums)]

    return Chain


def _epochs(backend, machine, cases, epochs):
    velocity = Velocity.zero(machine)
    for epoch in epochs:
        [(machine, velocity)] = backend.cd_epoch([machine], [velocity], [KEY], cases, epoch, lambda n: None)
    return [*_arrays(machine), velocity.weights, velocity.visible_bias, velocity.hidden_bias]


@pytest.mark.parametrize("gains", [(2.0, 1.0), (1.0, 2.0), (2.0, 2.0), (0.5, 3.0)])
@pytest.mark.parametrize(("n_gibbs_steps", "batch_size"), [(1, 1), (1, 3), (2, 1), (2, 3)])
def test_gains_by_hand(gains, n_gibbs_steps, batch_size, backend, monkeypatch):
    monkeypatch.setattr(by_hand, "Chain", _with_gains(*gains))
    machine = by_hand.machine((5, 7), seed=5, scale=0.5, density=0.7)
    cases, n_updates = by_hand.patterns(11, 5, seed=7), -(-11 // batch_size)
    epochs = [Epoch(r, d, n_gibbs_steps, batch_size, t, *gains) for r, d, t in ((0.2, 0.5, 0), (0.1, 0.9, n_updates))]
    options = {"n_gibbs_steps": n_gibbs_steps, "batch_size": batch_size}
    expected, steps = by_hand.contrastive_divergence(machine, cases, KEY, [0.2, 0.1], [0.5, 0.9], **options)
    for a, b in zip(_epochs(backend, machine, cases, epochs), [*expected, *steps], strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=3e-6)


@pytest.mark.parametrize("gains", [(2.0, 1.0), (1.0, 2.0), (3.0, 0.5)])
@pytest.mark.parametrize(
    ("sizes", "density", "decay", "batch_size", "loop"),
    [
        ((13, 11), 0.7, 0.9, 1, "dense_epoch"),
        (LARGE, 0.5, 0.9, 1, "dense_epoch"),
        (LARGE, 1.0, 0.09, 1, "low_rank_epoch"),
        (LARGE, 1.0, 0.0, 1, "low_rank_epoch"),
        (LARGE, 0.5, 0.9, 5, "array_epoch"),
        (LARGE, 0.1, 0.9, 1, "listed_epoch"),
        (LARGE, 0.1, 0.9, 5, "listed_epoch"),
    ],
)
def test_backends_agree_on_gains(gains, sizes, density, decay, batch_size, loop):
    machine = by_hand.machine(sizes, seed=11, scale=0.1, density=density)
    cases = by_hand.patterns(23, sizes[0], seed=13)
    epochs = [Epoch(0.05, decay, 1, batch_size, t, *gains) for t in (0, -(-23 // batch_size))]
    assert cpu_backend.epoch_for(machine, epochs[0]).__name__ == loop
    found, expected = (_epochs(b, machine, cases, epochs) for b in (CPU, REFERENCE))
    for a, b in zip(found, expected):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5)
    plain = _epochs(REFERENCE, machine, cases, [Epoch(0.05, decay, 1, batch_size, e.first_update) for e in epochs])
    assert np.abs(plain[0] - expected[0]).max() > 1e-3


def test_without_gains_nothing_counts_twice():
    assert (Epoch(0.1, 0.0, 1, 1, 0).up, Epoch(0.1, 0.0, 1, 1, 0).down) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("layer", "n_layers", "expected"), [(0, 2, (2, 1)), (1, 2, (1, 2)), (0, 3, (2, 1)), (1, 3, (2, 2)), (0, 1, (1, 1))]
)
def test_gains_of_each_layer(layer, n_layers, expected):
    assert pretraining.gains(layer, n_layers) == expected


# The RBMs before training


def test_new_rbms_have_normal_weights_where_the_mask_has_them():
    mask = np.random.default_rng(17).random((61, 67)) < 0.5
    rbm = pretraining.layer_rbm(mask, 0, START, seed=19)
    w = rbm.weights[0][mask]
    assert (rbm.weights[0][~mask] == 0).all() and rbm.masks[0] is mask
    assert abs(w.mean()) < 5 * 0.1 / np.sqrt(w.size) and abs(w.std() - 0.1) < 5 * 0.1 / np.sqrt(2 * w.size)
    assert kstest(w / 0.1, "norm").pvalue > 1e-3
    assert (rbm.biases[0] == -1.0).all() and (rbm.biases[1] == -2.0).all()
    assert rbm.layer_sizes == (61, 67) and all(x.dtype == np.float32 for x in _arrays(rbm))


def test_new_weights_depend_on_seed_layer_and_unit_alone():
    mask = np.ones((13, 11), dtype=bool)
    w = pretraining.layer_rbm(mask, 0, START, seed=19).weights[0]
    assert (pretraining.layer_rbm(mask[:7, :5], 0, START, seed=19).weights[0] == w[:7, :5]).all()
    holed = np.random.default_rng(23).random((13, 11)) < 0.5
    assert (pretraining.layer_rbm(holed, 0, START, seed=19).weights[0] == w * holed).all()
    for layer, seed in ((1, 19), (0, 20)):
        assert (pretraining.layer_rbm(mask, layer, START, seed).weights[0] != w).all()


# What the second RBM learns


@pytest.mark.parametrize("up", [1.0, 2.0])
def test_sampled_hidden_data_by_hand(up, backend):
    rbm, cases = by_hand.machine((5, 7), seed=29), by_hand.patterns(11, 5, seed=31)
    found = by_hand.on_host(backend, pretraining.hidden_data(rbm, cases, "sampled", up, KEY, backend))
    assert found.dtype == np.uint8 and found.shape == (11, 7)
    chain_of = _with_gains(up, 1.0)
    for c, case in enumerate(cases):
        chain = chain_of(rbm.weights[0].astype(float), *(b.astype(float) for b in rbm.biases), KEY, c)
        assert found[c].tolist() == chain.draw(chain.hidden_probability(case.tolist()), 0, layer=1)


@pytest.mark.parametrize("up", [1.0, 2.0])
def test_sampled_hidden_data_have_the_right_mean(up, backend):
    rbm, n = by_hand.machine((5, 7), seed=37), by_hand.enough(backend, 10_007)
    case = by_hand.patterns(1, 5, seed=41)
    p = 1 / (1 + np.exp(-up * (case[0] @ rbm.weights[0].astype(float) + rbm.biases[1])))
    found = by_hand.on_host(
        backend, pretraining.hidden_data(rbm, np.repeat(case, n, axis=0), "sampled", up, KEY, backend)
    )
    by_hand.assert_within_standard_errors(found.mean(axis=0), p, np.sqrt(p * (1 - p) / n))


@pytest.mark.parametrize("up", [1.0, 2.0])
def test_reconstructed_hidden_data_by_hand(up, backend):
    rbm, cases = by_hand.machine((5, 7), seed=43), by_hand.patterns(53, 5, seed=47)
    found = by_hand.on_host(backend, pretraining.hidden_data(rbm, cases, "reconstructed", up, KEY, backend))
    assert found.dtype == np.uint8 and found.shape == (53, 7)
    chain_of = _with_gains(up, 1.0)
    for c, case in enumerate(cases):
        chain = chain_of(rbm.weights[0].astype(float), *(b.astype(float) for b in rbm.biases), KEY, c)
        h = chain.draw(chain.hidden_probability(case.tolist()), 0, layer=1)
        v = chain.draw(chain.visible_probability(h), 0, layer=0)
        assert found[c].tolist() == chain.draw(chain.hidden_probability(v), 1, layer=1)


@pytest.mark.parametrize("up", [1.0, 2.0])
def test_reconstructed_hidden_data_have_the_right_mean(up, backend):
    """The mean of h' over h and v', both summed out; a unit below 1/2 is on now and then."""
    rbm, n = by_hand.machine((5, 7), seed=59), by_hand.enough(backend, 10_007)
    case = by_hand.patterns(1, 5, seed=61)
    weights, visible_bias, hidden_bias = rbm.weights[0].astype(float), *(b.astype(float) for b in rbm.biases)
    hidden, visible = (np.array(list(np.ndindex(*(2,) * size)), dtype=float) for size in (7, 5))

    def chance(states, probability):
        return np.prod(np.where(states == 1, probability, 1 - probability), axis=-1)

    up_from = 1 / (1 + np.exp(-up * (case[0] @ weights + hidden_bias)))
    down_from = 1 / (1 + np.exp(-(hidden @ weights.T + visible_bias)))
    of_visible = chance(hidden, up_from) @ chance(visible[None], down_from[:, None])
    p = of_visible @ (1 / (1 + np.exp(-up * (visible @ weights + hidden_bias))))
    found = by_hand.on_host(
        backend, pretraining.hidden_data(rbm, np.repeat(case, n, axis=0), "reconstructed", up, KEY, backend)
    )
    by_hand.assert_within_standard_errors(found.mean(axis=0), p, np.sqrt(p * (1 - p) / n))


# Stacking


def test_the_bias_of_a_shared_layer_is_the_mean_of_both():
    lower, middle, upper = (by_hand.machine(s, seed=53 + s[0], density=0.7) for s in ((3, 5), (5, 7), (7, 2)))
    machine = pretraining.stack([lower, middle, upper])
    assert machine.layer_sizes == (3, 5, 7, 2)
    for layer, rbm in enumerate((lower, middle, upper)):
        assert machine.weights[layer].tobytes() == rbm.weights[0].tobytes()
        assert np.array_equal(machine.masks[layer], rbm.masks[0])
    assert np.array_equal(machine.biases[0], lower.biases[0]) and np.array_equal(machine.biases[3], upper.biases[1])
    np.testing.assert_allclose(machine.biases[1], (lower.biases[1] + middle.biases[0]) / 2, rtol=1e-6)
    np.testing.assert_allclose(machine.biases[2], (middle.biases[1] + upper.biases[0]) / 2, rtol=1e-6)
    assert all(bias.dtype == np.float32 for bias in machine.biases)


def test_rbms_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="cannot stack an RBM of 7 on one of 5 units"):
        pretraining.stack([by_hand.machine((3, 5), 1), by_hand.machine((7, 2), 1)])


# The whole


def _cases(n=31):
    return by_hand.patterns(n, 15, seed=59)


def _rbms(seed, masks=None, start=START):
    """Of a seed, before training."""
    return [pretraining.layer_rbm(mask, layer, start, seed) for layer, mask in enumerate(masks or _masks())]


def _runs(backend, progress):
    return [training.Run(backend, progress)] * 2


def _pretrain(backend, progress, seed=3, n_chains=7, cases=None, **changed):
    cases = _cases() if cases is None else cases
    return pretraining.pretrain([_rbms(seed)], cases, _settings(**changed), n_chains, [seed], _runs(backend, progress))[
        0
    ]


class Spy(reference.Backend):
    """Notes what each call of cd_epoch is given."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def cd_epoch(self, machines, velocities, keys, cases, epoch, report):
        self.seen.append((machines[0].layer_sizes, cases[0].copy(), epoch, keys[0]))
        return super().cd_epoch(machines, velocities, keys, cases, epoch, report)


@pytest.mark.parametrize("second_data", ["sampled", "reconstructed"])
@pytest.mark.parametrize("doubled", [False, True])
def test_pretraining_is_its_steps_one_after_the_other(second_data, doubled, backend, progress):
    settings = _settings(second_data=second_data, doubled_inputs=doubled)
    machine, chains = _pretrain(backend, progress, second_data=second_data, doubled_inputs=doubled)
    gains = [(2.0, 1.0), (1.0, 2.0)] if doubled else [(1.0, 1.0)] * 2
    layers, rbms = [_cases()], []
    for layer, mask in enumerate(_masks()):
        rbm = pretraining.layer_rbm(mask, layer, START, 3)
        key, steps = streams.fork(3, "pre-training", layer), (settings.first, settings.second)[layer]
        rbms += training.train([rbm], layers[-1], steps, [key], training.Run(backend, progress, ["x"]), gains[layer])
        key = streams.fork(3, "hidden data", layer)
        layers.append(
            by_hand.on_host(
                backend, pretraining.hidden_data(rbms[-1], layers[-1], second_data, gains[layer][0], key, backend)
            )
        )
    for a, b in zip(_arrays(machine), _arrays(pretraining.stack(rbms))):
        assert a.tobytes() == b.tobytes()
    assert all(np.array_equal(chain, layer[:7]) for chain, layer in zip(chains, layers, strict=True))
    assert all(chain.dtype == np.uint8 for chain in chains)
    assert (machine.weights[0][~_masks()[0]] == 0).all() and np.array_equal(machine.masks[0], _masks()[0])


@pytest.mark.parametrize(("doubled", "expected"), [(True, [(2, 1)] * 2 + [(1, 2)] * 2), (False, [(1, 1)] * 4)])
def test_each_rbm_has_its_own_schedule_gains_and_stream(doubled, expected, progress):
    spy = Spy()
    _pretrain(spy, progress, doubled_inputs=doubled)
    sizes, cases, epochs, keys = zip(*spy.seen)
    assert list(sizes) == [(15, 15)] * 2 + [(15, 7)] * 2
    assert [(e.up, e.down) for e in epochs] == expected
    assert [e.learning_rate for e in epochs] == pytest.approx([0.2, 0.1, 0.3, 0.2])
    assert np.array_equal(cases[0], _cases()) and not np.array_equal(cases[2], _cases())
    assert keys[0] == keys[1] and keys[2] == keys[3] and keys[0] != keys[2]
    assert progress.done == 4 * 31


def test_more_chains_than_cases_start_at_the_first_again(progress):
    _, chains = _pretrain(CPU, progress, n_chains=71)
    assert [chain.shape for chain in chains] == [(71, 15), (71, 15), (71, 7)]
    assert np.array_equal(chains[0], _cases()[np.arange(71) % 31])
    few = _pretrain(CPU, progress, n_chains=5)[1]
    assert all(np.array_equal(a[:5], b) for a, b in zip(chains, few))
    assert all(np.array_equal(chain[:9], chain[62:]) for chain in chains)


def test_seeds_do_not_depend_on_their_company_and_differ(backend, progress):
    alone = {seed: _pretrain(backend, progress, seed=seed) for seed in (3, 4)}
    together = pretraining.pretrain([_rbms(4), _rbms(3)], _cases(), _settings(), 7, [4, 3], _runs(backend, progress))
    for seed, (machine, chains) in zip((4, 3), together, strict=True):
        assert all(a.tobytes() == b.tobytes() for a, b in zip(_arrays(machine), _arrays(alone[seed][0])))
        assert all(np.array_equal(a, b) for a, b in zip(chains, alone[seed][1]))
    exists = _masks()[0]
    assert (alone[3][0].weights[0][exists] != alone[4][0].weights[0][exists]).all()
    assert (alone[3][0].weights[1] != alone[4][0].weights[1]).all()
    assert not np.array_equal(alone[3][1][1], alone[4][1][1])


def test_the_rbm_that_failed_is_named(progress):
    second = SecondRbm(n_epochs=2, learning_rate=[1e300, 1e300], momentum_rule="classical")
    with pytest.raises(TrainingError, match=r"^pretrain, RBM 2, seed 3: "), np.errstate(all="ignore"):
        _pretrain(REFERENCE, progress, second=second)


def test_pretraining_learns(progress):
    """The first RBM alone gives patterns of the data a higher probability than before."""
    from boltzprune.sampling import exact

    patterns = np.array([[1, 1, 0, 0, 0], [0, 0, 1, 1, 1]], dtype=np.uint8)[np.arange(101) % 2]
    masks, start = [np.ones((5, 7), bool), np.ones((7, 3), bool)], START.model_copy(update={"n_hidden": [7, 3]})
    steps = RbmTraining(n_epochs=10, learning_rate=[0.2, 0.05], momentum_rule="classical")
    settings = PreTraining(first=steps, second=SecondRbm(**steps.model_dump()))
    [(machine, _)] = pretraining.pretrain([_rbms(3, masks, start)], patterns, settings, 7, [3], _runs(CPU, progress))
    before = pretraining.layer_rbm(masks[0], 0, start, 3)
    after = BoltzmannMachine(machine.weights[:1], machine.biases[:2], machine.masks[:1])
    codes = patterns @ np.array([16, 8, 4, 2, 1])
    a, b = (exact.visible_log_probabilities(m)[codes].mean() for m in (before, after))
    assert b > a + 1.5
