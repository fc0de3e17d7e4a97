"""The look that all figures share, and how they are saved."""

import textwrap
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt

from boltzprune.results.store import atomic, write_table

RC = {
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
LINE_HEIGHT, LINE_WIDTH = 0.105, 170
"""Of the notes at the bottom: inches, characters."""
NO_DATE = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {"Software": None}}


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
        Sentences below it: which sequences have ended.
    last_iterations : dict of str -> int
        Last iteration shown of a criterion; one that is not in it is shown to its end.
    quality : str
        Which mean of the quality of digits is drawn: mean (over samples) or class_mean (of the class means).
    """

    labels: dict
    colours: dict
    study: str
    notes: tuple = ()
    last_iterations: dict = field(default_factory=dict)
    quality: str = "mean"


def save(module, panels, spec, folder):
    """Write the table behind each panel, then the figure in each format; equal tables give equal bytes.

    Parameters
    ----------
    module : module
        Of the figure, with `draw`.
    panels : dict of str -> pandas.DataFrame
    spec : dict
        name, formats, dpi, study; colours, criteria, last_iterations, quality, notes where the figure shows them.
    folder : Path
    """
    name = spec["name"]
    for panel, frame in panels.items():
        write_table(Path(folder) / f"{name}_{panel}", frame)
    optional = {key: spec[key] for key in ("last_iterations", "quality", "notes") if key in spec}
    look = Look(spec.get("criteria", {}), spec.get("colours", {}), spec["study"], **optional)
    with plt.rc_context(RC):
        figure = module.draw(panels, look)
        _caption(figure, look)
        _settle(figure)
        for extension in spec["formats"]:
            with atomic(Path(folder) / f"{name}.{extension}") as temporary:
                figure.savefig(temporary, format=extension, dpi=spec["dpi"], metadata=NO_DATE[extension])
        plt.close(figure)


def _caption(figure, look):
    """The line about the study at the bottom, and the notes on lines of their own, for which the figure grows."""
    notes = [line for note in look.notes for line in textwrap.wrap(note, LINE_WIDTH)]
    if notes and (engine := figure.get_layout_engine()):
        old, (left, bottom, width, height) = figure.get_figheight(), engine.get()["rect"]
        new = old + len(notes) * LINE_HEIGHT
        figure.set_figheight(new)
        engine.set(rect=(left, 1 - (1 - bottom) * old / new, width, height * old / new))
    text = "\n".join([look.study, *notes])
    figure.text(0.005, 0.004, text, fontsize=6, color="#666666", va="bottom")


def _settle(figure):
    """Place everything once and for all: formats then agree, and the last bits of the layout's solver reach no file."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for part in figure.subfigs:
        part.bbox_relative.set_points(part.bbox_relative.get_points().round(6))
    for axes in figure.axes:
        axes.set_position([round(value, 6) for value in axes.get_position(original=True).bounds])


def panel_letter(axes, letter, dx=-0.02):
    """The letter of a panel, at its upper left corner."""
    axes.text(dx, 1.02, letter, transform=axes.transAxes, fontsize=11, fontweight="bold", va="bottom", ha="right")
