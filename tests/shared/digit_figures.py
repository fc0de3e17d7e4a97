"""Figures of the digits as objects, and what one finds in them."""

import importlib
import itertools

import matplotlib.pyplot as plt
import numpy as np
from digit_tables import Digits
from matplotlib.backends.backend_agg import FigureCanvasAgg

from boltzprune.report.figures import module_of
from boltzprune.report.figures.style import RC, Look, _settle

CRITERIA = ["variance_fi", "weight_magnitude", "anti_fi"]
LAST = {"variance_fi": 2, "anti_fi": 1}


def small_study(folder):
    """3 criteria, 3 iterations, 5 seeds, images of 11 x 7 pixels, 3 classes; maps without any symmetry."""
    study = Digits(folder, CRITERIA, iterations=3, seeds=5, shape=(11, 7), n_classes=3)
    pixels = study.tables["digits_pixels"]
    pixels["disconnected"] = np.random.default_rng(3).integers(0, 6, len(pixels)) / 5
    study.write()
    return study


def tables(study, name):
    return importlib.import_module(module_of(name)).panels(study.inputs(name))


def drawn(study, name, frames=None, spec=None, **how):
    """The figure as an object."""
    spec = spec or study.spec(name)
    look = Look(spec["criteria"], spec["colours"], spec["study"], **how)
    with plt.rc_context(RC):
        made = importlib.import_module(module_of(name)).draw(frames or tables(study, name), look)
        _settle(made)
    plt.close(made)
    return made


def inside(box, other, slack=1.5):
    return (
        box.x0 >= other.x0 - slack
        and box.y0 >= other.y0 - slack
        and box.x1 <= other.x1 + slack
        and box.y1 <= other.y1 + slack
    )


def assert_laid_out(made):
    """Nothing of a figure overlaps, and nothing is cut off."""
    renderer = FigureCanvasAgg(made).get_renderer()
    boxes = [axes.get_tightbbox(renderer) for axes in made.axes]
    for box in boxes:
        assert inside(box, made.bbox)
    for one, other in itertools.combinations(boxes, 2):
        width = min(one.x1, other.x1) - max(one.x0, other.x0)
        height = min(one.y1, other.y1) - max(one.y0, other.y0)
        assert min(width, height) < 3, (one, other)
    for part in (made, *made.subfigs):
        for legend in part.legends:
            box = legend.get_window_extent(renderer)
            assert inside(box, made.bbox)
            assert not any(box.overlaps(other) for other in boxes)
            assert box.y0 > 12  # above the line about the study


def axes_titled(made, *words):
    found = [axes for axes in made.axes if all(word in axes.get_title() + axes.get_title("left") for word in words)]
    assert len(found) == 1, words
    return found[0]


def bars(axes, label):
    """What one errorbar shows: x, y, and half lengths of the bars along x and y."""
    (container,) = (one for one in axes.containers if one.get_label() == label)
    line, _, collections = container
    halves = [np.diff(np.array(one.get_segments()), axis=1)[:, 0] / 2 for one in collections]
    return *line.get_data(), halves
