"""The work of a job, by hand with sizes that are distinct primes; it grows with every size, nothing is no work."""

import json
import math

import numpy as np
import pytest

from boltzprune.backend.cpu import loops
from boltzprune.core.masks import receptive_fields
from boltzprune.study import jobs
from boltzprune.study.config import Study
from boltzprune.study.cost import rates, sizes, workload
from boltzprune.study.cost.limits import LEAST, ROOM, UNKNOWN, Limits
from boltzprune.study.settings import merged
from boltzprune.study.stages import SECTIONS, STAGES, Job

RBM = {"learning_rate": [0.01, 0.02, 0.03], "momentum": [0.5, 0.5, 0.5], "momentum_rule": "scaled", "batch_size": 1}
PATCHES = {
    "data": {"radius": 1.0, "n_patterns": 101},
    "machine": {"n_hidden": 7},
    "training": RBM,
    "sampling": {"n_samples": 43, "n_gibbs_steps": 11},
}
SHORT = {"n_epochs": 3, "schedule_epochs": None, "batch_size": 1}
DIGITS = {
    "data": {"source": "digits", "n_train": 53, "n_test": 29, "n_classes": 10},
    "machine": {"receptive_field": None, "n_hidden": [13, 17]},
    "pretraining": {"first": SHORT, "second": {**SHORT, "n_epochs": 2}, "second_data": "reconstructed"},
    "n_chains": 19,
    "mean_field": {"tolerance": 0.001, "max_updates": 50},
    "training": {**SHORT, "batch_size": 7},
    "retraining": {"n_epochs": 2, "schedule_epochs": None, "batch_size": 5, "n_gibbs_steps": 3},
    "sampling": {"chains": "persistent", "n_samples": 31, "n_gibbs_steps": 11},
    "evaluation": {"encoding": "mean_field", "ais_chains": 5, "ais_temperatures": 23},
}
FIRST, SECOND, UNITS = 64 * 13, 13 * 17, 64 + 13 + 17
"""8 x 8 pixels; weights of both layers, and units."""


def work(stage, seeds=1, files=None, study=None, given=None, **changes):
    """The work of a job of the study above with some changes."""
    base = study or {"patches": PATCHES, "digits": DIGITS}
    study = Study.model_validate(merged(base, {STAGES[stage].experiment: changes} if changes else {}))
    spec = json.loads(jobs.job(study, stage, **(given or {}))["spec"])
    inputs = {name: [None] * n for name, n in (files or {}).items()}
    return Job(stage, inputs, {}, spec, tuple(range(seeds))).work(sizes.of_study(study))


def test_contrastive_divergence_of_single_cases_passes_over_all_weights_in_every_epoch():
    assert work("train", seeds=2) == {"dense": 2 * 3 * 101 * 5 * 7}
    assert work("retrain", given={"iteration": 1}) == {"dense": 3 * 101 * 5 * 7}


def test_batches_and_further_gibbs_steps_are_array_algebra():
    found = work("train", training={**RBM, "batch_size": 3})
    assert found == {"products": 3 * 5 * 101 * 35, "array_updates": 3 * 34, "array_weights": 3 * 34 * 35}
    found = work("train", training={**RBM, "n_gibbs_steps": 2})
    assert found == {"products": 3 * 7 * 101 * 35, "array_updates": 3 * 101, "array_weights": 3 * 101 * 35}


