"""Patterns of many units, each of its own kind: samples show none of them, and nothing may be concluded from that."""

import json

import numpy as np
import pandas as pd
import pytest
from claims_tables import CLAIMS_FILES
from tiny_study import Runner, tiny_values

from boltzprune.evaluation.patterns import MAX_MISSING_SHARE
from boltzprune.report.figures import fig2
from boltzprune.study import jobs
from boltzprune.study.stages import Job, run

N_SEEDS = 6
KL = {"retraining_restores", "retraining_restores_partly", "random_units_recover"}
ERRORS = {"errors_are_larger_for_rare_patterns", "wrong_pruning_misses_frequent_patterns"}


@pytest.fixture(scope="module")
def raster(tmp_path_factory):
    """Sixty neurons that fire at random, 199 moments; six machines, pruned once by each of seven criteria."""
    folder = tmp_path_factory.mktemp("raster")
    np.savez(folder / "raster.npz", patterns=np.random.default_rng(5).random((199, 60)) < 0.15)
    names = "variance_fi heuristic_fi eigenvector weight_magnitude random_weights anti_fi random_units".split()
    data = {"source": "npz", "file": str(folder / "raster.npz"), "n_patterns": 199}
    values = tiny_values("", data=data, machine={"n_hidden": 3}, criteria=names, iterations=1)
    values["patches"]["sampling"] = {"n_gibbs_steps": 5}
    made = Runner(values | {"seeds": N_SEEDS}, folder).everything(["fig2"])
    inputs = {"metrics": [folder / "metrics.csv"], "statistics": [folder / "initial_statistics.npz"]}
    outputs = {name: folder / file for name, file in CLAIMS_FILES.items()}
    run(Job("claims", inputs, outputs, json.loads(jobs.claims_job(made.study)["spec"]), made.seeds))
    return made


def test_every_model_has_the_same_divergence(raster):
    """The case: a number that does not depend on the model, ln 3 with as many samples as data."""
    metrics = pd.read_csv(raster.folder / "metrics.csv")
    assert metrics["kl_exact"].isna().all()
    assert metrics["kl_sampled"].to_numpy() == pytest.approx(np.log(1.5 / 0.5))
    assert (metrics["missing_share"] == 1).all()


def test_it_decides_no_claim(raster):
    claims = pd.read_csv(raster.folder / "claims.csv", keep_default_na=False)
    every, claims = claims, claims[claims["claim"].isin(KL | ERRORS)]
    assert set(claims["claim"]) == KL | ERRORS
    assert set(claims["verdict"]) == {"not testable"}
    assert claims["reason"].str.startswith("100 % of the data are patterns that no sample shows, more than 10 %").all()
    page = (raster.folder / "claims.md").read_text()
    assert page.count("**not testable**: 100 % of the data are patterns that no sample shows") == len(
        every[every["claim"].isin(KL | ERRORS) | (every["origin"] == "controls")]
    )


def test_figure_2_says_so_on_every_panel(raster):
    text = (raster.folder / "figures" / "fig2.svg").read_text()
    panels = 1 + 7 + 2  # initial machine, criteria, after pruning and after retraining
    assert text.count("unreliable: samples miss<") == panels
    assert text.count(">up to 100 % of the data<") == panels
    table = pd.read_csv(raster.folder / "figures" / "fig2_c.csv")
    assert (table["missing_share"] == 1).all()


def test_the_warning_starts_beyond_the_share_that_is_allowed():
    assert fig2._warning(pd.Series([0.02, MAX_MISSING_SHARE])) == ""
    assert fig2._warning(pd.Series([0.02, 0.57, 0.3])) == "\nunreliable: samples miss\nup to 57 % of the data"
