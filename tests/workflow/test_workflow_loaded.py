"""What the process of each stage loads: a library that it does not use costs more than most jobs compute."""

from boltzprune.study.stages import STAGES

HEAVY = {"cupy", "matplotlib", "numba", "pandas", "pooch", "rich", "scipy", "sklearn", "snakemake", "yaml"}
BY_SKLEARN = {"pandas", "rich", "scipy"}
"""What scikit-learn loads, in some versions."""
USED = {
    **{stage: {"sklearn"} for stage in ("prepare", "prepare_digits", "reference", "evaluate_digits")},
    **{stage: {"scipy"} for stage in ("train", "train_anew", "pretrain", "train_deep_anew", "sample")},
    **{stage: {"pandas"} for stage in ("collect", "collect_digits", "survivors", "survivors_deep")},
    **{stage: {"pandas"} for stage in ("table1", "per_digit")},
    "claims": {"pandas", "scipy"},
    "figure": {"matplotlib", "pandas", "scipy"},
    "study": {"yaml"},
}
"""Stage -> what its processes load of it where nothing is compiled; other stages: nothing."""


def test_a_stage_loads_what_it_uses_and_nothing_else(finished):
    found = {stage: set() for stage in STAGES}
    for line in (finished.folder / "loaded.txt").read_text().splitlines():
        stage, *libraries = line.split()
        assert "numpy" in libraries
        found[stage] |= HEAVY & set(libraries)
    found = {stage: names - BY_SKLEARN if "sklearn" in names else names for stage, names in found.items()}
    assert found == {stage: USED.get(stage, set()) for stage in STAGES}
