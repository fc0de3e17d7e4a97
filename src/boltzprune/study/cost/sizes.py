"""The sizes of a study that decide how long its jobs take: of its data and of its machines before any pruning."""

import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from boltzprune.datasets import LABELLED_SOURCES, SOURCES
from boltzprune.datasets.patches import circle_offsets
from boltzprune.study.config import Digits, Patches, Study

VARIABLE = "BOLTZPRUNE_SIZES"
"""Environment variable in which a workflow tells its jobs the sizes of the study."""
ASKED, LINE = "BOLTZPRUNE_ASKS_SIZES", "sizes of the study: "
"""Where the first is set, the workflow prints a line that begins with the second."""
IMAGES_OF_A_BATCH = 10_000
"""Of CIFAR-10."""


@dataclass(frozen=True)
class Sizes:
    """Sizes of one experiment of a study, before any pruning.

    Attributes
    ----------
    pixels : int
        Of all images, training and test.
    n_cases, n_images, n_test : int
        Patterns or images that machines learn from, training images in all, test images.
    n_classes, n_chains : int
    layers : tuple of int
        Units, visible first.
    existing : tuple of int
        Weights of each weight layer that exist.
    """

    pixels: int
    n_cases: int
    n_images: int
    n_test: int
    n_classes: int
    n_chains: int
    layers: tuple[int, ...]
    existing: tuple[int, ...]

    @property
    def weights(self) -> tuple[int, ...]:
        """Weights of each weight layer, existing or not."""
        return tuple(lower * upper for lower, upper in zip(self.layers[:-1], self.layers[1:]))


def of_study(study: Study) -> dict[str, Sizes | None]:
    """Experiment -> its `Sizes`, or None where the size of the user's data is not known."""
    return {"patches": _patches(study.patches), "digits": _digits(study.digits)}


def as_text(found: Mapping[str, Sizes | None]) -> str:
    """Sizes of both experiments as one line."""
    return json.dumps({name: one and asdict(one) for name, one in found.items()})


def from_text(text: str) -> dict[str, Sizes | None]:
    """What `as_text` wrote."""
    values = json.loads(text)
    lists = ("layers", "existing")
    return {name: one and Sizes(**one | {key: tuple(one[key]) for key in lists}) for name, one in values.items()}


def told() -> dict[str, Sizes | None]:
    """The sizes that the workflow around this job told it: experiment -> `Sizes` or None; none without a workflow."""
    return from_text(os.environ.get(VARIABLE, "{}"))


def _patches(patches: Patches) -> Sizes | None:
    data, known = patches.data, SOURCES[patches.data.source].sizes(patches.data)
    if known.image is not None:
        n_images = IMAGES_OF_A_BATCH * len(data.batches) if data.source == "cifar10" else known.n_images or 0
        n_visible, pixels = len(circle_offsets(data.radius)), n_images * math.prod(known.image)
    elif known.n_units is not None and known.n_patterns is not None:
        n_visible, pixels = known.n_units, known.n_patterns * known.n_units
    else:
        return None
    layers, n = (n_visible, patches.machine.n_hidden), data.n_patterns
    return Sizes(pixels, n, n, 0, 0, 0, layers, (math.prod(layers),))


def _digits(digits: Digits) -> Sizes | None:
    known, crop = LABELLED_SOURCES[digits.data.source].sizes(digits.data), digits.data.crop
    if known is None or min(known.image) <= 2 * crop:
        return None
    height, width = (side - 2 * crop for side in known.image)
    layers, n_test = (height * width, *digits.machine.n_hidden), digits.data.n_test or known.n_test
    first, second = math.prod(layers[:2]), layers[1] * layers[2]
    if (field := digits.machine.receptive_field) is not None:
        first = _inside(height, field // 2) * _inside(width, field // 2)
    return Sizes(
        (known.n_train + known.n_test) * math.prod(known.image), digits.data.n_train or known.n_train, known.n_train,
        n_test, digits.data.n_classes, digits.n_chains, layers, (first, second),
    )  # fmt: skip


def _inside(n: int, reach: int) -> int:
    """Pixels of a row of n that lie within reach of each other: ordered pairs, with a pixel and itself."""
    return sum(min(i + reach, n - 1) - max(i - reach, 0) + 1 for i in range(n))
