"""What of a study cannot work, found before anything is computed; and what it will lack, to know beforehand.

No single key is wrong where these are found: they follow from sizes. These are taken from the source of the data
(`datasets.Source.sizes`); where that does not say, nothing is found here, and the stage that reads the data says it.
"""

import os
from collections.abc import Iterator, Sequence

import numpy as np

from boltzprune.core.fisher import MAX_PARAMETERS, not_computed
from boltzprune.core.masks import receptive_fields
from boltzprune.datasets import LABELLED_SOURCES, SOURCES
from boltzprune.datasets.patches import circle_offsets, tile_centres
from boltzprune.datasets.sizes import DigitSizes, n_tiles
from boltzprune.errors import InputError
from boltzprune.pruning.criteria import CRITERIA, Criterion, resolve
from boltzprune.pruning.ending import ends_at
from boltzprune.sampling.exact import MAX_VISIBLE
from boltzprune.study.config import OWN_CRITERION, DeepMachine, Digits, PatchData, Patches, Study
from boltzprune.study.config.base import in_iteration

Rows = dict[str, Criterion | None]
"""Name -> criterion; None: it cannot be loaded."""


def problems(study: Study) -> list[str]:
    """What cannot work: list of str, 'patches.key = value: what is wrong, what helps'."""
    rows, found = _own_criteria(study)
    if "patches" in study.experiments:
        found += _of_patches(study.patches, rows)
    if "digits" in study.experiments:
        found += [f"digits.{problem}" for problem in _of_digits(study.digits)]
    return found


def notes(study: Study) -> list[str]:
    """What works and may surprise: list of str."""
    rows, _ = _own_criteria(study)
    found = [*_unasked(rows)]
    if "patches" in study.experiments:
        found += [*_without_matrix(study.patches), *_ends_of_patches(study.patches, rows)]
    if "digits" in study.experiments:
        found += [*_few_samples(study.digits), *_ends_of_digits(study.digits, rows)]
    return found


# Criteria -------------------------------------------------------------------------------------------------------------


def _own_criteria(study: Study) -> tuple[Rows, list[str]]:
    """Name -> row of every criterion that can be loaded, and what is wrong with others whose file is there."""
    rows: Rows = dict(CRITERIA)
    found = []
    for experiment in study.experiments:
        for name in getattr(study, experiment).criteria:
            own = OWN_CRITERION.match(name)
            if own and os.path.isfile(own["file"]):  # a name longer than a system takes is none
                try:
                    rows.setdefault(name, None)
                    rows[name] = rows[name] or resolve(name)
                except InputError as error:
                    found.append(f"{experiment}.criteria: {error}")
            if experiment == "digits" and _needs_matrix(rows.get(name)):
                found.append(
                    f"digits.criteria = {name!r}: needs the full FIM, which is computed for RBMs only; leave it out"
                )
    return rows, found


def _needs_matrix(row: Criterion | None) -> bool:
    """Whether a criterion that could be loaded needs the full FIM."""
    return row is not None and row.needs == "eigenvector"


def _unasked(rows: Rows) -> Iterator[str]:
    """Own criteria that read the eigenvector and do not ask for it."""
    for name, row in rows.items():
        if row and row.files and row.needs != "eigenvector" and "eigenvector" in row.reads:
            yield (
                f"criterion {name!r} reads evidence.eigenvector, which is None: set needs = 'eigenvector', unless it"
                " does without"
            )


# Patches --------------------------------------------------------------------------------------------------------------


def visible_units(patches: Patches) -> int | None:
    """Visible units of the RBMs; None if not known, or if no patch of that radius fits into an image."""
    known = SOURCES[patches.data.source].sizes(patches.data)
    if known.image is None:
        return known.n_units
    return len(circle_offsets(patches.data.radius)) if n_tiles(known.image, patches.data.radius) else None


def patterns_there(data: PatchData) -> int | None:
    """How many patterns the data hold; None if not known."""
    known = SOURCES[data.source].sizes(data)
    if known.image is None:
        return known.n_patterns
    return known.n_images and known.n_images * n_tiles(known.image, data.radius)


def _of_patches(patches: Patches, rows: Rows) -> list[str]:
    """What cannot work with the patches."""
    data, known, n_visible = patches.data, SOURCES[patches.data.source].sizes(patches.data), visible_units(patches)
    if known.image is not None:
        height, width = known.image
        try:
            tile_centres(height, width, data.radius)
        except InputError as error:
            return [str(error)]
    n_available, found = patterns_there(data), []
    if n_available and data.n_patterns > n_available:
        found.append(
            f"patches.data.n_patterns = {data.n_patterns}: the data hold {n_available} patterns; expected 1 to "
            f"{n_available}{', or a smaller patches.data.radius' if known.image else ''}"
        )
    if n_visible is None:
        return found
    what, smaller = (f"{n_visible} visible units", "patterns of fewer units")
    if known.image is not None:
        what, smaller = (f"a patch of radius {data.radius:g} has {n_visible} pixels", "a smaller patches.data.radius")
    for key, value, other in (("method", "exact", "gibbs"), ("statistics", "enumerated", "sampled")):
        if getattr(patches.sampling, key) == value and n_visible > MAX_VISIBLE:
            found.append(
                f"patches.sampling.{key} = {value!r}: {what}, and at most {MAX_VISIBLE} can be enumerated; set it to "
                f"{other!r}, or take {smaller}"
            )
    return found + _matrix_too_large(patches, n_visible, rows, smaller)


