"""Figure 1 as an object: what each panel draws is what its table says, and no other table."""

import numpy as np
import pandas as pd
import pytest
from digit_figures import axes_titled, drawn, tables
from matplotlib.colors import LogNorm, to_hex
from patch_figures import N_HIDDEN, N_PARAMETERS, N_VISIBLE, SEEDS, SHAPE, PatchStudy, letters

from boltzprune.report.figures.style import INK

N_WEIGHTS = N_VISIBLE * N_HIDDEN
PANELS = {
    "A": "Image",
    "B": "Fisher information matrix, one machine",
    "C": "Leading eigenvector of the FIM, |entry|",
    "D": "Diagonal of the FIM (local estimate)",
    "E": f"Eigenvalues of the FIM, n = {len(SEEDS)} machines",
}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return PatchStudy(tmp_path_factory.mktemp("patches"))


@pytest.fixture(scope="module")
def made(study):
    return drawn(study, "fig1")


def shown(axes):
    """The one image of some axes."""
    [image] = axes.images
    return np.asarray(image.get_array())


def test_each_letter_stands_at_its_panel(made):
    assert {letter: axes.get_title().split("\n")[0] for letter, axes in letters(made).items()} == PANELS


def test_panel_a_shows_image_grey_and_binary_with_the_patch_marked(study, made):
    image, grey, binary = (study.example[f"example/{name}"] for name in ("image", "grey", "binary"))
    for title, expected in (
        ("Image", image / 255),
        ("Grey: sum of channels", grey),
        ("Binary: at the median", binary),
    ):
        axes = axes_titled(made, title)
        assert np.array_equal(shown(axes), expected)
        [circle] = axes.patches
        assert circle.center == (14, 5)  # x, y
        assert 2 < circle.radius < 3
        assert axes.yaxis_inverted() and not axes.xaxis_inverted()
    for title in ("Grey: sum of channels", "Binary: at the median"):
        picture = axes_titled(made, title).images[0]
        low, high = picture.get_clim()
        assert picture.to_rgba(high) == (1, 1, 1, 1) and picture.to_rgba(low) == (0, 0, 0, 1)  # bright: large


def test_an_image_of_fractions_is_shown_as_it_is(study):
    frames = tables(study, "fig1")
    colours = ["red", "green", "blue"]
    frames["a.csv"] = frames["a.csv"].assign(**{c: frames["a.csv"][c] / 510 for c in colours})
    assert shown(axes_titled(drawn(study, "fig1", frames), "Image")).max() == study.example["example/image"].max() / 510


def test_panel_a_shows_the_patch_as_the_visible_layer(study, made):
    [axes] = (axes for axes in made.axes if any("visible layer" in text.get_text() for text in axes.texts))
    assert {text.get_text() for text in axes.texts} == {
        "hidden units (9 drawn)",
        "visible layer: 13 pixels (white = 1)",
    }
    visible, hidden = axes.collections
    y, x = study.example["offsets"].T
    places = np.asarray(visible.get_offsets())
    assert places == pytest.approx(np.stack([1.5 * x, -1.05 * y], axis=1))  # the upper pixels above
    colours = [to_hex(colour) for colour in visible.get_facecolors()]
    assert colours == ["#ffffff" if state else INK for state in study.example["example/state"]]
    assert len(hidden.get_offsets()) == 9
    assert np.asarray(hidden.get_offsets())[:, 1].min() > places[:, 1].max()


def test_panel_b_is_the_matrix_of_the_machine_that_has_one(study, made):
    matrix = np.abs(study.statistics[0]["fisher_matrix"].astype(float))
    axes, top = letters(made)["B"], matrix.max()
    assert shown(axes) == pytest.approx(np.maximum(matrix, 1e-5 * top))
    norm = axes.images[0].norm
    assert type(norm) is LogNorm and (norm.vmin, norm.vmax) == pytest.approx((1e-5 * top, top))
    assert (
        axes.get_title().split("\n")[1]
        == f"{100 * np.mean(matrix < 0.01 * top):.0f} % of entries below 1 % of the largest"
    )
    assert axes.get_xlabel() == "parameter (91 weights, then 20 biases)"
    assert axes.get_ylabel() == "parameter"
    assert axes.images[0].colorbar.ax.get_ylabel() == "|F| (nats / parameter²)"


