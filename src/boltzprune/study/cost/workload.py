"""How much a job has to do, in physical units: pure functions of its stage, its settings and the sizes of its study.

A work is a dict of amounts, which say nothing about time; `rates` are seconds for one of each. What is counted is what
the loops of the CPU backend pass over in machines as they are before any pruning. A pruned machine has fewer: its loops
shrink with its units, and where single weights went they shrink once few are left. So the work of what follows a
pruning is an upper bound.
"""

import math
from collections.abc import Mapping
from typing import Any

from boltzprune.backend.cpu import loops
from boltzprune.core import schedules
from boltzprune.learning.training import course, decay_of
from boltzprune.pruning.redraws import N_REDRAWS
from boltzprune.sampling import exact, mixing, statistics
from boltzprune.study.config import JointTraining, MeanField, Training
from boltzprune.study.config.digits import RbmTraining
from boltzprune.study.cost.sizes import Sizes

Spec = Mapping[str, Any]
"""As `stages.Job.spec`: sections of the configuration as models, and single values."""
Amounts = dict[str, float]
"""Kinds of work, see `KINDS`, and how much of each."""

SWEEPS_PER_DECADE = 2.8
"""Mean-field sweeps of an image for each factor of 10 in the tolerance, of machines with a busy h2: 14.0 at 1e-5 and
18.7 at 1e-7 were measured. Where about 1 % of h2 is on, there are 1.7 to 2 (benchmarks/results/dbm.json)."""

KINDS = {
    "dense": "weights x cases, CD-1 on single cases, machines that are small or not full",
    "listed": "existing weights x steps x cases, CD-k of large machines with few weights",
    "low_rank": "weights x cases, CD-1 on single cases, large full machines",
    "products": "multiplications in matrix products of arrays",
    "array_updates": "updates by arrays: batches, or CD-k with k > 1",
    "array_weights": "weights x updates, by arrays",
    "mean_field": "weights x sweeps x images",
    "gibbs": "weights x steps x chains",
    "draws": "units x steps x chains",
    "joint_updates": "joint updates",
    "joint_weights": "weights x joint updates",
    "logistic": "images x features x classes of a logistic regression, all its iterations",
    "annealed": "units x temperatures x chains of AIS",
    "enumerated": "visible patterns x hidden units",
    "samples": "samples x units that are drawn by enumeration or counted",
    "pair_bits": "samples x pairs of units or of parameters",
    "eigen": "third power of the number of parameters",
    "diagnosed": "units x reads x chains whose memory is looked at",
    "pruned": "weights that a criterion looks at, once and again for every set of statistics that are drawn again",
    "pixels": "pixels that are read and made binary",
}
"""Name of an amount -> what is counted."""


def work(stage: str, spec: Spec, n_seeds: int, n_inputs: Mapping[str, int], found: Sizes | None) -> Amounts | None:
    """What a job has to do.

    Parameters
    ----------
    stage : str
    spec : dict
        As `stages.Job.spec`: sections of the configuration as models, and single values.
    n_seeds : int
    n_inputs : dict of str to int
        How many files it is given under each name.
    found : sizes.Sizes or None
        Of its experiment.

    Returns
    -------
    dict of str to float
        Kinds and amounts above 0, see `KINDS`; None where it follows from sizes that are not known.
    """
    if stage not in OF_STAGE:
        return {}
    if found is None:
        return None
    amounts = OF_STAGE[stage](spec, found, n_seeds, n_inputs)
    return {kind: float(amount) for kind, amount in amounts.items() if amount}


def _times(n: int, amounts: Amounts) -> Amounts:
    """So many of the same."""
    return {kind: n * amount for kind, amount in amounts.items()}


def _sum(*parts: Amounts) -> Amounts:
    """Works that are done one after the other, as one."""
    total: Amounts = {}
    for part in parts:
        for kind, amount in part.items():
            total[kind] = total.get(kind, 0) + amount
    return total


