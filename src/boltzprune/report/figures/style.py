"""The look that all figures share, and how they are saved."""

import os
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from boltzprune.results.store import write_table
from boltzprune.results.whole_files import atomic

RC: dict[Any, Any] = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "lines.linewidth": 1.2,
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "boltzprune",
    "figure.dpi": 100,
}
INK, DATA_COLOUR = "#222222", "#0072B2"
MOST_LAYOUTS = 5
"""Times that a layout is asked for: mostly it stays the second time."""
LINE_HEIGHT, LINE_WIDTH = 0.105, 170
"""Of the notes at the bottom: inches, characters."""
NO_DATE: dict[str, dict[str, Any]] = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {"Software": None}}


@dataclass(frozen=True)
class Look:
    """What a figure may ask about its looks.

    Attributes
    ----------
    labels, colours : dict of str -> str
        Of each criterion, in the order of the configuration.
    study : str
        One line that says what was computed: preset, data, seeds, sampling.
    notes : tuple of str
        Sentences below it: which courses have ended.
    last_iterations : dict of str -> int
        Last iteration shown of a criterion; one that is not in it is shown to its end.
    quality : str
        Which mean of the quality of digits is drawn: mean (over samples) or class_mean (of the class means).
    published : bool
        Whether numbers of the authors are drawn, as open marks.
    """

    labels: Mapping[str, str]
    colours: Mapping[str, str]
    study: str
    notes: tuple[str, ...] = ()
    last_iterations: Mapping[str, int] = field(default_factory=dict)
    quality: str = "mean"
    published: bool = False


def save(
    module: ModuleType, panels: Mapping[str, pd.DataFrame], spec: Mapping[str, Any], folder: str | os.PathLike[str]
) -> None:
    """Write the table behind each panel, then the figure in each format; equal tables give equal bytes.

    Parameters
    ----------
    module
        Of the figure, with `draw`.
    panels
        Name of the file of each panel, without that of the figure -> its table.
    spec
        name, formats, dpi, study; colours, criteria, last_iterations, quality, notes, published where it shows them.
    folder
    """
    name = spec["name"]
    for panel, frame in panels.items():
        write_table(Path(folder) / f"{name}_{panel}", frame)
    optional = {key: spec[key] for key in ("last_iterations", "quality", "notes", "published") if key in spec}
    look = Look(spec.get("criteria", {}), spec.get("colours", {}), spec["study"], **optional)
    with plt.rc_context(RC):
        figure = module.draw(panels, look)
        _caption(figure, look)
        _settle(figure)
        for extension in spec["formats"]:
            with atomic(Path(folder) / f"{name}.{extension}") as temporary:
                figure.savefig(temporary, format=extension, dpi=spec["dpi"], metadata=NO_DATE[extension])
        plt.close(figure)


def constrained(
    size: tuple[float, float], rect: tuple[float, float, float, float], hspace: float | None = None
) -> Figure:
    """A new figure whose parts matplotlib places.

    Parameters
    ----------
    size
        Width and height, inches.
    rect
        Left, bottom, width and height of the place for them, as shares of the figure.
    hspace
        Space between rows, as a share of the figure; None: matplotlib's own.
    """
    return plt.figure(figsize=size, layout=ConstrainedLayoutEngine(rect=rect, hspace=hspace))


def below_each_other(figure: Figure, heights: Sequence[float]) -> list[SubFigure]:
    """Parts of a figure, from the top down, that are as high as those numbers are to each other."""
    return list(figure.subfigures(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0])


def _caption(figure: Figure, look: Look) -> None:
    """The line about the study at the bottom, and the notes on lines of their own, for which the figure grows."""
    notes = [line for note in look.notes for line in textwrap.wrap(note, LINE_WIDTH)]
    if notes and isinstance(engine := figure.get_layout_engine(), ConstrainedLayoutEngine):
        old, (left, bottom, width, height) = figure.get_figheight(), engine.get()["rect"]
        new = old + len(notes) * LINE_HEIGHT
        figure.set_figheight(new)
        engine.set(rect=(left, 1 - (1 - bottom) * old / new, width, height * old / new))
    text = "\n".join([look.study, *notes])
    figure.text(0.005, 0.004, text, fontsize=6, color="#666666", va="bottom")


def _settle(figure: Figure) -> None:
    """Place everything once and for all: formats then agree, and the last bits of the layout's solver reach no file.

    matplotlib makes room for the texts that are there. Axes that change their size by that can get other tick labels,
    which need other room, so that it is asked again until nothing moves.
    """
    before: list[Any] = []
    engine = figure.get_layout_engine()
    for _ in range(MOST_LAYOUTS):
        if engine is None:
            break
        engine.execute(figure)
        places = [axes.get_position(original=True).get_points().round(4).tolist() for axes in figure.axes]
        if places == before:
            break
        before = places
    figure.set_layout_engine(None)  # with "none" every format would first be drawn once more, for a layout
    for part in figure.subfigs:
        part.bbox_relative.set_points(part.bbox_relative.get_points().round(6))
    for axes in figure.axes:
        left, bottom, width, height = (round(value, 6) for value in axes.get_position(original=True).bounds)
        axes.set_position((left, bottom, width, height))


def from_to(counts: pd.Series) -> str:
    """The smallest and the largest of some numbers of seeds in words: 5, or 4 to 7."""
    low, high = int(counts.min()), int(counts.max())
    return f"{high}" if low == high else f"{low} to {high}"


def criterion_title(axes: Axes, text: str, colour: str, loc: Literal["left", "center"] = "center") -> None:
    """A title in dark ink, and below it a line in the colour of a criterion: not every colour can be read as text.

    Parameters
    ----------
    axes
    text
    colour
    loc
        Where the title stands: left or center.
    """
    axes.set_title(text, loc=loc)
    axes.spines["top"].set(visible=True, color=colour, linewidth=2.2)


def panel_letter(axes: Axes, letter: str, dx: float = -0.02) -> None:
    """The letter of a panel, at its upper left corner.

    Parameters
    ----------
    axes
    letter
    dx
        Its right end, from the left end of the axes, as a share of their width.
    """
    axes.text(dx, 1.02, letter, transform=axes.transAxes, fontsize=11, fontweight="bold", va="bottom", ha="right")
