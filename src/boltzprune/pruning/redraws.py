"""How far a pruning is decided: what the same criterion would keep if the samples behind its statistics were others.

Statistics of samples have errors, and a weight near the threshold stays or goes by chance. So the statistics are drawn
again, many times, from what the samples say of their distribution, and the criterion decides every time.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from boltzprune.core.streams import fork
from boltzprune.pruning.evidence import read_only
from boltzprune.pruning.prune import chosen, saliencies, shown_of, tie_breakers

if TYPE_CHECKING:
    from boltzprune.core.fisher import Statistics
    from boltzprune.core.machine import BoltzmannMachine
    from boltzprune.pruning.criteria import Criterion

N_REDRAWS = 40


@dataclass(frozen=True)
class Decided:
    """What redrawn statistics decide of the weights of one layer.

    Attributes
    ----------
    probability : (n_lower, n_upper) float64
        P(kept): the share of the redraws in which a weight stays; NaN where the machine has none.
    undecided : float, in [0, 1]
        Share of the weights that stay in some redraws and go in others.
    kept_again : float, in [0, 1]
        Of the weights that one redraw keeps, the share that another one keeps too, on average over all pairs of them:
        two sets of samples differ by more than each of them does from the truth. NaN if no weight stays in any.
    """

    probability: npt.NDArray[np.float64]
    undecided: float
    kept_again: float


def redrawn(
    statistics: "Statistics", masks: Sequence[npt.NDArray[np.bool_]], random: np.random.Generator
) -> "Statistics":
    """Statistics of other samples: every mean p of n independent samples becomes Binomial(n, p) / n.

    Where samples depend on each other, or probabilities stand for states, n is how many independent samples leave as
    much to chance when their states are counted (`Statistics.worth`). Means are drawn one by one: that neighbouring
    weights share samples plays no part. A pair is never more often on than the rarer of its units. Of pairs without a
    weight (`masks`) the mean stays as it is.
    """
    of_rates, of_pairs = statistics.worth
    rates = [_binomial(mean, n, random) for mean, n in zip(statistics.rates, of_rates, strict=True)]
    pairs = [mean.copy() for mean in statistics.pair_means]
    for mean, n, mask, lower, upper in zip(pairs, of_pairs, masks, rates[:-1], rates[1:], strict=True):
        rarer = np.minimum.outer(lower, upper)[mask]
        mean[mask] = np.minimum(_binomial(mean[mask], np.broadcast_to(n, mask.shape)[mask], random), rarer)
    return replace(statistics, rates=tuple(rates), pair_means=tuple(pairs))


def _binomial(mean: np.ndarray, n: Any, random: np.random.Generator) -> npt.NDArray[np.float64]:
    """Means of other samples: an array like `mean`."""
    whole = np.maximum(1, np.rint(n)).astype(np.int64)
    return random.binomial(whole, mean) / whole


def decided(
    machine: "BoltzmannMachine",
    statistics: "Statistics",
    criterion: "Criterion",
    name: str,
    pruning: Any,
    seed: int,
    iteration: int,
) -> list[Decided]:
    """Let the criterion choose by `N_REDRAWS` redrawn statistics; parameters as of `prune.prune`.

    Returns
    -------
    list of Decided
        Of each weight layer. If the statistics are exact, every weight is decided.

    Raises
    ------
    InputError
        If the criterion misbehaves with redrawn statistics.
    """
    shown = shown_of(machine, statistics, criterion, name, pruning, seed, iteration)
    ties = tie_breakers(machine, seed, iteration)
    random = np.random.Generator(np.random.Philox(int(fork(seed, "samples drawn again", iteration))))

    def kept(found: "Statistics") -> list[npt.NDArray[np.bool_]]:
        of_layers = zip(shown, found.rates[:-1], found.rates[1:], found.pair_means, strict=True)
        evidence = [
            replace(one, lower_rate=read_only(lower), upper_rate=read_only(upper), pair_mean=read_only(pairs))
            for one, lower, upper, pairs in of_layers
        ]
        return chosen(machine, saliencies(criterion, name, evidence), criterion, pruning, ties)[0]

    ours, counts = kept(statistics), [np.zeros(mask.shape) for mask in machine.masks]
    for _ in range(N_REDRAWS):
        others = kept(redrawn(statistics, machine.masks, random)) if statistics.n_samples else ours
        for count, mask in zip(counts, others):
            count += mask
    return [_summary(*layer) for layer in zip(counts, machine.masks)]


def _summary(count: np.ndarray, mask: npt.NDArray[np.bool_]) -> Decided:
    """What the redraws say of one layer: in how many of them each weight stays, and which weights there are."""
    share = np.where(mask, count / N_REDRAWS, np.nan)
    undecided = float(((share > 0) & (share < 1))[mask].mean())
    kept, twice = count[mask].sum(), (count * (count - 1))[mask].sum() / (N_REDRAWS - 1)
    return Decided(share, undecided, float(twice / kept) if kept else np.nan)
