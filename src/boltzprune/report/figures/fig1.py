"""Figure 1: from an image to a visible layer; the Fisher information of an over-complete RBM."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpecBase, SubplotSpec
from matplotlib.patches import Circle

from boltzprune.core.fisher import Statistics, fisher_diagonal, fisher_interval, not_computed, weight_entries
from boltzprune.report import figures
from boltzprune.report.figures.style import DATA_COLOUR, INK, Look, panel_letter
from boltzprune.report.published import of_column
from boltzprune.results.prepared import read_states
from boltzprune.results.store import Arrays, read_statistics

FIGURE = figures.Figure(
    inputs=("patterns", "statistics"),
    panels=("a.csv", "b.csv.gz", "c.csv", "d.csv", "e.csv"),
    by_criterion=False,
    experiment="patches",
    published=True,
    caption="**Figure 1.** A: how a circular patch of an image becomes the visible layer of an RBM. B: absolute Fisher "
    "information between all pairs of parameters of the initial machine of the first seed, on a logarithmic "
    "scale. C: magnitude of each parameter's entry in the leading eigenvector of that matrix; the weights are a "
    "map of visible by hidden units, and the biases lie beside it. D: the diagonal of the matrix, which is the "
    "estimate that a synapse can make from local activity (the table behind the panel has 95 % intervals of its "
    "sampling error). E: eigenvalues of the matrix for every seed, and the ratio of the first two; open diamonds,"
    " where the study has the paper's size: the two that the paper gives. For machines of more than 20,000 "
    "parameters the matrix is not computed, and its panels say so.",
)

MAX_SIDE = 1200
IMPORTANCE_MAP = "viridis"
WITHOUT_MATRIX = {
    "b.csv.gz": ["row", "column", "fisher_information"],
    "c.csv": ["parameter", "visible", "hidden", "importance"],
    "e.csv": ["seed", "rank", "eigenvalue"],
}
"""Tables of the panels about the full FIM, without rows where there is none; their columns."""


def panels(inputs: Mapping[str, Sequence[Path]]) -> dict[str, pd.DataFrame]:
    """Tidy tables of panels A (pixels), B (FIM), C and D (importance of each parameter), E (eigenvalues).

    Those of B, C and E have no rows where the machine has too many parameters for a full FIM.
    """
    statistics = [Arrays(path) for path in inputs["statistics"]]
    kept = ((a, seed) for a in statistics for seed in a.seeds if f"seed{seed}/fisher_matrix" in a.names)
    example, seed = next(kept, (statistics[0], statistics[0].seeds[0]))
    found, eigenvector = read_statistics(example, seed)
    n_parameters = found.pair_means[0].size + sum(map(len, found.rates))
    mask = np.ones(found.pair_means[0].shape, dtype=bool)
    if not_computed(n_parameters):
        of_matrix = {name: pd.DataFrame(columns=columns) for name, columns in WITHOUT_MATRIX.items()}
    else:
        of_matrix = _of_matrix(statistics, example, seed, eigenvector, mask)
    return {"a.csv": _pixels(Arrays(inputs["patterns"][0])), "d.csv": _diagonal(found, mask)} | of_matrix


def _of_matrix(
    statistics: Sequence[Arrays],
    example: Arrays,
    seed: int,
    eigenvector: np.ndarray | None,
    mask: npt.NDArray[np.bool_],
) -> dict[str, pd.DataFrame]:
    """Tables of the panels about the full FIM: B, C and E."""
    n_parameters = mask.size + sum(mask.shape)
    if f"seed{seed}/fisher_matrix" not in example.names:
        raise example.damaged("has no full Fisher information matrix")
    matrix = example.checked(f"seed{seed}/fisher_matrix", "f", (n_parameters, n_parameters))
    if eigenvector is None or len(eigenvector) != n_parameters:
        raise example.damaged(f"has no leading eigenvector of {n_parameters} entries")
    spectra = [
        pd.DataFrame({"seed": seed, "rank": np.arange(1, len(values) + 1), "eigenvalue": values})
        for arrays in statistics
        for seed in arrays.seeds
        for values in [arrays.checked(f"seed{seed}/eigenvalues", "f", (None,))]
    ]
    return {
        "b.csv.gz": _matrix(matrix),
        "c.csv": _importance(np.abs(eigenvector), mask),
        "e.csv": pd.concat(spectra, ignore_index=True),
    }


def _pixels(patterns: Arrays) -> pd.DataFrame:
    """Pixels of the example image, and of the patch cut out of it; without an image, of the first pattern alone."""
    columns: dict[str, list[Any]] = {
        "what": [],
        "y": [],
        "x": [],
        "red": [],
        "green": [],
        "blue": [],
        "grey": [],
        "binary": [],
    }
    frames = [pd.DataFrame(columns)]
    if "example/image" in patterns.names:
        grey = patterns.checked("example/grey", "iuf", (None, None))
        image = patterns.checked("example/image", "u", (*grey.shape, None))
        binary = patterns.checked("example/binary", "u", grey.shape)
        y, x = np.indices(grey.shape).reshape(2, -1)
        colours = image[..., :3] if image.shape[2] > 2 else image[..., :1]
        rgb = np.broadcast_to(colours, (*grey.shape, 3)).reshape(-1, 3)
        values = {
            "red": rgb[:, 0],
            "green": rgb[:, 1],
            "blue": rgb[:, 2],
            "grey": grey.ravel(),
            "binary": binary.ravel(),
        }
        frames.append(pd.DataFrame({"what": "image", "y": y, "x": x, **values}))
        state = patterns.checked("example/state", "u", (None,))
        offsets = patterns.checked("offsets", "iu", (len(state), 2)) + patterns.checked("example/centre", "iu", (2,))
    else:
        state = read_states(patterns)[0]
        side = int(np.ceil(np.sqrt(len(state))))
        offsets = np.stack(np.divmod(np.arange(len(state)), side), axis=1)
    frames.append(pd.DataFrame({"what": "patch", "y": offsets[:, 0], "x": offsets[:, 1], "binary": state}))
    return pd.concat([frame for frame in frames if len(frame)], ignore_index=True)


def _matrix(matrix: np.ndarray) -> pd.DataFrame:
    """The lower triangle of the FIM, block means where it is larger than a figure can show."""
    if len(matrix) > MAX_SIDE:
        edges = np.linspace(0, len(matrix), MAX_SIDE, endpoint=False).astype(int)
        sizes = np.diff([*edges, len(matrix)])
        sums = np.add.reduceat(np.add.reduceat(np.abs(matrix), edges, axis=0), edges, axis=1)
        matrix = sums / np.outer(sizes, sizes)
    row, column = np.tril_indices(len(matrix))
    return pd.DataFrame({"row": row, "column": column, "fisher_information": matrix[row, column]})


def _importance(vector: np.ndarray, mask: npt.NDArray[np.bool_]) -> pd.DataFrame:
    """One line per parameter, normalised to the largest: which unit it joins to which, and what it is."""
    n_visible, n_hidden = mask.shape
    scaled = vector / vector.max()
    visible, hidden = np.indices(mask.shape).reshape(2, -1)
    after = mask.size + n_visible
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "parameter": "weight",
                    "visible": visible,
                    "hidden": hidden,
                    "importance": weight_entries(scaled, mask).ravel(),
                }
            ),
            pd.DataFrame(
                {"parameter": "visible bias", "visible": np.arange(n_visible), "importance": scaled[mask.size : after]}
            ),
            pd.DataFrame({"parameter": "hidden bias", "hidden": np.arange(n_hidden), "importance": scaled[after:]}),
        ],
        ignore_index=True,
    ).astype({"visible": "Int64", "hidden": "Int64"})


def _diagonal(statistics: Statistics, mask: npt.NDArray[np.bool_]) -> pd.DataFrame:
    """Importance by the diagonal of the FIM; and the diagonal itself, with what 95 % intervals of it reach."""
    means = np.concatenate([statistics.pair_means[0].ravel(), *statistics.rates])
    diagonal = fisher_diagonal(means, statistics.n_samples)
    (of_visible, of_hidden), (of_pairs,) = statistics.worth
    worth = [
        np.broadcast_to(n, np.shape(mean)).ravel()
        for n, mean in zip((of_pairs, of_visible, of_hidden), (statistics.pair_means[0], *statistics.rates))
    ]
    low, high = fisher_interval(means, np.concatenate(worth) if statistics.n_samples else 0)
    return _importance(diagonal, mask).assign(fisher_information=diagonal, low_95=low, high_95=high)


def draw(panels: Mapping[str, pd.DataFrame], look: Look) -> Figure:
    """The figure, from the tables."""
    figure = plt.figure(figsize=(7.5, 7.0))
    edges = {"left": 0.085, "right": 0.935, "top": 0.945, "bottom": 0.09}
    rows = figure.add_gridspec(3, 2, height_ratios=[0.95, 1.5, 1.5], hspace=0.42, wspace=0.46, **edges)
    _draw_patch(figure, rows[0, :].subgridspec(1, 4, width_ratios=[1, 1, 1, 2.1], wspace=0.1), panels["a.csv"])
    _draw_importance(figure, rows[2, 0], panels["d.csv"], "D", "Diagonal of the FIM (local estimate)")
    of_eigenvector = "Leading eigenvector of the FIM, |entry|"
    if reason := not_computed(len(panels["d.csv"])):
        _draw_absent(figure, rows[1, 0], "B", "Fisher information matrix (FIM)", reason)
        _draw_absent(figure, rows[1, 1], "C", of_eigenvector, reason)
        _draw_absent(figure, rows[2, 1], "E", "Eigenvalues of the FIM", reason)
        return figure
    _draw_matrix(figure, rows[1, 0], panels["b.csv.gz"], panels["c.csv"])
    _draw_importance(figure, rows[1, 1], panels["c.csv"], "C", of_eigenvector)
    _draw_spectrum(figure, rows[2, 1], panels["e.csv"], look)
    return figure


def _draw_absent(figure: Figure, cell: SubplotSpec, letter: str, title: str, reason: str) -> None:
    """A panel without its data: why."""
    axes = figure.add_subplot(cell)
    panel_letter(axes, letter, dx=-0.16)
    axes.set_title(title)
    axes.set(xticks=[], yticks=[])
    axes.text(0.5, 0.5, reason, transform=axes.transAxes, ha="center", va="center", fontsize=7)


def _draw_patch(figure: Figure, grid: GridSpecBase, pixels: pd.DataFrame) -> None:
    """A: the image, its grey values, its binary values with the patch marked, and the visible layer."""
    image, patch = (pixels[pixels["what"] == what] for what in ("image", "patch"))
    axes = [figure.add_subplot(grid[0, i]) for i in range(4)]
    panel_letter(axes[0], "A", dx=-0.05)
    if len(image):
        shape = int(image["y"].max()) + 1, int(image["x"].max()) + 1
        rgb = image[["red", "green", "blue"]].to_numpy(float).reshape(*shape, 3)
        axes[0].imshow(rgb / 255 if rgb.max() > 1 else rgb)
        axes[1].imshow(image["grey"].to_numpy(float).reshape(shape), cmap="gray")
        axes[2].imshow(image["binary"].to_numpy(float).reshape(shape), cmap="gray")
        radius = np.hypot(patch["y"] - patch["y"].mean(), patch["x"] - patch["x"].mean()).max() + 0.6
        for axis in axes[:3]:
            axis.add_patch(Circle((patch["x"].mean(), patch["y"].mean()), radius, fill=False, color="#D55E00", lw=1.4))
    for axis, title in zip(axes, ("Image", "Grey: sum of channels", "Binary: at the median", "")):
        axis.set_title(title)
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(bool(title))
    _draw_network(axes[3], patch)


def _draw_network(axes: Axes, patch: pd.DataFrame) -> None:
    """The patch as the visible layer of an RBM (a sketch: few hidden units shown)."""
    n_hidden_shown = 9
    x, y = patch["x"] - patch["x"].mean(), patch["y"].mean() - patch["y"]
    lower = np.stack([1.5 * x, 1.05 * y], axis=1)
    upper = np.stack([np.linspace(-4.2, 4.2, n_hidden_shown), np.full(n_hidden_shown, 7.2)], axis=1)
    for i, (a, b) in enumerate((a, b) for a in lower for b in upper):
        axes.plot(*zip(a, b), color="#bbbbbb", lw=0.25, zorder=0, alpha=0.9 if i % 2 else 0.5)
    on = patch["binary"].to_numpy(float) > 0
    axes.scatter(lower[:, 0], lower[:, 1], s=36, c=np.where(on, "white", INK), edgecolors=INK, linewidths=0.8, zorder=2)
    axes.scatter(upper[:, 0], upper[:, 1], s=36, c=DATA_COLOUR, edgecolors=INK, linewidths=0.6, zorder=2)
    axes.text(0, 8.0, "hidden units (9 drawn)", ha="center", va="bottom", fontsize=7)
    axes.text(
        0, lower[:, 1].min() - 1.0, f"visible layer: {len(patch)} pixels (white = 1)", ha="center", va="top", fontsize=7
    )
    axes.set(xlim=(-5, 5), ylim=(lower[:, 1].min() - 3.0, 9.0))


def _draw_matrix(figure: Figure, cell: SubplotSpec, triangle: pd.DataFrame, importance: pd.DataFrame) -> None:
    """B: the FIM of one machine on a logarithmic scale, its share of entries near 0 in the title."""
    side = int(triangle["row"].max()) + 1
    matrix = np.zeros((side, side))
    matrix[triangle["row"], triangle["column"]] = matrix[triangle["column"], triangle["row"]] = triangle[
        "fisher_information"
    ]
    size, top = np.abs(matrix), np.abs(matrix).max()
    axes = figure.add_subplot(cell)
    panel_letter(axes, "B", dx=-0.2)
    shown = axes.imshow(
        np.maximum(size, 1e-5 * top), norm=LogNorm(1e-5 * top, top), cmap="magma", interpolation="antialiased"
    )
    near_zero = np.mean(size < 0.01 * top)
    axes.set_title(
        f"Fisher information matrix, one machine\n{100 * near_zero:.0f} % of entries below 1 % of the largest"
    )
    n_weights = int((importance["parameter"] == "weight").sum())
    biases = len(importance) - n_weights
    axes.set_xlabel(f"parameter ({n_weights} weights, then {biases} biases)")
    axes.set_ylabel("parameter")
    bar = figure.colorbar(shown, ax=axes, fraction=0.046, pad=0.03)
    bar.set_label("|F| (nats / parameter²)")


def _draw_spectrum(figure: Figure, cell: SubplotSpec, spectra: pd.DataFrame, look: Look) -> None:
    """E: eigenvalues of the FIM of every initial machine, and the ratio of the first two."""
    axes = figure.add_subplot(cell)
    panel_letter(axes, "E", dx=-0.16)
    for _, one in spectra.groupby("seed"):
        positive = one[one["eigenvalue"] > 0]
        axes.loglog(positive["rank"], positive["eigenvalue"], color=DATA_COLOUR, lw=0.7, alpha=0.6)
    first, second = (spectra[spectra["rank"] == rank].sort_values("seed")["eigenvalue"].to_numpy() for rank in (1, 2))
    ratio = first / second
    quartiles = np.percentile(ratio, [25, 75])
    axes.set_title(f"Eigenvalues of the FIM, n = {len(first)} machines")
    axes.text(
        0.97, 0.95,
        f"λ₀ = {np.median(first):.3g},  λ₁ = {np.median(second):.3g}\nλ₀/λ₁ = {np.median(ratio):.3g} "
        f"[{quartiles[0]:.3g}, {quartiles[1]:.3g}]\n(median [quartiles])",
        transform=axes.transAxes, ha="right", va="top", fontsize=7,
    )  # fmt: skip
    for rank in (1, 2) if look.published else ():
        for one in of_column(f"eigenvalue_{rank}", "patches"):
            axes.plot(rank, one.low, "D", ms=5, mfc="none", mec=INK, label="the paper" if rank == 1 else None)
    if look.published:
        axes.legend(loc="lower left")
    axes.set(xlabel="rank", ylabel="eigenvalue (nats / parameter²)", ylim=(spectra["eigenvalue"].max() * 1e-7, None))


def _draw_importance(figure: Figure, cell: SubplotSpec, importance: pd.DataFrame, letter: str, title: str) -> None:
    """C, D: weights as a map of visible by hidden units, hidden biases above, visible biases and scale at the right."""
    grid = cell.subgridspec(2, 3, height_ratios=[1, 9], width_ratios=[22, 1.2, 0.8], hspace=0.08, wspace=0.09)
    part = dict(list(importance.groupby("parameter")))
    weights = part["weight"].pivot(index="visible", columns="hidden", values="importance").to_numpy()
    look: dict[str, Any] = {"cmap": IMPORTANCE_MAP, "vmin": 0, "vmax": 1, "aspect": "auto", "interpolation": "nearest"}
    top, main, right, scale = (figure.add_subplot(grid[place]) for place in ((0, 0), (1, 0), (1, 1), (1, 2)))
    panel_letter(top, letter, dx=-0.1)
    top.set_title(title)
    top.imshow(part["hidden bias"]["importance"].to_numpy()[None], **look)
    shown = main.imshow(weights, **look)
    right.imshow(part["visible bias"]["importance"].to_numpy()[:, None], **look)
    for axes in (top, right):
        axes.set(xticks=[], yticks=[])
    top.set_ylabel("$b_h$", rotation=0, ha="right", va="center")
    right.set_title("$b_v$", fontsize=7)
    main.set(xlabel="hidden unit", ylabel="visible unit", yticks=range(0, len(weights), max(1, len(weights) // 4)))
    figure.colorbar(shown, cax=scale).set_label("importance / largest")