def _n_parameters(patches: Patches, n_visible: int) -> int:
    """Weights and biases of an RBM before pruning."""
    return n_visible * patches.machine.n_hidden + n_visible + patches.machine.n_hidden


def _matrix_too_large(patches: Patches, n_visible: int, rows: Rows, smaller: str) -> list[str]:
    """Criteria that need the full FIM of too large a machine."""
    n = _n_parameters(patches, n_visible)
    needing = [name for name in patches.criteria if _needs_matrix(rows.get(name))]
    if not needing or n <= MAX_PARAMETERS:
        return []
    most = (MAX_PARAMETERS - n_visible) // (n_visible + 1)
    fewer = f"set patches.machine.n_hidden to {most} or less, " if most > 0 else ""
    return [
        f"patches.criteria = {', '.join(needing)}: needs the full FIM of {n:,} parameters ({n_visible} visible and "
        f"{patches.machine.n_hidden} hidden units), and at most {MAX_PARAMETERS:,} are supported; leave it out, "
        f"{fewer}or take {smaller}"
    ]


def _without_matrix(patches: Patches) -> Iterator[str]:
    """Figure 1 without the full FIM."""
    n_visible = visible_units(patches)
    if n_visible and (reason := not_computed(_n_parameters(patches, n_visible))):
        yield f"patches: the full FIM is {reason}; Figure 1 shows the rest, and claims about it are not testable"


def _ends_of_patches(patches: Patches, rows: Rows) -> Iterator[str]:
    """The iteration in which nothing is left of the machines."""
    n_visible = visible_units(patches)
    if n_visible:
        masks = [np.ones((n_visible, patches.machine.n_hidden), dtype=bool)]
        yield from _ends("patches", patches, masks, rows)


def _ends(experiment: str, section: Patches | Digits, masks: Sequence[np.ndarray], rows: Rows) -> Iterator[str]:
    """Criteria whose courses end before the last iteration, by that in which they do."""
    ends: dict[int | None, list[str]] = {}
    prunings = [in_iteration(section.pruning, iteration) for iteration in range(1, section.iterations + 1)]
    for name in section.criteria:
        if row := rows.get(name):
            ends.setdefault(ends_at(masks, row, prunings), []).append(name)
    for end, names in sorted((end, names) for end, names in ends.items() if end):
        yield (
            f"{experiment}.iterations = {section.iterations}: no weight is left in iteration {end} of "
            f"{', '.join(names)}, whose course ends there; tables and figures show the iterations before"
        )


# Digits ---------------------------------------------------------------------------------------------------------------


def _shape(digits: Digits, known: DigitSizes) -> tuple[int, int]:
    """(height, width) of the images after the crop."""
    height, width = (n - 2 * digits.data.crop for n in known.image)
    return height, width


def _of_digits(digits: Digits) -> list[str]:
    """What cannot work with the digits."""
    data, known = digits.data, LABELLED_SOURCES[digits.data.source].sizes(digits.data)
    if known is None:
        return []
    (height, width), most = known.image, (min(known.image) - 1) // 2
    if data.crop > most:
        return [
            f"data.crop = {data.crop}: nothing is left of images of {height} x {width} pixels; expected 0 to {most}"
        ]
    found = []
    for key, which in (("n_train", "training"), ("n_test", "test")):
        n, wanted = getattr(known, key), getattr(data, key)
        if wanted is not None and wanted > n:
            found.append(f"data.{key} = {wanted}: the data hold {n} {which} images; expected 1 to {n}, or null for all")
    if known.n_classes and data.n_classes < known.n_classes:
        found.append(
            f"data.n_classes = {data.n_classes}: source {data.source} has class labels 0 to {known.n_classes - 1}; "
            f"expected {known.n_classes} or more"
        )
    return found + _of_receptive_fields(digits.machine, *_shape(digits, known))


def _of_receptive_fields(machine: DeepMachine, height: int, width: int) -> list[str]:
    """Receptive fields need a unit of h1 for each pixel, and an image that is not smaller than they are."""
    (first, second), n_pixels, side = machine.n_hidden, height * width, machine.receptive_field
    if side is None:
        return []
    found = []
    if side > max(height, width):
        found.append(
            f"machine.receptive_field = {side}: an image has {height} x {width} pixels after the crop; expected at "
            f"most {max(height, width)}, or null: all pixels"
        )
    if first != n_pixels:
        found.append(
            f"machine.n_hidden = {[first, second]}: with receptive fields h1 has one unit per pixel, {n_pixels}; "
            f"set [{n_pixels}, {second}], or receptive_field: null"
        )
    return found


def _few_samples(digits: Digits) -> Iterator[str]:
    """Fewer samples than chains."""
    n = digits.sampling.n_samples
    if digits.sampling.chains == "persistent" and n is not None and n < digits.n_chains:
        yield (
            f"digits.sampling.n_samples = {n}: fewer than the {digits.n_chains} chains (digits.n_chains), so that each "
            "sample is of another chain, and the others are advanced for nothing"
        )


def _ends_of_digits(digits: Digits, rows: Rows) -> Iterator[str]:
    """The iteration in which a layer has no weight left."""
    known, (first, second) = LABELLED_SOURCES[digits.data.source].sizes(digits.data), digits.machine.n_hidden
    if known is None or min(shape := _shape(digits, known)) < 1 or _of_receptive_fields(digits.machine, *shape):
        return
    side = digits.machine.receptive_field
    lower = np.ones((shape[0] * shape[1], first), dtype=bool) if side is None else receptive_fields(shape, side)
    yield from _ends("digits", digits, [lower, np.ones((first, second), dtype=bool)], rows)
