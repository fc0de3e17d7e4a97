"""How long Snakemake plans a study of thousands of jobs."""

import sys

import pytest
from workflow_copy import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))
import load

pytestmark = pytest.mark.torture


def test_a_large_study_is_planned_soon(promise, at_scale):
    tries = at_scale(0, 3)
    with promise("A study of 4,000 jobs is planned within 30 s of processor time") as count:
        for _ in range(tries):
            planned = load.plan()  # processor seconds: other programs may run
            count(planned["jobs"] >= 4000 and planned["processor_s"] < 30, planned)


def test_planning_a_job_costs_some_milliseconds(promise, at_scale):
    blocks = at_scale(0, 48)
    small, large = (load.plan(load.MANY | {"seeds": 4 * n, "seeds_per_job": 4}) for n in (1, blocks))
    added = large["jobs"] - small["jobs"]
    with promise("The time of planning grows by less than 7.5 ms per job") as count:
        count(large["processor_s"] - small["processor_s"] < 0.0075 * added, (small, large))
