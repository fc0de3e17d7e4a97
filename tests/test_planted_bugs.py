"""Mistakes planted in the algorithms make tests fail: a few now, all in the heavy run."""

import pytest

from planted_bugs import BUGS, copy_of_the_package, outcome, planted

FAILED = 1
"""What pytest returns where tests failed, as opposed to a package that does not even import."""


@pytest.mark.slow
@pytest.mark.torture
def test_a_planted_bug_is_caught(promise, at_scale, tmp_path):
    bugs = BUGS[: at_scale(1, len(BUGS))]
    with promise("a planted bug is caught by its tests") as count:
        for place, bug in enumerate(bugs):
            status, shown = outcome(bug.tests, copy_of_the_package(tmp_path / str(place), bug))
            count(status == FAILED, f"{bug.name}: {bug.tests} ended with {status}\n{shown}")


@pytest.mark.torture
def test_without_a_bug_the_same_tests_pass(at_scale, tmp_path):
    at_scale(0, 1)
    tests = " ".join(sorted({test for bug in BUGS for test in bug.tests.split()}))
    status, shown = outcome(tests, copy_of_the_package(tmp_path))
    assert status == 0, shown


def test_there_is_a_place_for_every_bug():
    assert len({bug.name for bug in BUGS}) == len(BUGS)
    for bug in BUGS:
        compile(planted(bug), bug.file, "exec") if bug.file.endswith(".py") else planted(bug)