def test_panel_b_keeps_the_place_of_each_entry(study):
    """Row and column are those of the table, which is no square: entries that a symmetric matrix could hide."""
    frames = tables(study, "fig1")
    table = frames["b.csv.gz"]
    table["fisher_information"] = np.where((table["row"] == 83) & (table["column"] == 2), 7.0, 1e-9)
    image = shown(letters(drawn(study, "fig1", frames))["B"])
    assert {tuple(place) for place in np.argwhere(image == 7.0)} == {(83, 2), (2, 83)}


def importance(study, letter):
    """What panel C or D has to show, of all parameters."""
    found = study.statistics[0]
    if letter == "C":
        entries = np.abs(found["eigenvectors"][0])
        return entries / entries.max()
    means = np.concatenate([found["pair_mean0"].ravel(), found["rate0"], found["rate1"]])
    return means * (1 - means) / (means * (1 - means)).max()


@pytest.mark.parametrize("letter", ["C", "D"])
def test_panels_c_and_d_show_weights_and_both_biases(study, made, letter):
    expected, first = importance(study, letter), made.axes.index(letters(made)[letter])
    top, main, right, scale = made.axes[first : first + 4]
    assert shown(main) == pytest.approx(expected[:N_WEIGHTS].reshape(N_VISIBLE, N_HIDDEN))
    assert shown(right) == pytest.approx(expected[N_WEIGHTS : N_WEIGHTS + N_VISIBLE, None])
    assert shown(top) == pytest.approx(expected[None, N_WEIGHTS + N_VISIBLE :])
    assert {axes.images[0].get_clim() for axes in (top, main, right)} == {(0, 1)}
    assert len({axes.images[0].get_cmap().name for axes in (top, main, right)}) == 1
    assert (main.get_xlabel(), main.get_ylabel()) == ("hidden unit", "visible unit")
    assert (top.get_ylabel(), right.get_title()) == ("$b_h$", "$b_v$")
    assert scale.get_ylabel() == "importance / largest"
    assert main.images[0].colorbar.ax is scale


def test_panel_c_is_no_other_than_that_of_its_own_table(study):
    frames = tables(study, "fig1")
    swapped = frames | {"c.csv": frames["d.csv"], "d.csv": frames["c.csv"]}
    for letter, other in (("C", "D"), ("D", "C")):
        places = letters(drawn(study, "fig1", swapped))
        assert places[letter].get_title() == PANELS[letter]
        hidden = importance(study, other)[None, N_WEIGHTS + N_VISIBLE :]
        assert shown(places[letter]) == pytest.approx(hidden)


def test_panel_e_has_a_line_for_each_machine(study, made):
    axes = letters(made)["E"]
    assert len(axes.lines) == len(SEEDS)
    for line, seed in zip(axes.lines, SEEDS):
        assert line.get_xdata().tolist() == list(range(1, N_PARAMETERS + 1))
        assert line.get_ydata() == pytest.approx(study.statistics[seed]["eigenvalues"])
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("rank", "eigenvalue (nats / parameter²)")


def test_panel_e_says_the_ratio_of_the_first_two_eigenvalues(study, made):
    first, second = (np.array([study.statistics[seed]["eigenvalues"][k] for seed in SEEDS]) for k in (0, 1))
    low, middle, high = np.percentile(first / second, [25, 50, 75])
    [text] = (text.get_text() for text in letters(made)["E"].texts if "λ" in text.get_text())
    assert text == (
        f"λ₀ = {np.median(first):.3g},  λ₁ = {np.median(second):.3g}\n"
        f"λ₀/λ₁ = {middle:.3g} [{low:.3g}, {high:.3g}]\n(median [quartiles])"
    )


def test_tables_are_of_the_right_arrays(study):
    frames = tables(study, "fig1")
    assert frames["c.csv"]["importance"].to_numpy() == pytest.approx(importance(study, "C"))
    assert frames["d.csv"]["importance"].to_numpy() == pytest.approx(importance(study, "D"))
    assert frames["d.csv"]["fisher_information"].max() != pytest.approx(1.0)
    patch = frames["a.csv"][frames["a.csv"]["what"] == "patch"]
    assert (patch[["y", "x"]].to_numpy() == study.example["offsets"] + [5, 14]).all()
    assert patch["binary"].tolist() == study.example["example/state"].tolist()
    image = frames["a.csv"][frames["a.csv"]["what"] == "image"]
    assert (image["y"] * SHAPE[1] + image["x"]).tolist() == list(range(SHAPE[0] * SHAPE[1]))
    for place, colour in enumerate(("red", "green", "blue")):
        assert image[colour].tolist() == study.example["example/image"][..., place].ravel().tolist()
    assert isinstance(frames["e.csv"], pd.DataFrame) and set(frames["e.csv"]["seed"]) == set(SEEDS)
