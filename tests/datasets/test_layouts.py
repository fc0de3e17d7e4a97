"""Arrays whose axes are in another order: refused with the remedy, which works, and with a way out."""

from types import SimpleNamespace

import numpy as np
import pytest

from boltzprune.datasets import LABELLED_SOURCES, SOURCES, layouts
from boltzprune.errors import InputError

RNG = np.random.default_rng(89)


@pytest.fixture
def read(tmp_path):
    """Saves arrays and reads them as patches, or as digits if they have labels."""

    def through_file(**named):
        path = tmp_path / "mine.npz"
        np.savez_compressed(path, **named)
        source = LABELLED_SOURCES["npz"] if "labels" in named else SOURCES["npz"]
        wanted = SimpleNamespace(file=str(path), n_classes=3, seed=7)
        return source.read(source.locate(wanted), wanted)

    return through_file


def random(*shape):
    return RNG.integers(0, 256, shape, dtype=np.uint8)


WRONG = [
    ((31, 3, 17, 19), r"3 is rather the number of channels.*numpy\.moveaxis\(images, 1, -1\)", (31, 17, 19, 3)),
    ((31, 1, 17, 19), r"1 is rather the number of channels.*numpy\.moveaxis\(images, 1, -1\)", (31, 17, 19, 1)),
    ((17, 19, 3, 101), r"101 is rather the number of images.*numpy\.moveaxis\(images, -1, 0\)", (101, 17, 19, 3)),
    ((17, 17, 101), r"101 images of 17 x 17, store numpy\.moveaxis\(images, -1, 0\)", (101, 17, 17)),
    ((13, 17, 1009), r"1009 images of 13 x 17, store numpy\.moveaxis\(images, -1, 0\)", (1009, 13, 17)),
    ((37, 41, 3), r"one image of 37 x 41 pixels and 3 channels store images\[None\]", (1, 37, 41, 3)),
]


@pytest.mark.parametrize(("shape", "message", "right"), WRONG)
def test_axes_in_another_order_are_refused_and_the_remedy_works(read, shape, message, right):
    images = random(*shape)
    with pytest.raises(InputError, match=r"mine\.npz: images has the shape \(.*\); expected \(n, height.*" + message):
        read(images=images)
    remedy = message.rpartition("store ")[2] if "store" in message else message.rpartition(".*")[2]
    turned = eval(remedy.replace("\\", ""), {"numpy": np, "images": images})
    assert turned.shape == right
    np.testing.assert_array_equal(read(images=turned).images[0], turned.reshape(*right[:3], -1))


@pytest.mark.parametrize(
    "shape",
    [(5, 3, 1009), (17, 17, 101), (1009, 784, 1), (3, 2, 331), (101, 331, 5), (37, 41, 3), (1, 997, 13)],
)
def test_an_axis_of_one_channel_says_that_all_is_meant(read, shape):
    images = random(*shape)
    np.testing.assert_array_equal(read(images=images[..., None]).images[0], images[..., None])


RIGHT = [
    *((1, 427, 640, 3), (2, 427, 640), (31, 17, 19), (17, 17, 17), (64, 64, 128), (101, 3, 5), (3, 17, 19)),
    *((7, 100, 3100), (5, 32, 32, 13), (31, 4, 4, 4), (11, 3, 19, 2), (3, 145, 149, 220), (2, 23, 700, 3)),
]


@pytest.mark.parametrize("shape", RIGHT)
def test_what_can_be_meant_is_accepted(shape):
    layouts.check_images(shape, "images")


@pytest.mark.parametrize("shape", [(3, 31, 37, 5003), (32, 32, 5003, 3), (3, 5003, 32, 32)])
def test_channels_and_sides_out_of_proportion_are_refused(shape):
    with pytest.raises(InputError, match=r"hardly meant: put the axes in this order with numpy\.transpose"):
        layouts.check_images(shape, "images")
    layouts.check_images((*shape[:3], 1), "images")


def test_a_raster_of_spikes_with_a_row_for_each_unit_is_refused(read):
    raster = RNG.random((11, 113)) < 0.3
    with pytest.raises(InputError, match=r"patterns has the shape \(11, 113\).*11 patterns of 113 units.*patterns\.T"):
        read(patterns=raster)
    assert read(patterns=raster.T).patterns.shape == (113, 11)
    assert read(patterns=raster[:, :110]).patterns.shape == (11, 110)


def test_a_number_beside_the_patterns_says_how_many_units_there_are(read):
    raster = RNG.random((11, 113)) < 0.3
    np.testing.assert_array_equal(read(patterns=raster, n_visible=113).patterns, raster)
    np.testing.assert_array_equal(read(patterns=raster.T, n_visible=np.uint8(11)).patterns, raster.T)
    with pytest.raises(
        InputError, match=r"shape \(11, 113\) and n_visible .* is 11; expected \(n, 11\): store patterns"
    ):
        read(patterns=raster, n_visible=11)
    with pytest.raises(InputError, match=r"n_visible in the same file is 12; expected \(n, 12\): correct one"):
        read(patterns=raster, n_visible=12)
    for wrong in (113.0, [113], True):
        with pytest.raises(InputError, match=r"n_visible has the shape .* expected one integer, the number of units"):
            read(patterns=raster, n_visible=wrong)


def test_patterns_that_are_images_are_refused(read):
    with pytest.raises(InputError, match=r"shape \(31, 5, 7\).*store patterns\.reshape\(len\(patterns\), -1\)"):
        read(patterns=RNG.random((31, 5, 7)) < 0.3)


LABELS = np.arange(31) % 3
DIGITS = [
    ((5, 7, 31), r"31 labels, so the images are along the last axis: numpy\.moveaxis\(images, -1, 0\)"),
    ((31, 35), r"store images\.reshape\(len\(images\), height, width\)"),
    ((31, 5, 7, 1), r"store images\[\.\.\., 0\]"),
    ((31, 1, 5, 7), r"store images\[:, 0\]"),
    ((31, 5, 7, 3), r"no colours: store images\.mean\(axis=-1\)"),
    ((31, 3, 5, 7), r"no colours: store images\.mean\(axis=1\)"),
]


@pytest.mark.parametrize(("shape", "message"), DIGITS)
def test_digits_in_another_order_are_refused(read, shape, message):
    with pytest.raises(InputError, match=r"images has the shape .*; expected \(n, height, width\), .*" + message):
        read(images=random(*shape), labels=LABELS)


def test_the_number_of_labels_tells_which_axis_counts_the_images(read):
    for shape in ((31, 31, 7), (31, 5, 31), (31, 3, 997)):
        images = random(*shape)
        found = read(images=images, labels=LABELS)
        assert len(found.train_images) + len(found.test_images) == 31
        assert found.train_images.shape[1:] == shape[1:]


def test_names_of_arrays_are_told(read, tmp_path):
    with pytest.raises(InputError, match=r"\['arr_0'\]; expected one of patterns and images.*arr_0 .* without a name"):
        read(arr_0=random(5, 7))
    with pytest.raises(InputError, match=r"\['arr_0', 'labels'\]; expected images and labels.*without a name"):
        read(arr_0=random(5, 7), labels=LABELS)
    np.save(tmp_path / "one.npy", random(5, 7))
    with pytest.raises(InputError, match=r"one\.npy cannot be read as an \.npz .*: it is an \.npy file, one array"):
        SOURCES["npz"].read([tmp_path / "one.npy"], None)
