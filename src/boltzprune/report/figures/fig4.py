"""Figure 4: quality, diversity and examples of the digits that pruned machines generate."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase

from boltzprune.report import figures
from boltzprune.report.figures import curves, digits, tiles
from boltzprune.report.figures.style import INK, Look, below_each_other, constrained, criterion_title, panel_letter
from boltzprune.results.prepared import read_images
from boltzprune.results.store import Arrays

FIGURE = figures.Figure(
    inputs=("digits", "digits_metrics", "digits_examples", "digits_references"),
    panels=("a.csv", "b.csv", "c.csv"),
    by_criterion=True,
    experiment="digits",
    published=True,
    caption="**Figure 4.** A: quality of the generated digits, the winning probability of a classifier trained on raw "
    "pixels, against the remaining weights, after retraining and, if the study judges digits there too, right "
    "after pruning (lighter); dashed: test images (black) and random patterns (grey). B: diversity, the entropy "
    "of the classes that the classifier gives to the samples; dashed: test images; dotted: all classes equally "
    "often. Mean and standard deviation over seeds; curves are moved aside by 1.5 % of the weights from each "
    "other, so that bars stand beside each other; open marks, where the study has the paper's size and shows "
    "the mean of the class means: one run of the authors, read off their notebook. C: samples of the initial "
    "machine and of each criterion's machine after retraining in the last iteration shown, one seed (black = 1).",
)

QUALITIES = {"mean": "mean over samples", "class_mean": "mean of the class means"}
MEASURES = [f"quality_{name}" for name in QUALITIES]
REFERENCES = ("test_digits", "random_patterns")
GREY = "#8a8a8a"
ASIDE = 0.015
"""See `curves.per_criterion`."""
N_EXAMPLES = 10


def panels(inputs: Mapping[str, Sequence[Path]]) -> dict[str, pd.DataFrame]:
    """Tidy tables of panels A (both kinds of quality), B (diversity) and C (pixels of generated samples)."""
    metrics = digits.read(inputs, "digits_metrics", ["n_weights", *MEASURES, "diversity"])
    references = digits.read(inputs, "digits_references", [*MEASURES, "diversity"])
    arrays = Arrays(inputs["digits"][0])
    states, (height, width) = read_images(arrays)
    labels = arrays.checked("labels", "iu", (len(states),))
    quality = digits.over_seeds(metrics, MEASURES)
    wanted = [(name, measure, measure) for measure in MEASURES for name in REFERENCES]
    diversity = digits.over_seeds(metrics, ["diversity"])
    even = pd.DataFrame({"reference": ["even"], "diversity": [np.log(len(np.unique(labels)))]})
    lines = pd.concat([references, even], ignore_index=True)
    return {
        "a.csv": digits.with_references(quality, references, wanted),
        "b.csv": digits.with_references(
            diversity, lines, [(name, "diversity", "diversity") for name in (*REFERENCES, "even")]
        ),
        "c.csv": digits.read(inputs, "digits_examples").assign(height=height, width=width),
    }


def draw(panels: Mapping[str, pd.DataFrame], look: Look) -> Figure:
    """The figure, from the tables."""
    names = digits.names_in(panels["b.csv"], look)
    blocks = list(_examples(panels["c.csv"], look))
    n_rows = -(-len(blocks) // 2)
    ratio = panels["c.csv"]["height"].iloc[0] / panels["c.csv"]["width"].iloc[0]
    heights = [3.1, n_rows * (0.36 * ratio + 0.27) + 0.15]
    figure = constrained((7.5, sum(heights)), (0, 0.022, 1, 0.978))
    upper, lower = below_each_other(figure, heights)
    grid = upper.add_gridspec(1, 2)
    left, right = (upper.add_subplot(grid[i]) for i in range(2))
    quality = panels["a.csv"][panels["a.csv"]["measure"] == f"quality_{look.quality}"]
    _draw_curves(left, digits.up_to_last(quality, look), names, look)
    left.set(ylabel="quality", title=f"Winning probability, {QUALITIES[look.quality]} (higher: better)")
    of_authors = replace(look, published=look.published and look.quality == "class_mean")
    curves.published_marks(left, f"quality_{look.quality}", names, of_authors)
    curves.reference_line(left, quality, "random_patterns", "random patterns", ls="--", color=GREY)
    _draw_curves(right, digits.up_to_last(panels["b.csv"], look), names, look)
    right.set(ylabel="diversity (nats)", title="Entropy of the classes (higher: more even)")
    even = panels["b.csv"].loc[panels["b.csv"]["criterion"] == "even", "mean"].max()
    curves.reference_line(right, panels["b.csv"], "even", f"even over {np.exp(even):.0f} classes", ls=":", color=GREY)
    panel_letter(left, "A", dx=-0.1)
    panel_letter(right, "B", dx=-0.08)
    shown = pd.concat([quality, panels["b.csv"]])
    extra = curves.published_handles(of_authors)
    if (shown["phase"] == "pruned").any():
        extra += [curves.sample_handle("after retraining")]
        extra += [curves.sample_handle("before retraining", ls="--", mfc="white", alpha=0.6)]
    curves.legend(upper, [left, right], look, digits.seeds_text(shown[shown["phase"] != "reference"]), extra)
    _draw_examples(lower, blocks, n_rows)
    return figure


def _draw_curves(axes: Axes, table: pd.DataFrame, names: Sequence[str], look: Look) -> None:
    """A, B: before (lighter) and after retraining, mean and SD over seeds, against the remaining weights."""
    for name in names:
        before = digits.path(table, name, "pruned")
        curves.curve(axes, before, color=look.colours[name], ls="--", lw=0.8, mfc="white", alpha=0.5, zorder=1.5)
    curves.per_criterion(axes, table, names, look, aside=ASIDE)
    curves.reference_line(axes, table, "test_digits", "test digits", ls="--")
    curves.weights_axis(axes, table)


def _examples(table: pd.DataFrame, look: Look) -> Iterator[tuple[str, str, np.ndarray]]:
    """Title, colour and images of the initial machine and of each criterion's last retrained one."""
    table = digits.up_to_last(table, look)
    seed = int(table["seed"].min())
    chosen = [(f"Initial machine, seed {seed}", INK, table[table["phase"] == "initial"])]
    for name in digits.names_in(table, look):
        mine = table[(table["criterion"] == name) & (table["phase"] == "retrained")]
        last = mine[mine["iteration"] == mine["iteration"].max()]
        other = f", seed {last['seed'].min()}" if (last["seed"] > seed).all() else ""
        chosen.append((f"{look.labels[name]}, iteration {mine['iteration'].max()}{other}", look.colours[name], last))
    for text, colour, rows in chosen:
        rows = rows[rows["seed"] == rows["seed"].min()].sort_values("sample").head(N_EXAMPLES)
        if len(rows):
            images = np.array([list(pattern) for pattern in rows["pattern"]], dtype=float)
            yield text, colour, images.reshape(len(rows), rows["height"].iloc[0], rows["width"].iloc[0])


def _draw_examples(figure: FigureBase, blocks: Sequence[tuple[str, str, np.ndarray]], n_rows: int) -> None:
    """C: rows of generated samples, 1 black."""
    grid = figure.add_gridspec(n_rows, 2)
    for place, (text, colour, images) in enumerate(blocks):
        axes = figure.add_subplot(grid[place // 2, place % 2])
        tiles.show_images(axes, images, N_EXAMPLES)
        criterion_title(axes, text, colour, loc="left")
        if place == 0:
            panel_letter(axes, "C", dx=-0.02)