def test_the_loop_is_the_one_that_the_backend_takes():
    large = loops.SMALL + 8
    assert loops.of_epoch(loops.SMALL, loops.SMALL, 1, 1, 0.05) == "dense"
    assert loops.of_epoch(large, large, 1, 1, 0.05) == "low_rank"
    assert loops.of_epoch(large, large - 1, 1, 1, 0.05) == "dense"
    assert loops.of_epoch(large, large, 1, 1, 0.9) == "dense"
    assert loops.of_epoch(large, large // 8 + 1, 1, 1, 0.9) == "dense"
    for batch_size, n_gibbs_steps in ((1, 1), (3, 1), (1, 2)):
        assert loops.of_epoch(large, large // 8, batch_size, n_gibbs_steps, 0.9) == "listed"
        assert loops.of_epoch(loops.SMALL, 1, batch_size, n_gibbs_steps, 0.9) != "listed"
    assert loops.of_epoch(7, 7, 2, 1, 0.0) == loops.of_epoch(7, 7, 1, 2, 0.0) == "array"
    assert work("train", machine={"n_hidden": 3277})["low_rank"] == 3 * 101 * 5 * 3277


def test_samples_are_enumerated_or_drawn_by_gibbs_steps():
    plain = {"given": {"eigenvector": False}}
    assert work("sample", seeds=3, **plain) == {
        "samples": 3 * 43 * 12, "enumerated": 3 * 2**5 * 7, "pair_bits": 3 * 43 * 35
    }  # fmt: skip
    found = work("sample", **plain, sampling={**PATCHES["sampling"], "method": "gibbs"})
    steps = 43 * 11 + 512 * 12  # of the chains whose samples these are, and of those that tell whether chains forget
    assert found == {
        "samples": 43 * 12, "gibbs": steps * 35, "draws": steps * 12, "pair_bits": 43 * 35,
        "products": 128 * 7 * 35, "diagnosed": 128 * 7 * 12,
    }  # fmt: skip
    many = work("sample", **plain, sampling={**PATCHES["sampling"], "method": "gibbs", "n_gibbs_steps": 301})
    assert many["diagnosed"] == 128 * 76 * 12  # after steps 150, 152, ..., 300
    n = 35 + 12
    assert work("sample", given={"eigenvector": True}) == {
        "samples": 43 * 12, "enumerated": 2**5 * 7, "pair_bits": 43 * (35 + n * n), "eigen": n**3
    }  # fmt: skip
    exact = work("sample", given={"eigenvector": True}, sampling={**PATCHES["sampling"], "statistics": "enumerated"})
    assert exact == {"samples": 43 * 12, "enumerated": 2 * 2**5 * 7, "products": 2**5 * n * n, "eigen": n**3}


def test_evaluation_enumerates_every_machine_if_it_can():
    assert work("evaluate", seeds=3, files={"machine": 2}) == {"enumerated": 3 * 2 * 2**5 * 7, "samples": 101 * 5}
    assert work("evaluate", files={"machine": 2}, data={"radius": 3.0}) == {"samples": 101 * 29}


def test_pre_training_is_that_of_both_machines():
    found = work("pretrain", seeds=2)
    products = 2 * 3 * 53 * (FIRST + SECOND)
    assert found == {"dense": 2 * 53 * (3 * FIRST + 2 * SECOND), "products": products}
    sampled = work("pretrain", seeds=2, pretraining={**DIGITS["pretraining"], "second_data": "sampled"})
    assert sampled == {**found, "products": products / 3}


def test_joint_training_infers_moves_chains_and_climbs():
    assert work("train_jointly", seeds=2) == {
        "mean_field": pytest.approx(2 * 3 * 53 * 3 * workload.SWEEPS_PER_DECADE * (FIRST + SECOND)),
        "gibbs": 2 * 3 * 8 * 19 * (FIRST + SECOND),
        "draws": 2 * 3 * 8 * 19 * UNITS,
        "joint_updates": 2 * 3 * 8,
        "joint_weights": 2 * 3 * 8 * (FIRST + SECOND),
    }
    found = work("retrain_jointly", given={"iteration": 1}, mean_field={"tolerance": 0.001, "max_updates": 2})
    assert found["mean_field"] == 2 * 53 * 2 * (FIRST + SECOND)
    assert found["gibbs"] == 2 * 11 * 3 * 19 * (FIRST + SECOND)


def test_all_chains_are_read_together():
    given = {"criterion": "x", "iteration": 1, "phase": "retrained"}
    found, steps = work("sample_deep", given=given), 2 * 19 * 11 + 512 * 12
    assert (found["gibbs"], found["draws"]) == (steps * (FIRST + SECOND), steps * UNITS)
    assert (found["samples"], found["pair_bits"]) == (31 * UNITS, 31 * (FIRST + SECOND))
    assert (found["products"], found["diagnosed"]) == ((31 + 128 * 7) * (FIRST + SECOND), 128 * 7 * UNITS)
    assert found["array_weights"] == 19 * (FIRST + SECOND)
    fresh = work("sample_deep", given=given, sampling={**DIGITS["sampling"], "chains": "fresh"})
    assert fresh["gibbs"] == (31 * 11 + 512 * 12) * (FIRST + SECOND)
    assert fresh["products"] == 128 * 7 * (FIRST + SECOND) and "array_weights" not in fresh


def test_conditional_statistics_multiply_samples_by_weights_up_down_and_for_the_pairs():
    """From h1 down to v nothing is computed; units that have a probability are counted once more.

    What the means are worth takes the squares of fresh chains, and of persistent ones all of it once more.
    """
    given, sampling = {"criterion": "x", "iteration": 1, "phase": "retrained"}, DIGITS["sampling"]
    plain, found = (
        work("sample_deep", 2, given=given, sampling={**sampling, "statistics": kind})
        for kind in ("sampled", "conditional")
    )
    products = plain["products"] + 4 * 31 * (2 * FIRST + 3 * SECOND)
    assert found == plain | {"products": products, "samples": 2 * 31 * (UNITS + 13 + 17)}
    assert plain == work("sample_deep", 2, given=given)
    fresh = work("sample_deep", 2, given=given, sampling={**sampling, "statistics": "conditional", "chains": "fresh"})
    diagnosis = 128 * 7 * (FIRST + SECOND)
    assert fresh["products"] == 2 * (31 * (3 * FIRST + 4 * SECOND) + diagnosis)


def test_encodings_are_inferred_and_classified_and_z_is_annealed():
    found = work("evaluate_digits", seeds=2)
    assert found == {
        "mean_field": pytest.approx(2 * (53 + 29) * 3 * workload.SWEEPS_PER_DECADE * (FIRST + SECOND)),
        "logistic": 2 * 53 * 17 * 10,
        "annealed": 2 * 5 * 23 * UNITS,
        "products": 2 * 2 * 5 * 23 * (FIRST + SECOND),
    }
    clamped = {"encoding": "sampled", "n_clamped_steps": 3, "ais_chains": None}
    found = work("evaluate_digits", evaluation=clamped)
    assert set(found) == {"mean_field", "gibbs", "draws", "logistic"}
    assert found["gibbs"] == (53 + 29) * 3 * (FIRST + SECOND)
    assert work("reference") == {"logistic": (53 + 1348) * 64 * 10}


def test_a_criterion_decides_once_and_again_by_redrawn_statistics():
    assert work("prune", seeds=3) == {"pruned": 3 * 41 * 35}
    assert work("prune_deep", seeds=3) == {"pruned": 3 * 41 * (FIRST + SECOND)}


def test_other_stages_do_little_but_start():
    assert work("prepare") == {"pixels": 2 * 427 * 640}
    assert work("prepare_digits") == {"pixels": 1797 * 64}
    for stage in ("fetch", "collect", "survivors", "claims", "table1", "study", "figure", "per_digit"):
        assert work(stage) == {}


GROWING = {
    "train": ["data.n_patterns", "data.radius", "machine.n_hidden"],
    "sample": ["data.radius", "machine.n_hidden", "sampling.n_samples"],
    "evaluate": ["data.n_patterns", "data.radius", "machine.n_hidden"],
    "pretrain": ["data.n_train", "pretraining.first.n_epochs", "pretraining.second.n_epochs"],
    "train_jointly": ["data.n_train", "n_chains", "training.n_epochs", "training.n_gibbs_steps"],
    "retrain_jointly": ["data.n_train", "n_chains", "retraining.n_epochs", "mean_field.max_updates"],
    "sample_deep": ["sampling.n_samples", "sampling.n_gibbs_steps"],
    "evaluate_digits": ["data.n_train", "data.n_test", "evaluation.ais_chains", "evaluation.ais_temperatures"],
}


@pytest.mark.parametrize(("stage", "key"), [(stage, key) for stage, keys in GROWING.items() for key in keys])
def test_it_grows_with_every_size(stage, key):
    given = {"eigenvector": True, "criterion": "x", "iteration": 1, "phase": "retrained"}
    given = {name: value for name, value in given.items() if name in STAGES[stage].spec}
    files = {"machine": 1} if stage == "evaluate" else {}
    experiment = STAGES[stage].experiment
    base = {"patches": PATCHES, "digits": merged(DIGITS, {"mean_field": {"max_updates": 4}})}
    value = base[experiment]
    for part in key.split("."):
        value = value.get(part, 1)
    change = larger = value + 1
    for part in reversed(key.split(".")):
        change = {part: change}
    assert larger > value
    less, more = (work(stage, 2, files, study, given) for study in (base, merged(base, {experiment: change})))
    assert set(less) <= set(more) and all(more[kind] >= less[kind] for kind in less) and more != less
    twice = work(stage, 4, files, base, given)
    assert all(twice[kind] == 2 * less[kind] for kind in less if kind != "samples" or stage != "evaluate")


def test_every_kind_has_a_rate_and_every_stage_a_start():
    table = rates.shipped()
    assert set(table.rates) == set(workload.KINDS)
    assert set(STAGES) - {"figure"} <= set(table.starts)
    assert all(value >= 0 for value in (*table.rates.values(), *table.starts.values()))
    assert set(workload.OF_STAGE) <= set(STAGES)


@pytest.mark.parametrize(("shape", "side"), [((8, 8), 3), ((5, 7), 3), ((20, 20), 5), ((3, 11), 5)])
def test_how_many_weights_receptive_fields_leave(shape, side):
    mask = receptive_fields(shape, side)
    assert sizes._inside(shape[0], side // 2) * sizes._inside(shape[1], side // 2) == np.count_nonzero(mask)


def test_receptive_fields_are_what_loops_over_deep_machines_pass_over():
    study = {
        "digits": {"machine": {"receptive_field": 3, "n_hidden": [36, 17]}, "data": {"source": "digits", "crop": 1}}
    }
    found = sizes.of_study(Study.model_validate(study))["digits"]
    assert found.layers == (36, 36, 17)
    assert found.existing == (256, 36 * 17)


def test_pre_training_of_large_machines_with_receptive_fields_passes_over_existing_weights():
    large = {"machine": {"receptive_field": 5, "n_hidden": [400, 2]}, "data": {"source": "mnist", "crop": 4}}
    steps = {"first": {**SHORT, "n_gibbs_steps": 2}, "second": SHORT}
    found = work("pretrain", study=merged({"digits": DIGITS}, {"digits": {**large, "pretraining": steps}}))
    assert found["listed"] == 3 * 53 * 2 * 8836 and found["dense"] == 3 * 53 * 400 * 2


def test_sizes_of_data_are_known_or_in_their_headers(tmp_path):
    for radius, n_visible in ((0.0, 1), (1.0, 5), (2.1, 13), (3.0, 29)):
        patches = sizes.of_study(Study.model_validate({"patches": {"data": {"radius": radius}}}))["patches"]
        assert patches.layers == (n_visible, 70)
    file = tmp_path / "own.npz"
    np.savez(file, images=np.zeros((23, 5, 7)), labels=np.zeros(23, int))
    data = {"source": "npz", "file": str(file)}
    study = Study.model_validate({"digits": {"data": data}, "patches": {"data": data}})
    found = sizes.of_study(study)
    assert (found["digits"].n_cases, found["digits"].n_test, found["digits"].layers[0]) == (18, 5, 35)
    assert found["patches"].pixels == 23 * 35
    assert sizes.from_text(sizes.as_text(found)) == found
    for n in (23, 0):  # that there are no patterns is said by the job that reads them
        np.savez(file, patterns=np.zeros((n, 11)))
        patches = sizes.of_study(study)["patches"]
        assert (patches.layers[0], patches.pixels) == (11, n * 11)
    assert sizes.of_study(study)["digits"] is None
    file.unlink()
    assert sizes.of_study(study) == {"patches": None, "digits": None}
    mnist = sizes.of_study(Study.model_validate({"digits": {"data": {"source": "mnist", "crop": 4}}}))["digits"]
    assert (mnist.n_cases, mnist.n_images, mnist.n_test, mnist.layers[0]) == (60_000, 60_000, 10_000, 400)


def test_limits_follow_from_the_work_and_the_threads():
    values = {"patches": PATCHES, "digits": merged(DIGITS, {"training": {"n_epochs": 1_000_000}})}
    study = Study.model_validate(values)
    found = Limits(study)
    assert found.minutes("train", "0-9") == LEAST
    table, one = rates.shipped(), work("train_jointly", 10, None, values)
    seconds = table.starts["train_jointly"] + table.seconds(one)
    assert found.minutes("train_jointly", "10-19") == math.ceil(ROOM * seconds / 60) > LEAST
    assert found.minutes("train_jointly", "10-19", 8) == math.ceil(ROOM * seconds * 2 / 10 / 60)
    unknown = merged(values, {"digits": {"data": {"source": "npz", "file": "there is none"}}})
    assert Limits(Study.model_validate(unknown)).minutes("train_jointly", "0-9") == UNKNOWN


def test_sections_of_a_spec_are_what_the_work_reads():
    for stage in set(workload.OF_STAGE) - {"prune"}:
        assert {key for key in STAGES[stage].spec if key in SECTIONS[STAGES[stage].experiment]}
