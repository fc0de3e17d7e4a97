"""All metrics and records -> one tidy table; every pattern of the data under data and models -> another."""

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from boltzprune.evaluation.patterns import count_patterns, read_samples, sampled_log_probabilities
from boltzprune.results import tidy
from boltzprune.results.prepared import read_states
from boltzprune.results.store import Arrays, write_table

if TYPE_CHECKING:
    from boltzprune.study.stages import Job

log = logging.getLogger(__name__)


def run(job: "Job") -> None:
    """Write the two tables; the statistics given are those whose patterns are wanted, of seeds that have a machine."""
    metrics = tidy.read(job.inputs["metrics"], "metrics")
    if "records" in job.inputs:
        metrics = tidy.with_decisions(metrics, tidy.read(job.inputs["records"], "records"))
    for line in (*tidy.missing_seeds(metrics, tidy.measures(metrics)), *tidy.cautions(metrics, {})):
        log.warning("%s", line)
    write_table(job.outputs["metrics"], tidy.in_order(metrics, "metrics"))
    write_table(job.outputs["pattern_probabilities"], _pattern_table(job))


def _pattern_table(job: "Job") -> pd.DataFrame:
    """Per model and pattern: log-probability in the data; mean and quartiles over seeds among the model's samples."""
    states = read_states(job.arrays("patterns"))
    patterns, counts = count_patterns(states)
    names = ["".join(map(str, bits)) for bits in np.unpackbits(patterns, axis=1)[:, : states.shape[1]]]
    log_data = np.log(counts / counts.sum())
    missing = job.spec["evaluation"].missing_patterns
    groups: dict[tuple[Any, ...], list[np.ndarray]] = {}
    for arrays in map(Arrays, job.inputs["statistics"]):
        about, seeds = arrays.about, arrays.seeds
        groups.setdefault(tuple(about[key] for key in tidy.KEYS), []).extend(
            _log_probabilities(patterns, arrays, seed, states.shape[1], missing) for seed in seeds
        )
    tables = []
    for group, found in sorted((group, found) for group, found in groups.items() if found):
        rows = np.array(found)
        seen = np.count_nonzero(~np.isnan(rows), axis=0)
        low, high = np.full(len(names), np.nan), np.full(len(names), np.nan)
        mean = low.copy()
        mean[seen > 0] = np.nanmean(rows[:, seen > 0], axis=0)
        low[seen > 0], high[seen > 0] = np.nanpercentile(rows[:, seen > 0], [25, 75], axis=0)
        columns = {
            "pattern": names,
            "log_data": log_data,
            "log_model_mean": mean,
            "log_model_q25": low,
            "log_model_q75": high,
        }
        tables.append(pd.DataFrame({**dict(zip(tidy.KEYS, group)), **columns, "n_seeds": seen}))
    return pd.concat(tables, ignore_index=True)


def _log_probabilities(patterns: np.ndarray, arrays: Arrays, seed: int, n_visible: int, missing: str) -> np.ndarray:
    """Log-probability of each pattern among the samples of one seed."""
    among, counts = read_samples(arrays, seed, n_visible)
    return sampled_log_probabilities(patterns, among, counts, missing)