def contrastive(training: Training | RbmTraining, n_cases: int, n_lower: int, n_upper: int, n_existing: int) -> Amounts:
    """CD-k of one RBM: every epoch by the loop that the CPU backend takes for it.

    Parameters
    ----------
    training : config.Training or config.digits.RbmTraining
    n_cases : int
    n_lower, n_upper : int
        Units of the two layers.
    n_existing : int
        Weights that exist: fewer than there are pairs of units with receptive fields.

    Returns
    -------
    dict of str to float
    """
    n_weights, n_updates, amounts = n_lower * n_upper, -(-n_cases // training.batch_size), Amounts()
    for rate, momentum in schedules.epochs(training):
        decay = decay_of(rate, momentum, training.momentum_rule)
        loop = loops.of_epoch(n_weights, n_existing, training.batch_size, training.n_gibbs_steps, decay)
        if loop == "array":
            n_products = 2 * training.n_gibbs_steps + 3  # fields up and down, and the two outer products
            products = n_products * n_cases * n_weights
            one: Amounts = {"products": products, "array_updates": n_updates, "array_weights": n_updates * n_weights}
        elif loop == "listed":
            one = {loop: n_cases * n_existing * training.n_gibbs_steps}
        else:
            one = {loop: n_cases * n_weights}
        amounts = _sum(amounts, one)
    return amounts


def joint(training: JointTraining, mean_field: MeanField, found: Sizes) -> Amounts:
    """Joint training of one DBM.

    Parameters
    ----------
    training : config.JointTraining
    mean_field : config.MeanField
    found : sizes.Sizes
        Of the digits.

    Returns
    -------
    dict of str to float
    """
    n_cases, n_updates = training.n_epochs * found.n_cases, training.n_epochs * -(-found.n_cases // training.batch_size)
    return _sum(
        {"mean_field": n_cases * sweeps(mean_field) * sum(found.existing)},
        gibbs(found, n_updates * training.n_gibbs_steps * found.n_chains),
        {"joint_updates": n_updates, "joint_weights": n_updates * sum(found.existing)},
    )


def sweeps(mean_field: MeanField) -> float:
    """Mean-field sweeps of an image, as trained machines need them."""
    return min(mean_field.max_updates, -SWEEPS_PER_DECADE * math.log10(mean_field.tolerance))


def gibbs(found: Sizes, n_gibbs_steps: int) -> Amounts:
    """Gibbs steps of single chains."""
    return {"gibbs": n_gibbs_steps * sum(found.existing), "draws": n_gibbs_steps * sum(found.layers)}


def diagnosis(found: Sizes, n_gibbs_steps: int) -> Amounts:
    """Chains from two starts, which `mixing.diagnose` lets run and reads."""
    n_chains = 2 * mixing.N_CHAINS
    n_reads = n_chains // mixing.TIMES_OF_EVERY * mixing.reading(n_gibbs_steps)[2]
    looked_at: Amounts = {"products": n_reads * sum(found.weights), "diagnosed": n_reads * sum(found.layers)}
    return _sum(gibbs(found, n_chains * (n_gibbs_steps + 1)), looked_at)


def _prepare(spec: Spec, found: Sizes, n_seeds: int, n_inputs: Mapping[str, int]) -> Amounts:
    return {"pixels": found.pixels}


def _train(spec: Spec, found: Sizes, n_seeds: int, n_inputs: Mapping[str, int]) -> Amounts:
    training = spec["retraining"] if "retraining" in spec else spec["training"]
    n_visible, n_hidden = found.layers
    return _times(n_seeds, contrastive(training, found.n_cases, n_visible, n_hidden, n_visible * n_hidden))


def _train_anew(spec: Spec, found: Sizes, n_seeds: int, n_inputs: Mapping[str, int]) -> Amounts:
    n_visible, n_hidden = found.layers
    sizes = found.n_cases, n_visible, n_hidden, n_visible * n_hidden
    return _times(n_seeds, _sum(*(contrastive(part, *sizes) for part in course(spec).values())))


def _sample(spec: Spec, found: Sizes, n_seeds: int, n_inputs: Mapping[str, int]) -> Amounts:
    settings, (n_visible, n_hidden) = spec["sampling"], found.layers
    n_samples, n_weights, n_units = settings.n_samples or found.n_cases, n_visible * n_hidden, n_visible + n_hidden
    n_parameters = n_weights + n_units if spec["eigenvector"] else 0
    amounts: Amounts = {"samples": n_samples * n_units}
    few = settings.method == "auto" and n_visible <= statistics.MAX_VISIBLE_AUTO
    if settings.method == "exact" or few:
        amounts = _sum(amounts, {"enumerated": 2**n_visible * n_hidden})
    else:
        chains = gibbs(found, n_samples * settings.n_gibbs_steps)
        amounts = _sum(amounts, chains, diagnosis(found, settings.n_gibbs_steps))
    if settings.statistics == "enumerated":
        means: Amounts = {"enumerated": 2**n_visible * n_hidden, "products": 2**n_visible * n_parameters**2}
    else:
        means = {"pair_bits": n_samples * (n_weights + n_parameters**2)}
        if settings.statistics == "conditional":
            means = _sum(means, {"products": 3 * n_samples * n_weights})  # fields, pairs, and squares of these
    return _times(n_seeds, _sum(amounts, means, {"eigen": n_parameters**3}))


def _prune(spec: Spec, found: Sizes, n_seeds: int, n_inputs: Mapping[str, int]) -> Amounts:
    return {"pruned": n_seeds * (1 + N_REDRAWS) * sum(found.weights)}


def _evaluate(spec: Spec, found: Sizes, n_seeds: int, n_inputs: Mapping[str, int]) -> Amounts:
    n_visible, n_hidden = found.layers
    n_patterns = 2**n_visible if n_visible <= exact.MAX_VISIBLE else 0
    enumerated = n_seeds * n_inputs["machine"] * n_patterns * n_hidden
    return {"enumerated": enumerated, "samples": found.n_cases * n_visible}


def _reference(spec: Spec, found: Sizes, n_seeds: int, n_inputs: Mapping[str, int]) -> Amounts:
    return {"logistic": (found.n_cases + found.n_images) * found.layers[0] * found.n_classes}


def _pretrain(spec: Spec, found: Sizes, n_seeds: int, n_inputs: Mapping[str, int]) -> Amounts:
    settings, amounts = spec["pretraining"], Amounts()
    n_passes = 1 if settings.second_data == "sampled" else 3
    for layer, training in enumerate((settings.first, settings.second)):
        n_lower, n_upper = found.layers[layer : layer + 2]
        one = contrastive(training, found.n_cases, n_lower, n_upper, found.existing[layer])
        amounts = _sum(amounts, one, {"products": n_passes * found.n_cases * found.weights[layer]})
    return _times(n_seeds, amounts)


def _train_jointly(spec: Spec, found: Sizes, n_seeds: int, n_inputs: Mapping[str, int]) -> Amounts:
    training = spec["retraining"] if "retraining" in spec else spec["training"]
    return _times(n_seeds, joint(training, spec["mean_field"], found))


def _train_deep_anew(spec: Spec, found: Sizes, n_seeds: int, n_inputs: Mapping[str, int]) -> Amounts:
    jointly = _sum(*(joint(part, spec["mean_field"], found) for part in course(spec).values()))
    return _sum(_pretrain(spec, found, n_seeds, n_inputs), _times(n_seeds, jointly))


def _sample_deep(spec: Spec, found: Sizes, n_seeds: int, n_inputs: Mapping[str, int]) -> Amounts:
    settings = spec["sampling"]
    n_samples = settings.n_samples or found.n_cases
    n_reads = n_samples if settings.chains == "fresh" else -(-n_samples // found.n_chains) * found.n_chains
    counted: Amounts = {"samples": n_samples * sum(found.layers), "pair_bits": n_samples * sum(found.weights)}
    if settings.statistics == "conditional":
        n_products = 3 * sum(found.weights) - found.weights[0]  # fields up, down but for v, and pairs
        # what they are worth: by the squares of independent values, by all once more for blocks of persistent chains
        n_products += sum(found.weights) if settings.chains == "fresh" else n_products
        counted = _sum(counted, {"products": n_samples * n_products, "samples": n_samples * sum(found.layers[1:])})
    if settings.chains == "persistent":  # how many independent samples they are worth
        effective: Amounts = {
            "products": n_samples * sum(found.weights),
            "array_weights": found.n_chains * sum(found.weights),
        }
        counted = _sum(counted, effective)
    chains = gibbs(found, n_reads * settings.n_gibbs_steps)
    return _times(n_seeds, _sum(chains, counted, diagnosis(found, settings.n_gibbs_steps)))


def _evaluate_digits(spec: Spec, found: Sizes, n_seeds: int, n_inputs: Mapping[str, int]) -> Amounts:
    settings, n_top = spec["evaluation"], found.layers[-1]
    clamped, n_gibbs_steps = settings.encoding == "sampled", settings.n_clamped_steps
    n_inferred = found.n_test + (0 if clamped else found.n_cases)
    amounts = {"mean_field": n_inferred * sweeps(spec["mean_field"]) * sum(found.existing)}
    if clamped:
        amounts = _sum(amounts, gibbs(found, (found.n_cases + found.n_test) * n_gibbs_steps))
    amounts = _sum(amounts, {"logistic": found.n_cases * n_top * found.n_classes})
    if settings.ais_chains is not None:
        n_steps = settings.ais_chains * settings.ais_temperatures
        annealing = {"annealed": n_steps * sum(found.layers), "products": 2 * n_steps * sum(found.weights)}
        amounts = _sum(amounts, annealing)
    return _times(n_seeds, amounts)  # what was pruned and not retrained is not encoded


OF_STAGE = {
    "prepare": _prepare,
    "train": _train,
    "retrain": _train,
    "train_anew": _train_anew,
    "sample": _sample,
    "prune": _prune,
    "evaluate": _evaluate,
    "prepare_digits": _prepare,
    "reference": _reference,
    "pretrain": _pretrain,
    "train_jointly": _train_jointly,
    "retrain_jointly": _train_jointly,
    "train_deep_anew": _train_deep_anew,
    "sample_deep": _sample_deep,
    "prune_deep": _prune,
    "evaluate_digits": _evaluate_digits,
}
"""Stage -> what it does; the others read and write small files, and take little more than their start."""
