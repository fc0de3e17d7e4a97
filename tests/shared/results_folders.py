"""Folders of results as a study leaves them, without machines and numbers."""

import pandas as pd
import yaml

from boltzprune.results.store import write_table
from boltzprune.study.settings import merged, study_from

VALUES = {
    "study": "one",
    "seeds": 3,
    "seeds_per_job": 2,
    "patches": {"criteria": ["variance_fi", "anti_fi"], "iterations": 2},
    "digits": {"criteria": ["weight_magnitude"], "iterations": 3},
}


def folder(path, first=0, n=3, data=(711, 0.0838), **values):
    """A folder of results with rows as a study has them, numbers apart."""
    study = study_from(merged(VALUES, {"first_seed": first, "seeds": n} | values))
    (path / "tables").mkdir(parents=True)
    left_out = {name for name in ("patches", "digits") if name not in study.experiments}
    (path / "study.yaml").write_text(yaml.safe_dump(study.model_dump(exclude={"figures", *left_out})))
    for experiment in study.experiments:
        section, seeds = getattr(study, experiment), range(first, first + n)
        machines = [
            ("none", 0, "initial"),
            *((name, k, "retrained") for name in section.criteria for k in range(1, section.iterations + 1)),
        ]
        rows = pd.DataFrame(
            [(*one, seed) for one in machines for seed in seeds], columns=["criterion", "iteration", "phase", "seed"]
        )
        if experiment == "patches":
            write_table(path / "tables" / "metrics.csv", rows.assign(n_data_patterns=data[0]))
        else:
            write_table(path / "tables" / "digits_metrics.csv", rows)
            for name in ("classes", "pixels", "examples"):
                write_table(path / "tables" / f"digits_{name}.csv", rows)
            references = {"reference": ["raw"], "n_train": [60_000], "n_test": [10_000], "error": [data[1]]}
            write_table(path / "tables" / "digits_references.csv", pd.DataFrame(references))
    return str(path)
