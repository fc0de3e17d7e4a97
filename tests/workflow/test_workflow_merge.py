"""Results put together by the workflow: the same tables, figures and claims, and nothing trained."""

import re

import pytest


@pytest.fixture
def study(finished, tmp_path):
    """A copy of the finished study, so that a second study beside it disturbs no other test."""
    return finished.beside(tmp_path)


@pytest.mark.slow
def test_a_study_put_together_has_the_tables_of_the_one_that_computed_them(study):
    done = study.boltzprune(
        "merge", "again", "results/tiny", "--set", "figures.formats=[png]", "--set", "figures.dpi=50"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    one, again = (study.folder / "results" / name for name in ("tiny", "again"))
    assert not [path for path in again.rglob("*.npz") if path.name not in ("patterns.npz", "digits.npz")]
    names = [f"tables/{path.name}" for path in (one / "tables").iterdir()]
    names += [f"figures/{path.name}" for path in (one / "figures").iterdir()]
    names = [name for name in names if not re.search("survival|overlap|agreement", name)]  # they are made of machines
    by_name = {name: (one / name).read_bytes() == (again / name).read_bytes() for name in names}
    assert {name for name, equal in by_name.items() if not equal and name.endswith((".csv", ".csv.gz"))} == set()
    for name in ("tables/claims.md", "tables/table1.md", "tables/per_digit.md"):
        assert (again / name).read_text() == (one / name).read_text().replace("Study tiny:", "Study again:")
    assert study.boltzprune("plan", "again.yaml").stdout.startswith("Nothing would run")
    status = study.boltzprune("status", "again.yaml")
    assert status.returncode == 0, status.stderr
    assert "merge_digits" in status.stdout
    refused = study.boltzprune("plan", "survival_patches", "again.yaml")
    assert refused.returncode != 0
    assert "this needs the machines of every pruning, and study again is put together from the tables of " in (
        refused.stdout + refused.stderr
    )


def test_parts_that_do_not_fit_are_refused_before_anything_runs(study):
    done = study.boltzprune("merge", "again", "results/tiny", "results/tiny")
    assert done.returncode == 2
    assert "both have seed 0-2 of the patches" in done.stderr
    study.write(study.values | {"study": "again", "parts": ["results/nowhere"]})
    done = study.snakemake("--cores", "1")
    assert done.returncode == 1
    assert "results/nowhere: has no study.yaml" in done.stdout


def test_another_first_seed_computes_other_seeds(study):
    study.write(study.values | {"first_seed": 3, "seeds": 2})
    done = study.snakemake("--dry-run")
    assert "seeds3-4" in done.stdout
    assert "seeds0-" not in done.stdout
