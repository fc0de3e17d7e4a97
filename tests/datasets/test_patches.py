"""From images to patterns: each step against a slow version written from its definition."""

import itertools
import math
import statistics

import numpy as np
import pytest

from boltzprune.core import streams
from boltzprune.datasets import SOURCES, Raw, binary, patches
from boltzprune.errors import InputError


@pytest.mark.parametrize(
    ("radius", "n"), [(0, 1), (0.9, 1), (1, 5), (1.4, 5), (2**0.5, 9), (2, 13), (2.1, 13), (3, 29)]
)
def test_a_circle_has_the_pixels_within_its_radius(radius, n):
    offsets = patches.circle_offsets(radius)
    reach = range(-math.ceil(radius), math.ceil(radius) + 1)
    expected = [(dy, dx) for dy in reach for dx in reach if math.sqrt(dx * dx + dy * dy) <= radius]
    assert [tuple(pair) for pair in offsets.tolist()] == expected and len(expected) == n


def test_the_sum_of_the_channels_does_not_overflow():
    white = np.full((2, 3, 5, 257), 255, dtype=np.uint8)
    assert (binary.grey(white) == 257 * 255).all() and binary.grey(white).dtype == np.uint16
    assert (binary.grey(np.full((2, 3, 5, 300), 255, dtype=np.uint8)) == 300 * 255).all()
    assert (binary.grey(np.full((2, 3, 5, 3), -(2**31), dtype=np.int32)) == -3 * 2**31).all()
    assert binary.grey(np.full((2, 3, 5, 3), 60000, dtype=np.float16))[0, 0, 0] == 3 * 60000


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
@pytest.mark.parametrize("n_more", [0, 1])
def test_the_global_median_is_the_median_of_all_pixels(dtype, n_more, monkeypatch):
    monkeypatch.setattr(binary, "CHUNK", 7)
    rng = np.random.default_rng(11)
    stacks = [rng.integers(3, 90, (1, 5, 7 + n_more)).astype(dtype), rng.integers(50, 99, (3, 2, 11)).astype(dtype)]
    if dtype == np.int16:
        stacks = [stack - np.int16(60) for stack in stacks]
    values = [float(value) for stack in stacks for value in stack.ravel()]
    assert binary.global_median(stacks) == statistics.median(values)


def test_the_median_between_two_values_and_of_a_wide_range():
    assert binary.global_median([np.array([[[1, 2]]]), np.array([[[7, 4]]])]) == 3.0
    assert binary.global_median([np.array([[[1, 2**40, 2**50]]])]) == 2.0**40


@pytest.mark.parametrize("median", ["global", "image"])
@pytest.mark.parametrize("at_median", [0, 1])
def test_pixels_above_below_and_at_the_median(median, at_median, monkeypatch):
    monkeypatch.setattr(binary, "CHUNK", 40)
    rng = np.random.default_rng(13)
    stacks = [rng.integers(0, 7, (3, 5, 5)).astype(np.uint16), rng.integers(2, 9, (2, 3, 7)).astype(np.uint16)]
    everything = statistics.median(int(value) for stack in stacks for value in stack.ravel())
    n_equal = 0
    for stack, result in zip(stacks, binary.binarise(stacks, median, at_median)):
        assert result.dtype == np.uint8 and result.shape == stack.shape
        for image, states in zip(stack, result):
            threshold = everything if median == "global" else statistics.median(image.ravel().tolist())
            for value, state in zip(image.ravel().tolist(), states.ravel().tolist()):
                n_equal += value == threshold
                assert state == (1 if value > threshold else 0 if value < threshold else at_median)
    assert n_equal > 3


@pytest.mark.parametrize("median", ["global", "image"])
@pytest.mark.parametrize("at_median", [0, 1])
def test_of_two_values_the_higher_is_1_wherever_the_median_is(median, at_median, monkeypatch):
    monkeypatch.setattr(binary, "CHUNK", 7)
    ones = np.random.default_rng(31).random((3, 5, 7)) < 0.3
    ones[1] = False
    for low, high in ((0, 1), (0, 200), (-2.5, 0.25)):
        stacks = [np.where(part, high, low) for part in (ones[:2], ones[2:])]
        for found, part in zip(binary.binarise(stacks, median, at_median), (ones[:2], ones[2:])):
            assert found.dtype == np.uint8
            np.testing.assert_array_equal(found, part)
    stacks[1][0, 4, 6] = 0.125  # a third value, the very last
    assert binary.two_values(stacks) is None


def test_unknown_medians_are_refused():
    for median, at_median in [("row", 1), ("global", 2)]:
        with pytest.raises(ValueError, match="expected 'global' or 'image', 0 or 1"):
            binary.binarise([np.zeros((1, 2, 3))], median, at_median)


