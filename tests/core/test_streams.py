"""Random numbers: Philox against its published vectors, and what a draw may and may not depend on."""

import ast
from pathlib import Path

import numpy as np
import pytest
from numba import njit
from scipy.stats import chisquare, kstest

import boltzprune
from boltzprune.backend.cpu import arithmetic
from boltzprune.core import streams
from boltzprune.errors import InputError

VECTORS = [
    (
        (0, 0, 0, 0),
        (0, 0),
        (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8),
    ),
    (
        (0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF),
        (0xFFFFFFFF, 0xFFFFFFFF),
        (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
    ),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]
"""Counter, key and words published with Random123 for philox4x32-10."""
KEY = np.uint64(0x0123_4567_89AB_CDEF)


@njit
def _compiled_philox(c0, c1, c2, c3, k0, k1):
    return arithmetic.philox(c0, c1, c2, c3, k0, k1)


@pytest.mark.parametrize(("counter", "key", "expected"), VECTORS)
def test_philox_gives_the_published_vectors(counter, key, expected):
    found = streams.philox4x32(counter, np.uint64(key[1] << 32 | key[0]))
    assert tuple(int(word) for word in found) == expected
    assert _compiled_philox(*map(np.uint32, (*counter, *key))) == expected


@pytest.mark.parametrize("n_units", [1, 3, 4, 5, 13, 31, 70])
@pytest.mark.parametrize(("step", "layer", "chain"), [(0, 0, 0), (1, 0, 2), (17, 1, 0), (2**31 + 11, 2, 2**32 - 1)])
def test_compiled_and_array_numbers_are_the_same_bits(n_units, step, layer, chain):
    blocks, layers, (first, second) = arithmetic.blocks_for((layer, n_units), (layer + 1, 7))
    assert len(blocks) == len(layers) and len(blocks) % arithmetic.BLOCKS_TOGETHER == 0
    out = np.full(4 * len(blocks), np.nan, dtype=np.float32)
    k0, k1 = np.uint32(int(KEY) & 0xFFFFFFFF), np.uint32(int(KEY) >> 32)
    arithmetic.fill_uniform(out, blocks, layers, chain, step, k0, k1)
    expected = streams.uniform(KEY, step, layer, [chain], n_units)[0]
    assert out[first : first + n_units].tobytes() == expected.tobytes()
    assert out[second : second + 7].tobytes() == streams.uniform(KEY, step, layer + 1, [chain], 7)[0].tobytes()


def test_a_draw_is_the_word_that_its_counter_says():
    drawn = streams.uniform(KEY, 5, 1, [3, 11], 7)
    for row, chain in enumerate((3, 11)):
        for unit in range(7):
            word = streams.philox4x32((unit // 4, chain, 5, 1), KEY)[unit % 4]
            assert drawn[row, unit] == np.float32((int(word) >> 8) / 2**24)


def test_uniform_numbers_lie_in_zero_to_one_without_one(monkeypatch):
    drawn = streams.uniform(KEY, 2, 1, np.arange(13), 1009)
    assert drawn.dtype == np.float32 and drawn.shape == (13, 1009)
    assert (drawn >= 0).all() and (drawn < 1).all()
    assert (drawn * 2.0**24 % 1 == 0).all()
    for word, expected in ((0, 0.0), (0xFFFFFFFF, 1 - 2.0**-24), (0xFF, 0.0), (0x100, 2.0**-24)):
        monkeypatch.setattr(streams, "words", lambda *_, word=word: np.full((1, 1), word, dtype=np.uint64))
        assert streams.uniform(KEY, 0, 0, [0], 1)[0, 0] == expected


def test_a_draw_does_not_depend_on_the_units_and_chains_asked_for():
    everything = streams.uniform(KEY, 3, 0, np.arange(17), 13)
    for n_units in (1, 2, 3, 4, 5, 7, 11):
        assert (streams.uniform(KEY, 3, 0, np.arange(17), n_units) == everything[:, :n_units]).all()
    assert (streams.uniform(KEY, 3, 0, [5, 2, 16], 13) == everything[[5, 2, 16]]).all()
    assert streams.uniform(KEY, 3, 0, np.zeros(0, dtype=int), 13).shape == (0, 13)


def test_a_draw_depends_on_key_step_layer_and_chain():
    calls = [(KEY, 3, 0, [2]), (KEY ^ np.uint64(1), 3, 0, [2]), (KEY ^ np.uint64(1 << 40), 3, 0, [2])]
    calls += [(KEY, 4, 0, [2]), (KEY, 3, 1, [2]), (KEY, 3, 0, [3]), (KEY, 0, 3, [2]), (KEY, 2, 0, [3])]
    drawn = np.concatenate([streams.uniform(*call, 11) for call in calls])
    assert len(np.unique(drawn)) == drawn.size


def test_fork_differs_in_every_argument():
    calls = [(seed, purpose) for seed in (0, 1, 12, 123) for purpose in streams.PURPOSES]
    calls += [(1, "training", 23), (12, "training", 3), (123, "training", 0), (1, "training", 2, 3)]
    calls += [(1, "training", 3, 2), (1, "training", 3)]
    keys = {streams.fork(*call) for call in calls}
    assert len(keys) == len(calls) and all(isinstance(key, np.uint64) for key in keys)
    assert streams.fork(np.int64(7), "samples", np.int32(2)) == streams.fork(7, "samples", 2)


def test_fork_is_frozen():
    # Another value here changes every number that was ever computed from a seed.
    assert streams.fork(0, "training") == np.uint64(0xC5B01AA87B654D5A)
    assert streams.fork(3, "samples", 2) == np.uint64(0x997E3592467419AE)


@pytest.mark.parametrize("purpose", ["", None, 3, "training|1"])
def test_what_is_no_purpose_is_refused(purpose):
    """fork(2, "training|1") would otherwise be fork(1, "training", 2)."""
    with pytest.raises(InputError, match="expected what the random numbers are for, a text without"):
        streams.fork(0, purpose)


def test_the_package_names_every_purpose_in_one_list():
    used = set()
    for path in Path(boltzprune.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) == "fork":
                assert isinstance(node.args[1], ast.Constant), f"{path}:{node.lineno}"
                used.add(node.args[1].value)
    assert used == set(streams.PURPOSES)


def test_doubles_lie_strictly_between_zero_and_one(monkeypatch):
    drawn = streams.uniform_double(KEY, 2, 1, np.arange(5), 1009)
    assert drawn.dtype == np.float64 and drawn.shape == (5, 1009)
    assert (drawn > 0).all() and (drawn < 1).all() and len(np.unique(drawn)) == drawn.size
    assert (streams.uniform_double(KEY, 2, 1, [3], 7) == drawn[3:4, :7]).all()
    for word, expected in ((0, 2.0**-53), (0xFFFFFFFF, 1 - 2.0**-53)):
        monkeypatch.setattr(streams, "words", lambda *_, word=word: np.full((1, 2), word, dtype=np.uint64))
        assert streams.uniform_double(KEY, 0, 0, [0], 1)[0, 0] == expected


def test_doubles_are_made_of_two_words_each():
    high, low = streams.words(KEY, 2, 1, [3], 14).reshape(7, 2).T
    expected = ((high.astype(float) * 2.0**20 + (low >> np.uint64(12)).astype(float)) + 0.5) / 2.0**52
    assert (streams.uniform_double(KEY, 2, 1, [3], 7)[0] == expected).all()


@pytest.mark.parametrize("n", [0, 1, 2, 17, 1009])
def test_a_permutation_has_everything_once(n):
    order = streams.permutation(KEY, n)
    assert order.dtype == np.int64 and sorted(order.tolist()) == list(range(n))
    if n > 2:
        assert (order != np.arange(n)).any() and (order != streams.permutation(KEY + np.uint64(1), n)).any()


def test_a_permutation_sorts_64_bit_words():
    words = [int(word) for word in streams.words(KEY, 0, 0, [0], 2 * 13)[0]]
    wide = [high << 32 | low for high, low in zip(words[0::2], words[1::2])]
    assert streams.permutation(KEY, 13).tolist() == sorted(range(13), key=wide.__getitem__)


def test_permutations_are_all_about_as_frequent():
    counts = {}
    for seed in range(1201):
        order = tuple(streams.permutation(streams.fork(seed, "ties"), 3).tolist())
        counts[order] = counts.get(order, 0) + 1
    assert len(counts) == 6 and chisquare(list(counts.values())).pvalue > 1e-3


def test_uniform_numbers_are_uniform_and_independent():
    drawn = streams.uniform(KEY, 7, 1, np.arange(257), 127)
    assert chisquare(np.bincount((drawn.ravel() * 61).astype(int), minlength=61)).pvalue > 1e-3
    assert kstest(streams.uniform_double(KEY, 7, 1, np.arange(61), 67).ravel(), "uniform").pvalue > 1e-3
    neighbours = [
        (drawn[:, :-1], drawn[:, 1:]),
        (drawn[:, :-4], drawn[:, 4:]),
        (drawn[:-1], drawn[1:]),
        (drawn, streams.uniform(KEY, 8, 1, np.arange(257), 127)),
        (drawn, streams.uniform(KEY, 7, 0, np.arange(257), 127)),
        (drawn, streams.uniform(KEY + np.uint64(1), 7, 1, np.arange(257), 127)),
    ]
    for a, b in neighbours:
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 5 / np.sqrt(a.size)
