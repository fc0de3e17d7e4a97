"""What `plot` draws: the course of a machine, its Fisher information, and the weights of its most informative units."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from boltzprune.errors import InputError
from boltzprune.pruning.criteria import CRITERIA

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

N_TILES = 16
COLOURS = (CRITERIA["variance_fi"].colour, CRITERIA["weight_magnitude"].colour)
"""Of the first and the second weight layer."""


@dataclass(frozen=True)
class Shown:
    """What is drawn of an estimator; each array is (n_lower, n_upper), numbered as before any pruning.

    Attributes
    ----------
    history : list of dict
        See `PrunedRBM`.
    masks : tuple of bool arrays
    weights, importance : tuple of float arrays
        Of each weight layer.
    units : (n,) int
        Of h1 that remain.
    """

    history: Sequence[Mapping[str, Any]]
    masks: Sequence[npt.NDArray[np.bool_]]
    weights: Sequence[np.ndarray]
    importance: Sequence[np.ndarray]
    units: npt.NDArray[np.integer]

    @property
    def names(self) -> tuple[str, ...]:
        """Of the weight layers."""
        return ("v-h",) if len(self.masks) == 1 else ("v-h1", "h1-h2")


def overview(shown: Shown, image_shape: tuple[int, int] | None) -> "Figure":
    """The figure of `plot`.

    Parameters
    ----------
    shown : Shown
    image_shape : (height, width) or None
        Of visible units that are pixels.

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    InputError
        If matplotlib is not installed, or the image has another number of pixels than there are visible units.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError:
        raise InputError("plot: matplotlib is not installed; pip install 'boltzprune[plot]'") from None
    n_visible = len(shown.masks[0])
    if image_shape is not None and image_shape[0] * image_shape[1] != n_visible:
        raise InputError(f"plot: image_shape is {image_shape}; expected one of {n_visible} pixels, the visible units")
    figure = plt.figure(figsize=(12 if image_shape else 8, 3.4), layout="constrained")
    panels = figure.subfigures(1, 3 if image_shape else 2, squeeze=False)[0]
    _course(panels[0].subplots(), shown)
    _fisher_information(panels[1].subplots(), shown)
    if image_shape is not None:
        _tiles(panels[2], shown, image_shape)
    return figure


def _course(axes: "Axes", shown: Shown) -> None:
    """Weights of every layer after each step."""
    for layer, name in enumerate(shown.names):
        numbers = [step["n_weights"][layer] for step in shown.history]
        axes.plot(numbers, marker="o", color=COLOURS[layer], label=f"weights {name}")
    labels = [f"{step['step']}\n{step['criterion']}" if step["criterion"] else step["step"] for step in shown.history]
    axes.set_xticks(range(len(labels)), labels, rotation=90 if len(labels) > 3 else 0, fontsize=8)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("number of weights")
    axes.set_title("Steps", loc="left")
    axes.legend(frameon=False)


def _fisher_information(axes: "Axes", shown: Shown) -> None:
    """Fisher information of the weights, sorted; those of information 0 have no place on the axis and are counted."""
    for layer, (name, values) in enumerate(zip(shown.names, shown.importance)):
        known = np.sort(values[np.isfinite(values)])[::-1]
        silent = int(np.count_nonzero(known == 0))
        label = f"{name}: {len(known):,} weights" + (f", {silent:,} with FI 0" if silent else "")
        positive = known[known > 0]
        axes.plot(np.arange(1, len(positive) + 1), positive, color=COLOURS[layer], label=label)
    axes.set_yscale("log")
    axes.set_xlabel("weights, the most informative first")
    axes.set_ylabel("Fisher information\n(nats per squared weight)")
    axes.set_title("Fisher information now", loc="left")
    axes.legend(frameon=False, fontsize=8)


def _tiles(panel: "SubFigure", shown: Shown, image_shape: tuple[int, int]) -> None:
    """Weights from the pixels to the units of h1 with the largest sum of Fisher information."""
    weights, mask = shown.weights[0], shown.masks[0]
    of_units = np.nansum(shown.importance[0][:, shown.units], axis=0)
    order = shown.units[np.argsort(-of_units, kind="stable")][:N_TILES]
    side, limit = int(np.ceil(np.sqrt(len(order)))), float(np.abs(weights).max()) or 1.0
    panel.suptitle(f"Weights of the {len(order)} most informative of {len(shown.units)} units of h1", fontsize=10)
    tiles = panel.subplots(side, side, squeeze=False)
    for axes in tiles.flat[len(order) :]:
        axes.set_axis_off()
    for axes, unit in zip(tiles.flat, order):
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_color("0.8")
        image = np.where(mask[:, unit], weights[:, unit], np.nan).reshape(image_shape)
        drawn = axes.imshow(image, cmap="PuOr", vmin=-limit, vmax=limit)
        axes.set_title(str(unit), fontsize=7, pad=2)
    panel.colorbar(drawn, ax=tiles, label="weight (blank: no weight)", shrink=0.8)
