"""Learning rate and momentum of every epoch, by hand."""

from pathlib import Path

import pytest

from boltzprune.core.schedules import epochs, learning_rates
from boltzprune.study.config import JointTraining, Training
from boltzprune.study.settings import study_of

HALVING = {"learning_rate": [8.0, 1.0], "momentum": [0.5, 0.9], "momentum_switch": 2}


def assert_epochs(found, expected):
    """As many pairs, and each the expected one."""
    assert len(found) == len(expected)
    for (rate, momentum), (expected_rate, expected_momentum) in zip(found, expected):
        assert rate == pytest.approx(expected_rate, rel=1e-12)
        assert momentum == expected_momentum


@pytest.mark.parametrize(
    ("first", "last", "n", "expected"),
    [
        (8.0, 1.0, 4, [8, 4, 2, 1]),
        (0.01, 0.0001, 3, [0.01, 0.001, 0.0001]),
        (0.1, 0.0001, 4, [0.1, 0.01, 0.001, 0.0001]),
        (1.0, 9.0, 3, [1, 3, 9]),
        (0.3, 0.1, 2, [0.3, 0.1]),
        (0.3, 0.1, 1, [0.3]),
    ],
)
def test_learning_rates_have_a_constant_ratio(first, last, n, expected):
    assert learning_rates(first, last, n) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"n_epochs": 4}, [(8, 0.5), (4, 0.5), (2, 0.9), (1, 0.9)]),
        ({"n_epochs": 4, "skip_first": True}, [(4, 0.5), (2, 0.9), (1, 0.9), (1, 0.9)]),
        ({"n_epochs": 2, "schedule_epochs": 4}, [(8, 0.5), (4, 0.5)]),
        ({"n_epochs": 2, "schedule_epochs": 4, "skip_first": True}, [(4, 0.5), (2, 0.9)]),
        ({"n_epochs": 4, "schedule_epochs": 4, "skip_first": True}, [(4, 0.5), (2, 0.9), (1, 0.9), (1, 0.9)]),
        ({"n_epochs": 2}, [(8, 0.5), (1, 0.5)]),
        ({"n_epochs": 1}, [(8, 0.5)]),
        ({"n_epochs": 1, "skip_first": True}, [(8, 0.5)]),
        ({"n_epochs": 4, "last_learning_rate": 7}, [(8, 0.5), (4, 0.5), (2, 0.9), (7, 0.9)]),
        ({"n_epochs": 1, "last_learning_rate": 7}, [(7, 0.5)]),
        ({"n_epochs": 2, "momentum_switch": 0}, [(8, 0.9), (1, 0.9)]),
        ({"n_epochs": 2, "momentum_switch": 7}, [(8, 0.5), (1, 0.5)]),
        ({"n_epochs": 4, "momentum_switch": 3}, [(8, 0.5), (4, 0.5), (2, 0.5), (1, 0.9)]),
    ],
)
def test_epochs_by_hand(options, expected):
    assert_epochs(epochs(JointTraining(**{"skip_first": False} | HALVING | options)), expected)


def test_the_numbers_of_the_paper():
    paper = study_of([Path(__file__).parents[2] / "config" / "paper.yaml"]).digits.pretraining.first
    training = paper.model_copy(update={"skip_first": False})
    schedule = epochs(training)
    assert len(schedule) == 20
    assert [momentum for _, momentum in schedule] == [0.5] * 5 + [0.9] * 15
    assert (schedule[0][0], schedule[-1][0]) == pytest.approx((0.01, 0.0001))
    authors = epochs(training.model_copy(update={"skip_first": True}))
    assert [momentum for _, momentum in authors] == [0.5] * 4 + [0.9] * 16
    assert authors[:-1] == schedule[1:] and authors[-1] == schedule[-1]


def test_the_first_entries_of_a_longer_schedule():
    whole, half = (JointTraining(n_epochs=n, schedule_epochs=20) for n in (20, 10))
    assert epochs(half) == epochs(whole)[:10]


def test_a_list_of_epochs_is_taken_as_it_is():
    training = Training(learning_rate=[0.2, 0.05, 0.1], momentum=[0.5, 0.9, 0.0])
    assert epochs(training) == [(0.2, 0.5), (0.05, 0.9), (0.1, 0.0)]
