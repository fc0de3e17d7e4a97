"""Digits -> what encodings and generated samples are compared with: raw pixels, test digits, random patterns."""

import logging
from typing import TYPE_CHECKING, Any

import numpy as np

from boltzprune.core.streams import fork
from boltzprune.evaluation.encoding import classifier_arrays, error, fit
from boltzprune.evaluation.generation import generation, random_patterns
from boltzprune.results.prepared import read_digits
from boltzprune.results.store import write_arrays, write_rows

if TYPE_CHECKING:
    from boltzprune.study.stages import Job

log = logging.getLogger(__name__)


def run(job: "Job") -> None:
    """Write the baselines, and the classifier of raw pixels, trained on all images, that judges generated samples."""
    digits, settings, backend = read_digits(job.arrays("digits")), job.spec["evaluation"], job.backend()
    rows, n_test = [], len(digits.test_states)
    for name, n in (("raw", digits.n_train), ("raw_all", len(digits.states))):
        states, labels = digits.states[:n], digits.labels[:n]
        limits = settings.max_iterations, settings.tolerance
        classifier = fit(states, labels, settings.strength_raw, *limits, backend)
        wrong = error(classifier, digits.test_states, digits.test_labels, backend)
        log.info("%s: %d training images, error %.4f on %d test images", name, n, wrong, n_test)
        rows.append(_row(name, n, n_test, error=wrong, converged=int(classifier.converged)))
    noise = random_patterns(n_test, digits.states.shape[1], fork(0, "random patterns"))
    for name, visible in (("test_digits", digits.test_states), ("random_patterns", noise)):
        found = generation(classifier, visible, backend)
        values = {key: getattr(found, key) for key in ("quality_mean", "quality_class_mean", "diversity")}
        rows.append(_row(name, len(digits.states), len(visible), **values))
    write_rows(job.outputs["references"], rows)
    write_arrays(job.outputs["classifier"], classifier_arrays(classifier), job.provenance())


def _row(name: str, n_train: int, n_test: int, **values: float) -> dict[str, Any]:
    """One line of the table; what a baseline does not have stays empty."""
    empty = dict.fromkeys(("error", "converged", "quality_mean", "quality_class_mean", "diversity"), np.nan)
    return {"reference": name, "n_train": n_train, "n_test": n_test} | empty | values
