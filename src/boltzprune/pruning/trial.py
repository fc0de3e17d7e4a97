"""Try a criterion on small weight layers as studies have them, before a study does: what `check-criterion` shows."""

import time
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from boltzprune.core.fisher import Statistics
from boltzprune.core.streams import fork, uniform_double
from boltzprune.errors import InputError
from boltzprune.pruning.criteria import CRITERIA, Criterion, Evidence, resolve, saliency_of

SHAPE = (13, 11)
WIDE = (401, 677)
"""Lower and upper units of the layer whose time is taken: about as large as h1-h2 of the paper's digits."""
N_SAMPLES = 1009
COMPARED = ("variance_fi", "heuristic_fi", "weight_magnitude")


class Case(NamedTuple):
    """A weight layer that criteria are tried on.

    Attributes
    ----------
    name : str
        What is special about it.
    evidence : Evidence
    """

    name: str
    evidence: Evidence


@dataclass(frozen=True)
class Trial:
    """What became of a criterion.

    Attributes
    ----------
    name : str
    criterion : Criterion or None
        None if it could not be loaded.
    problems : tuple of str
        One for each case that it failed, in words; empty if it can be used.
    correlations : dict of str -> float
        Rank correlation with criteria of the list; NaN where it gives all weights the same saliency.
    seconds : float
        For a weight layer of 401 x 677 units.
    """

    name: str
    criterion: Criterion | None
    problems: tuple[str, ...]
    correlations: dict[str, float]
    seconds: float


def cases() -> list[Case]:
    """Weight layers with everything that a criterion meets in a study."""
    layer = _layer(SHAPE)
    silent = _quiet(layer, lower=[2], upper=[3, 7])
    mask = layer.mask.copy()
    mask[:, 5], mask[4] = False, False
    pruned = _masked(layer, mask)
    exact = replace(layer, n_samples=0)
    one = _masked(layer, (np.arange(mask.size) == 17).reshape(SHAPE))
    return [
        Case("a layer as it is trained", layer),
        Case("units that are never active, and one that always is", silent),
        Case("units without any weight, as pruning leaves them", pruned),
        Case("exact means (n_samples is 0)", exact),
        Case("a single weight that is left", one),
    ]


def _layer(shape: tuple[int, int]) -> Evidence:
    """A weight layer with random weights and activity that agree with each other; no array can be written to."""
    lower, upper = shape
    numbers = uniform_double(fork(0, "trial of a criterion"), 0, 0, np.arange(lower), 4 * upper)
    weights = (4 * (numbers[:, :upper] - 0.5)).astype(np.float32)
    mask = numbers[:, upper : 2 * upper] < 0.8
    v, h = 0.1 + 0.8 * numbers[:, 2 * upper], 0.05 + 0.6 * numbers[0, 2 * upper : 3 * upper]
    together = np.outer(v, h) * (1 + 0.3 * np.tanh(weights))
    pair_mean = np.minimum(together, 0.95 * np.minimum.outer(v, h))
    statistics = Statistics(N_SAMPLES, (v, h), (np.rint(pair_mean * N_SAMPLES) / N_SAMPLES,))
    return _frozen(
        Evidence(
            weights=np.where(mask, weights, np.float32(0)),
            mask=mask,
            lower_rate=statistics.rates[0],
            upper_rate=statistics.rates[1],
            pair_mean=statistics.pair_means[0],
            n_samples=N_SAMPLES,
            eigenvector=np.where(mask, pair_mean / np.linalg.norm(pair_mean), 0.0),
            uniform_weights=numbers[:, 3 * upper :],
            uniform_units=numbers[1, :upper],
            options={"eigenvector_entry": "magnitude", "variance_weighting": "none"},
        )
    )


def _masked(layer: Evidence, mask: np.ndarray) -> Evidence:
    """A layer in which only these weights exist."""
    return _frozen(replace(layer, mask=mask, weights=np.where(mask, layer.weights, np.float32(0))))


def _quiet(layer: Evidence, lower: list[int], upper: list[int]) -> Evidence:
    """A layer in which some upper units are never active, and some lower ones always."""
    v, h, pairs = layer.lower_rate.copy(), layer.upper_rate.copy(), layer.pair_mean.copy()
    v[lower], h[upper] = 1.0, 0.0
    pairs[lower] = h
    pairs[:, upper] = 0.0
    return _frozen(replace(layer, lower_rate=v, upper_rate=h, pair_mean=pairs))


def _frozen(evidence: Evidence) -> Evidence:
    """Evidence whose arrays cannot be written to, as that of studies."""
    for value in vars(evidence).values():
        if isinstance(value, np.ndarray):
            value.flags.writeable = False
    return evidence


def trial(name: str) -> Trial:
    """Load a criterion and try it on every case.

    Parameters
    ----------
    name : str
        file.py:function, or a name of the list.

    Returns
    -------
    Trial
    """
    try:
        criterion = resolve(name)
    except InputError as error:
        return Trial(name, None, (str(error),), {}, float("nan"))
    found: dict[str, np.ndarray] = {}
    problems: dict[str, list[str]] = {}
    for case in cases():
        try:
            found[case.name] = saliency_of(criterion, name, _shown(case.evidence, criterion))
        except InputError as error:
            problems.setdefault(str(error), []).append(case.name)
    if problems:
        told = tuple(f"{'; '.join(where) if found else 'always'}: {text}" for text, where in problems.items())
        return Trial(name, criterion, told, {}, float("nan"))
    wide = _shown(_layer(WIDE), criterion)
    start = time.perf_counter()
    saliency_of(criterion, name, wide)
    seconds = time.perf_counter() - start
    return Trial(name, criterion, (), _correlations(next(iter(found.values())), name), seconds)


def _shown(evidence: Evidence, criterion: Criterion) -> Evidence:
    """What a criterion is shown: the eigenvector and options only if it asks for them."""
    options = {key: value for key, value in evidence.options.items() if key in criterion.options}
    return replace(
        evidence, eigenvector=evidence.eigenvector if criterion.needs == "eigenvector" else None, options=options
    )


def _correlations(saliency: np.ndarray, name: str) -> dict[str, float]:
    """Rank correlation of a saliency with those of the list, over the weights of the first case."""
    from scipy.stats import spearmanr

    layer, found = cases()[0].evidence, dict[str, float]()
    for other in COMPARED:
        theirs: Any = saliency_of(CRITERIA[other], other, _shown(layer, CRITERIA[other]))
        both = saliency[layer.mask], theirs[layer.mask]
        found[other] = float(spearmanr(*both)[0]) if np.ptp(both[0]) > 0 else float("nan")
    return {other: value for other, value in found.items() if other != name}
