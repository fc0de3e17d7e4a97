"""THE list of numbers that the authors have published, each with where it was read and how precisely.

Tables, claims and figures show them beside those of a study of the paper's size. What is not here could not be read:
Table 1 of the paper is an image in every copy that was at hand, and so are its Figures 2 to 4.

The curves of the digits were read off the figures in the authors' notebook: a copy of each curve was drawn and fitted
to the pixels. That is precise to 0.3 % of a number of weights, which is known for two criteria (279,236 x 0.9^k).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

SIZE: dict[str, dict[str, Any]] = {
    "patches": {"data.source": "cifar10", "data.radius": 2.1, "data.n_patterns": 90_000, "machine.n_hidden": 70},
    "digits": {
        "data.source": "mnist",
        "data.crop": 4,
        "data.n_train": None,
        "machine.receptive_field": 5,
        "machine.n_hidden": [400, 676],
    },
}
"""Experiment -> keys and values of the paper without which none of its numbers is comparable."""


@dataclass(frozen=True)
class Source:
    """Where numbers were read.

    Attributes
    ----------
    name : str
        In tables.
    where : str
        In full.
    n : int
        Machines behind each number.
    settings : dict of str -> value
        Keys of the experiment that a study must share besides, for its pruned machines to be comparable.
    """

    name: str
    where: str
    n: int
    settings: Mapping[str, Any] = field(default_factory=dict)


_NOTEBOOK = "github.com/carolinscholl/boltzmann-machines, plotting/"
SOURCES = {
    "text": Source("text", "Scholl, Rule and Hennig (2021), text", 10),
    "example": Source("text, Figure 1", "Scholl, Rule and Hennig (2021), text: one machine, that of the notebook", 1),
    "patches run": Source(
        "notebook", f"{_NOTEBOOK}CIFAR_RBM.ipynb, commit e07e8fa, cells 12 and 19: one run of the preprint's code", 1
    ),
    "digits run": Source(
        "notebook",
        f"{_NOTEBOOK}MNIST_DBM.ipynb, commit de42113, cells 13 to 21: one run of the preprint's code, which prunes a "
        "tenth of both weight layers; read off its figures",
        1,
        {"pruning.fraction": [0.1, 0.1]},
    ),
}
"""Short name -> source."""


@dataclass(frozen=True)
class Value:
    """One published number, or range.

    Attributes
    ----------
    experiment : str
    column : str
        Of the table that has the same quantity of a study.
    low, high : float
        The number, twice, or the ends of a range over machines.
    error : float
        How far they may be off: half of the last digit that is given, or what reading them off a figure leaves.
    source : str
        One of `SOURCES`.
    criterion : str
        Of the machines; in table digits_references the baseline.
    iteration : int
    table : str
        Of `tidy.TABLES`.
    """

    experiment: str
    column: str
    low: float
    high: float
    error: float
    source: str
    criterion: str = "none"
    iteration: int = 0
    table: str = "metrics"

    @property
    def phase(self) -> str:
        """Of the machines."""
        return "retrained" if self.iteration else "initial"

    @property
    def in_words(self) -> str:
        """The number or the range, as it was published."""
        low, high = (f"{end:,.0f}" if end >= 1000 else f"{end:g}" for end in (self.low, self.high))
        return low if low == high else f"{low} to {high}"


def _number(experiment: str, column: str, value: float, error: float, source: str, **where: Any) -> Value:
    """A number with its reading error."""
    return Value(experiment, column, value, value, error, source, **where)


PATCHES_UNITS = {
    "variance_fi": (69, 50, 9),
    "heuristic_fi": (61, 50, 10),
    "eigenvector": (65, 48, 9),
    "weight_magnitude": (70, 62, 35),
    "random_weights": (70, 68, 60),
    "anti_fi": (57, 49, 35),
}
"""Hidden units after each iteration, printed in the notebook."""

KEPT_TENTHS = tuple(round(279_236 * 0.9**k) for k in range(1, 11))
DIGITS_RUN: dict[str, dict[str, Sequence[float | None]]] = {
    "variance_fi": {
        "n_weights": (62_081, 46_548, 39_296, 33_136, 28_173, 24_318, 21_114, 18_654, 16_039, 13_540),
        "encoding_error": (0.0509, 0.0542, 0.0572, 0.0611, 0.0732, 0.0778, 0.0763, 0.0835, 0.0919, 0.0991),
        "n_units_1": (399, 391, 385, 372, 360, 346, 331, 321, 299, 277),
        "n_units_2": (146, 114, 100, 90, 80, 74, 66, 60, 56, 54),
        "quality_class_mean": (0.875, 0.8513, 0.8607, 0.8206, 0.8253, 0.8329, 0.8247, 0.8183, 0.8001, 0.8041),
    },
    "heuristic_fi": {
        "n_weights": (66_752, 41_913, 32_453, 26_011, 22_492, 19_467, 16_836, 14_935, 13_245, 11_469),
        "encoding_error": (0.0596, 0.0702, 0.0732, 0.0841, 0.0975, 0.1261, 0.1173, 0.1484, 0.1323, 0.1624),
        "n_units_1": (397, 391, 373, 357, 346, 329, 311, 303, 297, 280),
        "n_units_2": (150, 88, 70, 56, 50, 45, 41, 37, 34, 31),
        "quality_class_mean": (0.855, 0.8352, 0.8193, 0.8268, 0.81, 0.782, 0.8087, 0.7948, 0.7946, 0.795),
    },
    "weight_magnitude": {
        "n_weights": KEPT_TENTHS,
        "encoding_error": (0.0468, 0.0461, 0.045, 0.0431, 0.0434, 0.044, 0.0435, 0.0433, 0.0424, 0.0423),
        "n_units_1": (400,) * 10,
        "n_units_2": (676,) * 10,
        "quality_class_mean": (0.8771, 0.875, 0.8732, 0.8771, 0.8734, 0.8764, 0.8807, 0.877, 0.8714, 0.8716),
    },
    "random_weights": {
        "n_weights": KEPT_TENTHS,
        "encoding_error": (0.0576, 0.0582, 0.0649, 0.0719, 0.0726, 0.0772, 0.0814, 0.0818, 0.0862, 0.0964),
        "n_units_1": (400,) * 10,
        "n_units_2": (676,) * 10,
        "quality_class_mean": (0.8629, 0.8593, 0.8497, 0.843, 0.8334, 0.8223, 0.8309, 0.8155, 0.8247, 0.8161),
    },
    "anti_fi": {
        "n_weights": (250_145, 238_730, 234_042, 230_102, 226_228, 221_901, 217_758, 213_044, 208_966, 194_854),
        "encoding_error": (0.1052, 0.567, 0.6297, 0.6035, 0.6786, 0.7949, 0.8874, 0.8061, 0.8874, 0.8874),
        "n_units_1": (398, 396, 393, 391, 389, 385, 380, 374, 369, 348),
        "n_units_2": (*[None] * 9, 645),
        "quality_class_mean": (0.8341, 0.7679, 0.7614, 0.75, 0.7377, 0.7307, 0.7184, 0.7013, 0.6684, 0.6379),
    },
}
"""After each of ten iterations, retrained. Units that the figure does not tell apart: None."""
READING_ERROR = {"encoding_error": 0.0005, "n_units_1": 2, "n_units_2": 2, "quality_class_mean": 0.003}
"""Of `DIGITS_RUN`, at most; Anti-FI: `ANTI_FI_ERROR`. Numbers of weights: 0.3 %."""
ANTI_FI_ERROR = {"encoding_error": 0.003, "n_units_1": 1, "n_units_2": 5, "quality_class_mean": 0.003}


def _of_digits_run() -> Iterator[Value]:
    """The curves, number by number."""
    for criterion, curves in DIGITS_RUN.items():
        for column, numbers in curves.items():
            for iteration, number in enumerate(numbers, start=1):
                if number is not None:
                    errors = ANTI_FI_ERROR if criterion == "anti_fi" else READING_ERROR
                    error = errors.get(column, 0.003 * number)
                    where: dict[str, Any] = {"criterion": criterion, "iteration": iteration, "table": "digits_metrics"}
                    yield _number("digits", column, number, error, "digits run", **where)


def _reference(name: str, column: str, value: float, error: float, source: str) -> Value:
    """A number about a baseline of the digits."""
    return _number("digits", column, value, error, source, criterion=name, table="digits_references")


_INITIAL: dict[str, Any] = {"table": "digits_metrics"}
PUBLISHED: tuple[Value, ...] = (
    _number("patches", "eigenvalue_1", 23.97, 0.005, "example"),
    _number("patches", "eigenvalue_2", 1.60, 0.005, "example"),
    *(
        _number("patches", "n_hidden", number, 0, "patches run", criterion=criterion, iteration=iteration)
        for criterion, numbers in PATCHES_UNITS.items()
        for iteration, number in enumerate(numbers, start=1)
    ),
    _number("digits", "n_weights", 279_236, 0, "text", **_INITIAL),
    _number("digits", "n_weights_1", 8836, 0, "text", **_INITIAL),
    Value("digits", "activity_1", 0.37, 0.43, 0.005, "text", **_INITIAL),
    Value("digits", "activity_2", 0.0006, 0.018, 0.0005, "text", **_INITIAL),
    Value("digits", "share", 0.07, 0.18, 0.005, "text", table="digits_classes"),
    _number("digits", "encoding_error", 0.0491, 0.0002, "digits run", **_INITIAL),
    _number("digits", "quality_class_mean", 0.8846, 0.0015, "digits run", **_INITIAL),
    _reference("raw", "error", 0.0841, 0.0004, "digits run"),
    _reference("test_digits", "diversity", 2.30, 0.005, "text"),
    _reference("test_digits", "quality_class_mean", 0.903, 0.0015, "digits run"),
    *_of_digits_run(),
)
"""All of them, in the order of the paper."""


def of_column(column: str, experiment: str = "digits") -> list[Value]:
    """The published numbers of one column, in the order of the list; those of baselines are not among them.

    Parameters
    ----------
    column : str
        Of the table of metrics, or of classes.
    experiment : str
    """
    return [
        value
        for value in PUBLISHED
        if (value.experiment, value.column) == (experiment, column) and value.table != "digits_references"
    ]
