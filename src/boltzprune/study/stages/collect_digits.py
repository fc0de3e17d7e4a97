"""Metrics, classes, records and samples of all deep machines -> tidy tables."""

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from boltzprune.evaluation.regions import border_and_centre
from boltzprune.results import tidy
from boltzprune.results.prepared import read_digits
from boltzprune.results.store import Arrays, write_table

if TYPE_CHECKING:
    from boltzprune.study.stages import Job

log = logging.getLogger(__name__)
N_EXAMPLES = 10


def run(job: "Job") -> None:
    """Write metrics, classes, pixels and examples; the samples given are those whose examples are wanted.

    A class that none of the images has is no class: it has no line.
    """
    digits, records = read_digits(job.arrays("digits")), tidy.read(job.inputs["records"], "digits_records")
    lost = _lost_pixels(records, digits.states.shape[1])
    metrics = tidy.read(job.inputs["metrics"], "digits_metrics")
    left = (records["n_weights_1"] > 0).to_numpy()  # where the course has not ended
    regions = _regions(records[left], lost[left], digits.shape)
    metrics = metrics.merge(regions, on=["criterion", "iteration", "seed"], how="left")
    metrics = tidy.with_decisions(metrics, records)
    classes = tidy.read(job.inputs["classes"], "digits_classes")
    classes = classes[classes["digit"].isin(np.unique(digits.labels))]
    missing = [tidy.missing_seeds(metrics, tidy.measures(metrics)), tidy.missing_seeds(classes, ["share"])]
    for line in (*missing[0], *missing[1], *tidy.cautions(metrics, {})):
        log.warning("%s", line)
    write_table(job.outputs["metrics"], tidy.in_order(metrics, "digits_metrics"))
    write_table(job.outputs["classes"], tidy.in_order(classes, "digits_classes"))
    write_table(job.outputs["pixels"], _pixels(records, lost, left))
    write_table(job.outputs["examples"], _examples(job.inputs["samples"], digits.states.shape[1]))


def _lost_pixels(records: pd.DataFrame, n_pixels: int) -> np.ndarray:
    """Which pixels have no weight left, after each pruning of each seed: (n_records, n_pixels) bool."""
    lost = np.zeros((len(records), n_pixels), dtype=bool)
    for row, text in zip(lost, records["pixels_disconnected"].fillna("")):
        row[[int(pixel) for pixel in text.split()]] = True
    return lost


def _regions(records: pd.DataFrame, lost: np.ndarray, shape: tuple[int, int]) -> pd.DataFrame:
    """Share of the pixels of the border and of the centre that have no weight left, per criterion, iteration, seed."""
    table = records[["criterion", "iteration", "seed"]]
    for name, region in border_and_centre(shape).items():
        table = table.assign(**{f"{name}_disconnected": lost[:, region].mean(axis=1) if region.any() else np.nan})
    return table


def _pixels(records: pd.DataFrame, lost: np.ndarray, left: np.ndarray) -> pd.DataFrame:
    """Fraction of the seeds with a machine in which a pixel has no weight left, per criterion and iteration."""
    tables = []
    for (criterion, iteration), places in records.groupby(["criterion", "iteration"]).indices.items():
        rows = lost[places[left[places]]]
        share = rows.mean(axis=0) if len(rows) else np.nan
        about = {"criterion": criterion, "iteration": iteration, "pixel": np.arange(lost.shape[1])}
        tables.append(pd.DataFrame({**about, "disconnected": share, "n_seeds": len(rows)}))
    return pd.concat(tables, ignore_index=True)


def _examples(paths: Iterable[Path], n_pixels: int) -> pd.DataFrame:
    """Some visible samples of the first seed of each file that has one, spread over the samples."""
    rows = []
    for arrays in (arrays for arrays in map(Arrays, paths) if arrays.seeds):
        about, seed = arrays.about, arrays.seeds[0]
        visible = arrays.states(f"seed{seed}/visible", n_pixels)
        chosen = np.unique(np.linspace(0, len(visible) - 1, N_EXAMPLES).astype(int))
        for number, bits in enumerate(visible[chosen]):
            rows.append({**about, "seed": seed, "sample": number, "pattern": "".join(map(str, bits))})
    return tidy.in_order(pd.DataFrame(rows), "digits_examples")
