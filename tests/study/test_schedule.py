"""A fraction for each iteration: who is told which, what is refused, and the machines that it leaves."""

import pytest
from test_jobs import BASE, spec

from boltzprune.errors import InputError
from boltzprune.report import comparison
from boltzprune.study import feasible, jobs
from boltzprune.study.config import Pruning
from boltzprune.study.config.base import in_iteration
from boltzprune.study.settings import merged, study_from

SCHEDULES = {"patches": [0.7, 0.3, 0.1], "digits": [[0.1, 0.7], [0.2, 0.3], [0.05, 0.1]]}
STAGES = {"patches": "prune", "digits": "prune_deep"}


def study(experiment, schedule, **others):
    values = {experiment: {"iterations": 3, "pruning": {"schedule": schedule, **others}}}
    return study_from(merged(BASE, values))


@pytest.mark.parametrize("experiment", SCHEDULES)
def test_each_iteration_is_told_its_own_fraction_and_no_other(experiment):
    schedule, stage = SCHEDULES[experiment], STAGES[experiment]
    made = [jobs.prune_job(study(experiment, schedule), "anti_fi", k, stage) for k in (1, 2, 3)]
    assert [spec(job)["pruning"]["fraction"] for job in made] == schedule
    assert not any("schedule" in spec(job)["pruning"] for job in made)
    plain = jobs.prune_job(study(experiment, None, fraction=schedule[1]), "anti_fi", 2, stage)
    assert made[1] == plain, "a study with the same fraction in this iteration has the same job"


@pytest.mark.parametrize("experiment", SCHEDULES)
def test_an_edit_of_a_later_iteration_leaves_the_earlier_ones(experiment):
    schedule, stage = SCHEDULES[experiment], STAGES[experiment]
    other = [*schedule[:2], schedule[0]]
    changed = [
        jobs.prune_job(study(experiment, schedule), "anti_fi", k, stage)
        != jobs.prune_job(study(experiment, other), "anti_fi", k, stage)
        for k in (1, 2, 3)
    ]
    assert changed == [False, False, True]


@pytest.mark.parametrize("experiment", SCHEDULES)
def test_too_few_fractions_are_refused_and_more_are_not(experiment):
    schedule = SCHEDULES[experiment]
    text = rf"{experiment}\.pruning\.schedule = .*: 2 iterations have a fraction, and {experiment}\.iterations is 3"
    with pytest.raises(InputError, match=text):
        study(experiment, schedule[:2])
    assert getattr(study(experiment, [*schedule, schedule[0]]), experiment).pruning.schedule[3] == schedule[0]


@pytest.mark.parametrize(
    ("experiment", "schedule", "text"),
    [
        ("patches", [], "at least 1 item"),
        ("patches", [0.5, 1.0, 0.5], r"schedule\.1 = 1\.0: expected less than 1"),
        ("patches", 0.5, "expected a valid list"),
        ("digits", [0.5, 0.5, 0.5], "expected a valid list"),
        ("digits", [[0.1, 0.5], [0.1], [0.1, 0.5]], r"schedule\.1 = \[0\.1\].*at least 2 items"),
    ],
)
def test_what_is_no_schedule(experiment, schedule, text):
    with pytest.raises(InputError, match=text):
        study(experiment, schedule)


def test_which_courses_end_follows_the_schedule():
    """910 weights: of 0.5 in each of three iterations 113 are left, of 0.999 in the second one, and then none."""
    values = [{"patches": {"pruning": {"schedule": schedule}}} for schedule in ([0.5] * 3, [0.5, 0.999, 0.5])]
    told = [feasible.notes(study_from(merged({"preset": "published"}, one))) for one in values]
    assert not any("no weight is left" in line for line in told[0])
    assert any("no weight is left in iteration 3 of" in line for line in told[1])


def test_a_section_in_an_iteration():
    pruning = Pruning(fraction=0.4, schedule=[0.7, 0.2])
    assert [in_iteration(pruning, k) for k in (1, 2)] == [Pruning(fraction=0.7), Pruning(fraction=0.2)]
    assert in_iteration(Pruning(fraction=0.4), 5) == Pruning(fraction=0.4)


def test_published_numbers_of_pruned_machines_are_not_compared_with_those_of_a_schedule():
    values = {"data": {"source": "cifar10", "n_patterns": 90_000, "radius": 2.1}, "machine": {"n_hidden": 70}}
    found = {}
    for name, schedule in (("plain", None), ("scheduled", [0.5, 0.5, 0.4])):
        section = study_from({"patches": values | {"pruning": {"schedule": schedule}}}).patches
        found[name] = comparison.differences("patches", section)
    assert not any(found["plain"].values())
    assert found["scheduled"]["patches run"].startswith("pruning.schedule is [0.5, 0.5, 0.4]")
    assert found["scheduled"]["patches run, before pruning"] == ""