@pytest.mark.parametrize(
    ("height", "width", "radius", "n"),
    [
        (32, 32, 2.1, 36),
        (17, 23, 2.1, 12),
        (5, 5, 2.9, 1),
        (5, 9, 2, 1),
        (10, 5, 2, 2),
        (3, 2, 0.5, 6),
        (427, 640, 2.1, 10880),
    ],
)
def test_tiles_cover_the_image_from_its_corner_without_overlap(height, width, radius, n):
    reach = math.floor(radius)
    centres = patches.tile_centres(height, width, radius)
    assert len(centres) == n and centres[0].tolist() == [reach, reach]
    covered = np.zeros((height, width), dtype=int)
    for y, x in centres:
        assert min(y, x) - reach >= 0 and y + reach < height and x + reach < width
        covered[y - reach : y + reach + 1, x - reach : x + reach + 1] += 1
    side = 2 * reach + 1
    assert (covered[: height // side * side, : width // side * side] == 1).all() and covered.sum() == n * side**2
    assert [tuple(c) for c in centres.tolist()] == sorted(map(tuple, centres.tolist()))


@pytest.mark.parametrize(("height", "width"), [(4, 32), (32, 4)])
def test_a_radius_that_does_not_fit_is_refused(height, width):
    with pytest.raises(InputError, match=rf"patches\.data\.radius is 2\.1: .*{height} x {width}; expected .* below 2"):
        patches.tile_centres(height, width, 2.1)


def test_the_largest_radius_named_fits():
    for side in range(1, 12):
        limit = (side + 1) // 2
        assert len(patches.tile_centres(side, side, limit - 1e-9)) >= 1
        with pytest.raises(InputError):
            patches.tile_centres(side, side, limit)


def _slow_cut(stack, radius):
    """Every patch, pixel by pixel."""
    reach, side = math.floor(radius), 2 * math.floor(radius) + 1
    patterns = []
    for image in stack:
        for top, left in itertools.product(
            range(0, image.shape[0] - side + 1, side), range(0, image.shape[1] - side + 1, side)
        ):
            pattern = []
            for row, column in itertools.product(range(side), range(side)):
                if math.hypot(row - reach, column - reach) <= radius:
                    pattern.append(int(image[top + row, left + column]))
            patterns.append(pattern)
    return patterns


@pytest.mark.parametrize("radius", [0, 1.5, 2.1, 3.2])
def test_patches_are_cut_where_they_are(radius):
    stack = np.random.default_rng(17).integers(0, 2, (3, 17, 23), dtype=np.uint8)
    states = patches.cut(stack, patches.circle_offsets(radius), patches.tile_centres(17, 23, radius))
    assert states.tolist() == _slow_cut(stack, radius) and states.dtype == np.uint8


def test_a_patch_keeps_rows_and_columns_apart():
    stack = np.zeros((1, 5, 5), dtype=np.uint8)
    stack[0, 2, :] = 1  # a horizontal line: the middle row of the circle, five pixels in the middle of thirteen
    states = patches.cut(stack, patches.circle_offsets(2.1), patches.tile_centres(5, 5, 2.1))
    assert states.tolist() == [[0, 0, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0, 0]]


def test_the_choice_is_the_start_of_a_random_order():
    chosen = patches.choose(101, 43, 7)
    assert chosen.dtype == np.int64 and chosen.shape == (43,) and len(set(chosen.tolist())) == 43
    assert chosen.min() >= 0 and chosen.max() < 101
    order = streams.permutation(streams.fork(7, "choice of patterns"), 101)
    np.testing.assert_array_equal(chosen, order[:43])
    np.testing.assert_array_equal(patches.choose(101, 17, 7), chosen[:17])
    assert not np.array_equal(patches.choose(101, 43, 8), chosen)
    assert sorted(patches.choose(101, 101, 7).tolist()) == list(range(101))


@pytest.mark.parametrize("n", [0, 102])
def test_more_patterns_than_there_are_are_refused(n):
    with pytest.raises(InputError, match=rf"patches\.data\.n_patterns is {n}, but the data hold 101 patterns"):
        patches.choose(101, n, 7)


@pytest.mark.parametrize("median", ["global", "image"])
def test_prepare_is_cut_and_choose_of_everything(images, settings, median):
    wanted = settings(n_patterns=41, median=median, at_median=0)
    prepared = patches.prepare(Raw(images=images, notes=["from somewhere"]), wanted)
    stacks = binary.binarise([image.astype(int).sum(axis=-1) for image in images], median, 0)
    everything = np.array([pattern for stack in stacks for pattern in _slow_cut(stack, 2.1)])
    assert len(everything) == 3 * 3 * 4 + 5 * 3 * 2
    np.testing.assert_array_equal(prepared.states, everything[patches.choose(len(everything), 41, 7)])
    np.testing.assert_array_equal(prepared.offsets, patches.circle_offsets(2.1))
    assert prepared.states.dtype == np.uint8 and prepared.notes[0] == "from somewhere"
    assert prepared.counts == {
        "images": 8,
        "patches_available": 66,
        "patterns": 41,
        "distinct_patterns": len({tuple(state) for state in prepared.states.tolist()}),
        "constant_pixels": sum(len(set(column)) == 1 for column in prepared.states.T.tolist()),
    }


def test_prepare_takes_patterns_as_they_are(settings):
    patterns = np.random.default_rng(19).integers(0, 2, (47, 11), dtype=np.uint8)
    patterns[:, [2, 7]] = [0, 1]
    prepared = patches.prepare(Raw(patterns=patterns), settings(n_patterns=43, radius=99.0))
    np.testing.assert_array_equal(prepared.states, patterns[patches.choose(47, 43, 7)])
    assert prepared.offsets is None and prepared.example == {}
    assert prepared.counts["images"] == 0 and prepared.counts["patches_available"] == 47
    assert prepared.counts["constant_pixels"] == 2
    assert prepared.notes == ["2 of 11 pixels are the same in all 43 patterns: 2, 7"]
    assert prepared.counts["distinct_patterns"] == len({tuple(state) for state in prepared.states.tolist()})


def test_data_in_which_nothing_differs_are_refused(settings):
    with pytest.raises(InputError, match=r"all 31 patterns \(patches\.data\.n_patterns\) are the same"):
        patches.prepare(Raw(patterns=np.ones((37, 5), dtype=np.uint8)), settings())
    for at_median in (0, 1):
        plain = Raw(images=[np.full((5, 17, 19, 3), 7, dtype=np.uint8)])
        with pytest.raises(InputError, match=rf"all pixels of all images are {at_median} .* all have the value 21, so"):
            patches.prepare(plain, settings(at_median=at_median))
    part = np.zeros((5, 17, 19, 1), dtype=np.uint8)
    part[4, 16, 18] = 1  # where no patch reaches
    with pytest.raises(InputError, match=r"all 31 patterns .* use more of them or other data"):
        patches.prepare(Raw(images=[part]), settings())


@pytest.mark.parametrize("at_median", [0, 1])
def test_images_whose_median_is_their_lowest_or_highest_value_are_noted(settings, at_median):
    images = np.random.default_rng(29).integers(2, 90, (7, 17, 19, 1))
    images[[2, 5], :9] = 0 if at_median else 99  # more than half of them
    raw = Raw(images=[images[:4], images[4:]])
    found = patches.prepare(raw, settings(median="image", at_median=at_median)).notes[0]
    assert found.startswith("2 of 7 images have one value in all pixels when binarised, whose median is its lowest or")
    assert not any("one value in all" in note for note in patches.prepare(raw, settings(at_median=at_median)).notes)


def test_errors_of_the_steps_reach_the_user(images, settings):
    with pytest.raises(InputError, match=r"patches\.data\.radius is 7\.0"):
        patches.prepare(Raw(images=images), settings(radius=7.0))
    with pytest.raises(InputError, match=r"patches\.data\.n_patterns is 67, but the data hold 66"):
        patches.prepare(Raw(images=images), settings(n_patterns=67))


def test_the_photographs_give_patterns(settings):
    source = SOURCES["sample_images"]
    prepared = patches.prepare(source.read(source.locate(settings()), settings()), settings(n_patterns=20011))
    assert prepared.states.shape == (20011, 13) and prepared.counts["patches_available"] == 2 * 85 * 128
    assert 0.45 < prepared.states.mean() < 0.55


@pytest.mark.data
def test_the_real_images_give_patterns(settings, real_cifar):
    source, wanted = SOURCES["cifar10"], settings(directory=real_cifar, n_patterns=90000)
    raw = source.read(source.locate(wanted), wanted)
    prepared = patches.prepare(raw, wanted)
    assert prepared.counts["patches_available"] == 36 * prepared.counts["images"]
    assert prepared.states.shape == (90000, 13) and prepared.counts["constant_pixels"] == 0
    assert 0.49 < prepared.states.mean() < 0.52
    same = (prepared.states[:, 5] == prepared.states[:, 6]).mean()
    assert same > 0.85  # neighbours in natural images agree
    stacks = binary.binarise([binary.grey(stack) for stack in raw.images], "global", 1)
    centres = patches.tile_centres(32, 32, 2.1)
    everything = np.concatenate([patches.cut(stack, prepared.offsets, centres) for stack in stacks])
    np.testing.assert_array_equal(prepared.states, everything[patches.choose(len(everything), 90000, 7)])
