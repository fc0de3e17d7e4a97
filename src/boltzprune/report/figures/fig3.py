"""Figure 3: digits and the machine; encoding error, remaining units and disconnected pixels during pruning."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase
from matplotlib.patches import FancyBboxPatch, Rectangle

from boltzprune.report import figures
from boltzprune.report.figures import curves, digits, tiles
from boltzprune.report.figures.style import (
    DATA_COLOUR,
    INK,
    Look,
    below_each_other,
    constrained,
    criterion_title,
    from_to,
    panel_letter,
)
from boltzprune.results.prepared import read_images
from boltzprune.results.store import Arrays

FIGURE = figures.Figure(
    inputs=("digits", "digits_metrics", "digits_pixels", "digits_references"),
    panels=("a.csv", "b.csv", "c.csv", "d.csv"),
    by_criterion=True,
    experiment="digits",
    published=True,
    caption="**Figure 3.** A: the first training image of each class, cropped and binarised (black = 1), and the deep "
    "Boltzmann machine as a sketch: each unit of h1 sees a receptive field of neighbouring pixels, or the whole "
    "image if the study says so; each unit of h2 is connected to all of h1; the classifier reads h2. B: share of "
    "the test images that a logistic regression on h2 gets wrong, against the remaining weights, after "
    "retraining; dotted: the same classifier on raw pixels; diamond: initial machines; dashed, if "
    "`digits.controls` has `unpruned`: these, trained on without pruning for as long. C: units that remain in h1"
    " and h2; curves are of different width, so that those that others cover are seen. Mean and standard "
    "deviation over seeds; open marks, where the study has the paper's size: one run of the authors, read off "
    "their notebook, which prunes a tenth of both weight layers. D: fraction of seeds in which a pixel has no "
    "weight left after the last iteration shown (black = all).",
)

UNITS = {"n_units_1": "h1", "n_units_2": "h2"}
SIZES = [*UNITS, "n_weights_1", "n_weights_2", "n_visible_connected"]
FIELD = "#D55E00"
MAX_DIGITS = 10


def panels(inputs: Mapping[str, Sequence[Path]]) -> dict[str, pd.DataFrame]:
    """Tidy tables of panels A (digits), B (encoding error), C (units, weights of each layer), D (pixels)."""
    metrics = digits.read(inputs, "digits_metrics", ["encoding_error", "n_weights", *SIZES])
    references = digits.read(inputs, "digits_references", ["n_test"])
    errors = digits.over_seeds(metrics, ["encoding_error"])
    errors = digits.with_references(errors, references, [("raw", "error", "encoding_error")])
    arrays = Arrays(inputs["digits"][0])
    states, shape = read_images(arrays)
    labels = arrays.checked("labels", "iu", (len(states),))
    return {
        "a.csv": _digits(states, labels, shape[1]),
        "b.csv": errors.assign(n_test=int(references["n_test"].max())),
        "c.csv": digits.over_seeds(metrics, SIZES),
        "d.csv": _pixels(digits.read(inputs, "digits_pixels"), shape),
    }


def _digits(states: npt.NDArray[np.uint8], labels: np.ndarray, width: int) -> pd.DataFrame:
    """Pixels of the first training image of each class."""
    n_visible = states.shape[1]
    classes, first = np.unique(labels, return_index=True)
    images = states[first]
    y, x = np.divmod(np.arange(n_visible), width)
    return pd.DataFrame(
        {
            "digit": np.repeat(classes, n_visible),
            "image": np.repeat(first, n_visible),
            "y": np.tile(y, len(first)),
            "x": np.tile(x, len(first)),
            "value": images.ravel(),
        }
    )


def _pixels(table: pd.DataFrame, shape: tuple[int, int]) -> pd.DataFrame:
    """The table with the place of each pixel."""
    y, x = np.divmod(table["pixel"], shape[1])
    return table.assign(y=y, x=x, height=shape[0], width=shape[1])


def draw(panels: Mapping[str, pd.DataFrame], look: Look) -> Figure:
    """The figure, from the tables: three of them, or four if the first is of digits."""
    *images, errors, units, maps = (panels[name] for name in sorted(panels))
    letters, names = iter("ABCD"), digits.names_in(errors, look)
    n_rows, n_columns, map_height = _places(maps, look)
    heights = [1.75] * len(images) + [2.8, n_rows * (map_height + 0.42) + 0.1]
    figure = constrained((7.5, sum(heights)), (0, 0.02, 1, 0.98))
    *top, middle, lower = below_each_other(figure, heights)
    if images:
        _draw_digits(top[0], images[0], units, next(letters))
    _draw_curves(middle, digits.up_to_last(errors, look), digits.up_to_last(units, look), names, look, letters)
    _draw_maps(lower, maps[maps["n_seeds"] > 0], (n_rows, n_columns), look, next(letters))
    return figure


def _places(maps: pd.DataFrame, look: Look) -> tuple[int, int, float]:
    """Rows and columns of maps, and the height of one in inches."""
    n = len(digits.names_in(maps[maps["n_seeds"] > 0], look))
    n_rows = max(1, -(-n // 6))
    n_columns = max(5, n) if n_rows == 1 else -(-n // n_rows)
    ratio = (maps["height"] / maps["width"]).max()
    return n_rows, n_columns, min(max(6.5 / n_columns * ratio, 0.95), 1.4)


def _draw_digits(figure: FigureBase, pixels: pd.DataFrame, units: pd.DataFrame, letter: str) -> None:
    """A: one digit of each class, and the machine."""
    grid = figure.add_gridspec(1, 2, width_ratios=[1, 1.45])
    axes = figure.add_subplot(grid[0])
    shape = int(pixels["y"].max()) + 1, int(pixels["x"].max()) + 1
    images = pixels["value"].to_numpy(float).reshape(-1, *shape)
    shown = images[:MAX_DIGITS]
    tiles.show_images(axes, shown, 5 if len(shown) > 4 else len(shown))
    axes.set_title(f"One image of each class, {shape[0]} × {shape[1]} pixels", loc="left")
    panel_letter(axes, letter, dx=-0.03)
    machine = units[units["phase"] == "initial"].set_index("measure")["mean"].round().astype(int)
    _draw_machine(figure.add_subplot(grid[1]), images[len(shown) // 2], len(images), machine)


def _draw_machine(axes: Axes, image: np.ndarray, n_classes: int, machine: Mapping[str, int]) -> None:
    """The deep Boltzmann machine as a sketch: a few units and weights of each layer."""
    height, width = image.shape
    side, places = 1.3, np.linspace(0.1, 1.2, 7)
    pixel = side / max(height, width)
    frame: dict[str, Any] = {"extent": (0, pixel * width, 0, pixel * height), "interpolation": "nearest", "zorder": 1}
    axes.imshow(image, cmap="gray_r", vmin=0, vmax=1, **frame)
    axes.add_patch(Rectangle((0, 0), pixel * width, pixel * height, fill=False, color=INK, lw=0.6))
    sees_all = machine["n_weights_1"] == image.size * machine["n_units_1"]
    size = min(5 * pixel, 0.35 * pixel * min(width, height))
    wide, high = (pixel * width, pixel * height) if sees_all else (size, size)
    for across, up, unit in ((0.48, 0.55, 5), (0.2, 0.08, 1)):
        left, bottom = (0.0, 0.0) if sees_all else (across * pixel * width, up * pixel * height)
        axes.add_patch(Rectangle((left, bottom), wide, high, fill=False, color=FIELD, lw=1.2, zorder=3))
        for corner in (bottom, bottom + high):
            axes.plot([left + wide, 2.3], [corner, places[unit]], color=FIELD, lw=0.7, zorder=2)
    for a in places:
        for b in places:
            axes.plot([2.3, 3.6], [a, b], color="#bbbbbb", lw=0.4, zorder=0)
        axes.plot([3.6, 4.35], [a, 0.65], color="#bbbbbb", lw=0.4, zorder=0)
    for x in (2.3, 3.6):
        axes.scatter(np.full(len(places), x), places, s=26, c=DATA_COLOUR, edgecolors=INK, linewidths=0.6, zorder=4)
    axes.add_patch(FancyBboxPatch((4.35, 0.4), 0.75, 0.5, boxstyle="round,pad=0.04", fc="white", ec=INK, lw=0.8))
    axes.text(4.73, 0.65, f"classifier\n{n_classes} classes", ha="center", va="center", fontsize=6.5)
    below: dict[str, Any] = {"ha": "center", "va": "top", "fontsize": 7}
    axes.text(pixel * width / 2, -0.08, f"v: {height * width} pixels", **below)
    axes.text(2.3, -0.08, f"h1: {machine['n_units_1']} units", **below)
    axes.text(3.6, -0.08, f"h2: {machine['n_units_2']} units", **below)
    above: dict[str, Any] = {"ha": "center", "va": "bottom", "fontsize": 7}
    what = "all to all" if sees_all else "receptive fields"
    axes.text(1.8, 1.33, f"{what}\n{machine['n_weights_1']:,} weights", **above)
    axes.text(2.95, 1.33, f"all to all\n{machine['n_weights_2']:,} weights", **above)
    axes.set(xlim=(-0.05, 5.2), ylim=(-0.25, 1.75), aspect="equal")
    axes.axis("off")


def _draw_curves(
    figure: FigureBase,
    errors: pd.DataFrame,
    units: pd.DataFrame,
    names: Sequence[str],
    look: Look,
    letters: Iterator[str],
) -> None:
    """B: encoding error; C: units of both hidden layers; against the remaining weights."""
    grid = figure.add_gridspec(1, 3, width_ratios=[1.35, 1, 1])
    axes = figure.add_subplot(grid[0])
    panel_letter(axes, next(letters), dx=-0.12)
    floor = 0.5 / errors["n_test"].max()
    curves.per_criterion(axes, errors, names, look, scale=100, floor=floor)
    curves.reference_line(axes, errors, "raw", "raw pixels", 100, ls=":")
    curves.unpruned_line(axes, errors, 100)
    measured, units = (table[table["phase"].isin(["initial", "retrained"])] for table in (errors, units))
    curves.weights_axis(axes, measured)
    raw = 100 * errors.loc[errors["phase"] == "reference", "mean"].clip(lower=floor)
    of_authors = curves.published_marks(axes, "encoding_error", names, look, 100)
    include = [*raw, *of_authors]
    curves.log_axis(axes, "y", 100 * measured["mean"].clip(lower=floor), 100 * measured["sd"], include)
    note = "\n(no error: drawn as half a test image)" if (measured["mean"] < floor).any() else ""
    axes.set(ylabel="encoding error (%)", title="Error of the classifier, test images" + note)
    all_axes = [axes]
    for column, (measure, layer) in enumerate(UNITS.items(), start=1):
        axes = figure.add_subplot(grid[column])
        part = units[units["measure"] == measure]
        curves.per_criterion(axes, part, names, look, stacked=True)
        curves.published_marks(axes, measure, names, look)
        curves.weights_axis(axes, part)
        axes.set(
            ylabel="units", ylim=(0, 1.06 * (part["mean"] + part["sd"].fillna(0)).max()), title=f"Units of {layer}"
        )
        all_axes.append(axes)
    panel_letter(all_axes[1], next(letters), dx=-0.15)
    about = digits.seeds_text(pd.concat([measured, units]))
    curves.legend(figure, all_axes, look, about, curves.published_handles(look))


def _draw_maps(figure: FigureBase, maps: pd.DataFrame, shape: tuple[int, int], look: Look, letter: str) -> None:
    """D: fraction of seeds in which a pixel has no weight left, a map per criterion."""
    grid, shown = figure.add_gridspec(*shape), []
    for place, name in enumerate(digits.names_in(maps, look)):
        axes = figure.add_subplot(grid[place // shape[1], place % shape[1]])
        last = digits.last_of(maps, name, look)
        mine = maps[(maps["criterion"] == name) & (maps["iteration"] == last)]
        image = np.zeros((int(mine["height"].iloc[0]), int(mine["width"].iloc[0])))
        image[mine["y"], mine["x"]] = mine["disconnected"]
        drawn = tiles.show(axes, image)
        criterion_title(axes, f"{digits.title(look.labels[name])}\niteration {last}", look.colours[name])
        if place == 0:
            style: dict[str, Any] = {"fontsize": 11, "fontweight": "bold", "ha": "right"}
            axes.annotate(
                letter, (0.5, 1.02), (-72 * (0.06 + 3.25 / shape[1]), 0), "axes fraction", "offset points", **style
            )
        shown.append(axes)
    if shown:
        count = from_to(maps["n_seeds"])
        bar = figure.colorbar(drawn, ax=shown, fraction=0.03, pad=0.01, aspect=14, shrink=0.8)
        bar.set_label(f"pixel disconnected\n(fraction of {count} {'seed' if count == '1' else 'seeds'})")
