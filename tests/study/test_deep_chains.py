"""Which stream and which state each stage of the digits starts from, and that equal input gives equal bits."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
from deep_machines import full_machine
from deep_study import N_CHAINS, N_SAMPLES, N_TRAIN, DeepRunner, deep_values, digits, write_images
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from boltzprune.backend import get_backend
from boltzprune.core.masks import receptive_fields
from boltzprune.core.streams import fork, uniform
from boltzprune.errors import InputError
from boltzprune.learning.joint_training import restarted, train_jointly
from boltzprune.learning.pretraining import layer_rbm, pretrain
from boltzprune.learning.training import Run
from boltzprune.pruning.prune import compact
from boltzprune.results.store import Arrays, checksum, read_chains, read_machine
from boltzprune.sampling import exact
from boltzprune.sampling.ais import ais
from boltzprune.sampling.statistics import deep_statistics
from boltzprune.study import jobs
from boltzprune.study.progress import Progress
from boltzprune.study.settings import merged
from boltzprune.study.stages import Job, run

REFERENCE = get_backend("reference")
SILENT = Progress(1, "updates", "test", bar=False)


def load(deep, name, seed):
    """Machine and chains."""
    arrays = Arrays(deep.folder / f"{name}.npz")
    machine = read_machine(arrays, seed)
    return machine, read_chains(arrays, seed, machine.layer_sizes)


def is_same(one, other):
    """Whether two machines with their chains have the same bits."""
    (a, chains), (b, others) = one, other
    pairs = [*zip(a.weights, b.weights), *zip(a.biases, b.biases), *zip(a.masks, b.masks), *zip(chains, others)]
    return all(x.shape == y.shape and np.array_equal(x, y) for x, y in pairs)


def trained(deep, name, seed, training, iteration, chains=None):
    """What the library makes of a machine."""
    before, own = load(deep, name, seed)
    settings = training, deep.study.digits.mean_field, [fork(seed, "training", iteration)]
    work = [before], [chains or own], digits(deep).cases
    return train_jointly(*work, *settings, Run(REFERENCE, SILENT, ["test"]))[0]


def test_pre_training_by_the_library(deep):
    study = deep.study.digits
    masks = [receptive_fields((5, 3), 3), np.ones((15, 11), dtype=bool)]
    for seed in (0, 1):
        rbms = [layer_rbm(mask, layer, study.machine, seed) for layer, mask in enumerate(masks)]
        settings = study.pretraining, N_CHAINS, [seed]
        [expected] = pretrain([rbms], digits(deep).cases, *settings, [Run(REFERENCE, SILENT)] * 2)
        machine, chains = load(deep, "pretrained", seed)
        assert is_same((machine, chains), expected)
        assert np.array_equal(chains[0], digits(deep).states[:N_CHAINS])


def test_joint_training_by_the_library(deep):
    for seed in (0, 1):
        assert is_same(load(deep, "initial", seed), trained(deep, "pretrained", seed, deep.study.digits.training, 0))


def restarted_by_hand(deep, machine, seed, iteration):
    """Chains at the first images; h1 is drawn with doubled input, h2 with the input from h1 alone."""
    states, key = [digits(deep).cases[:N_CHAINS]], fork(seed, "restart of chains", iteration)
    for layer, gain in ((1, 2.0), (2, 1.0)):
        fields = states[-1] @ machine.weights[layer - 1].astype(float) + machine.biases[layer]
        numbers = uniform(key, 0, layer, np.arange(N_CHAINS), fields.shape[1])
        states.append((numbers < expit(gain * fields)).astype(np.uint8))
    return tuple(states)


@pytest.mark.parametrize("chain", ["random_units1", "anti_fi2"])
def test_retraining_starts_from_the_pruned_machine_and_chains_at_the_first_images(deep, chain):
    training, iteration = deep.study.digits.retraining, int(chain[-1])
    assert training.chains == "restart"
    for seed in (0, 1):
        name = f"{chain}_pruned"
        start = restarted_by_hand(deep, load(deep, name, seed)[0], seed, iteration)
        found = load(deep, f"{chain}_retrained", seed)
        assert is_same(found, trained(deep, name, seed, training, iteration, start))
        assert not is_same(found, trained(deep, name, seed, training, iteration))
        assert not is_same(found, trained(deep, name, seed, training, 3 - iteration, start))


@pytest.mark.parametrize("chain", ["random_units1", "anti_fi2"])
def test_chains_that_go_on_start_where_pruning_left_them(deep, tmp_path, chain):
    training = deep.study.digits.retraining.model_copy(update={"chains": "go_on"})
    study = deep.study.model_copy(update={"digits": deep.study.digits.model_copy(update={"retraining": training})})
    job = jobs.job(study, "retrain_jointly", iteration=int(chain[-1]))
    inputs = {"machine": [deep.folder / f"{chain}_pruned.npz"], "digits": [deep.folder / "digits.npz"]}
    run(Job("retrain_jointly", inputs, {"machine": tmp_path / "retrained.npz"}, json.loads(job["spec"]), (0, 1)))
    arrays = Arrays(tmp_path / "retrained.npz")
    for seed in (0, 1):
        machine = read_machine(arrays, seed)
        found = machine, read_chains(arrays, seed, machine.layer_sizes)
        assert is_same(found, trained(deep, f"{chain}_pruned", seed, training, int(chain[-1])))
        assert not is_same(found, load(deep, f"{chain}_retrained", seed))


def test_chains_restart_in_machines_that_lost_a_layer_and_with_more_chains_than_images():
    machine = compact(
        full_machine(5, 7, 3),
        [np.ones((5, 7), bool), np.zeros((7, 3), bool)],
        [np.ones(5, bool), np.ones(7, bool), np.zeros(3, bool)],
    )
    cases = np.eye(5, dtype=np.uint8)[:2]
    states = restarted(machine, cases, 5, fork(3, "restart of chains", 2), REFERENCE)
    assert [layer.shape for layer in states] == [(5, 5), (5, 7), (5, 0)]
    assert np.array_equal(states[0], cases[[0, 1, 0, 1, 0]])


@pytest.mark.parametrize(
    ("before", "after"),
    [("initial", "anti_fi1"), ("anti_fi1_retrained", "anti_fi2"), ("random_units1_retrained", "random_units2")],
)
def test_pruning_keeps_the_chains_and_the_values_of_what_remains(deep, before, after):
    for seed in (0, 1):
        (old, chains), (new, left) = load(deep, before, seed), load(deep, f"{after}_pruned", seed)
        stays = [np.isin(a, b) for a, b in zip(old.units, new.units)]
        for states, keep, found in zip(chains, stays, left):
            assert len(found) == N_CHAINS
            assert np.array_equal(found, states[:, keep])
        for layer, mask in enumerate(new.masks):
            values = old.weights[layer][np.ix_(stays[layer], stays[layer + 1])]
            assert np.array_equal(new.weights[layer], np.where(mask, values, 0))
        for bias, keep, found in zip(old.biases, stays, new.biases):
            assert np.array_equal(found, bias[keep])


@pytest.mark.parametrize(
    ("name", "iteration", "phase"),
    [("initial", 0, 0), ("anti_fi1_pruned", 1, 1), ("anti_fi2_retrained", 2, 0), ("random_units2_pruned", 2, 1)],
)
def test_samples_go_on_from_the_chains_in_a_stream_of_their_own(deep, name, iteration, phase):
    statistics, samples = (Arrays(deep.folder / f"{name}_{kind}.npz") for kind in ("statistics", "samples"))
    for seed in (0, 1):
        key = fork(seed, "samples", iteration, phase)
        settings = N_SAMPLES, deep.study.digits.sampling, key, REFERENCE
        expected, visible = deep_statistics(*load(deep, name, seed), *settings)
        assert np.array_equal(samples[f"seed{seed}/visible"], visible)
        for layer, rate in enumerate(expected.rates):
            assert np.array_equal(statistics[f"seed{seed}/rate{layer}"], rate)
        for layer, mean in enumerate(expected.pair_means):
            assert np.array_equal(statistics[f"seed{seed}/pair_mean{layer}"], mean)


@pytest.mark.parametrize(("name", "iteration"), [("initial", 0), ("anti_fi2_retrained", 2)])
def test_log_z_has_a_stream_for_each_iteration(deep, name, iteration):
    target = "initial" if name == "initial" else name.removesuffix("_retrained")
    rows = pd.read_csv(deep.folder / f"{target}_metrics.csv")
    rows = rows[rows["phase"] != "pruned"].set_index("seed")
    for seed in (0, 1):
        found = ais(load(deep, name, seed)[0], 7, 11, fork(seed, "log Z", iteration), REFERENCE)
        assert (rows.loc[seed, "log_z"], rows.loc[seed, "log_z_sd"]) == (found.log_z, found.sd)


def test_sampled_encodings_by_the_library(deep, tmp_path):
    data, name = digits(deep), "random_units1_retrained"
    values = merged(deep_values(deep.folder / "my_images.npz"), {"digits": {"evaluation": {"encoding": "sampled"}}})
    job = jobs.job(DeepRunner(values, tmp_path).study, "evaluate_digits")
    inputs = {key: [deep.folder / f"{name}{end}.npz"] for key, end in ENDS.items()}
    inputs |= {key: [deep.folder / f"{key}.npz"] for key in ("digits", "classifier")}
    outputs = {key: tmp_path / f"{key}.csv" for key in ("metrics", "classes")}
    run(Job("evaluate_digits", inputs, outputs, json.loads(job["spec"]), (0, 1), 1))
    found = pd.read_csv(outputs["metrics"]).set_index("seed")
    states = np.concatenate([data.cases, data.test_states])
    means = pd.read_csv(deep.folder / "random_units1_metrics.csv")
    for seed in (0, 1):
        machine, _ = load(deep, name, seed)
        start = [states, *(np.zeros((len(states), n), np.uint8) for n in machine.layer_sizes[1:])]
        codes = REFERENCE.advance(machine, start, fork(seed, "encodings", 1), 0, 50, 0, first_layer=1)[-1]
        classifier = LogisticRegression(C=0.7, max_iter=1000).fit(codes[:N_TRAIN], data.labels[:N_TRAIN])
        expected = 1 - classifier.score(codes[N_TRAIN:], data.test_labels)
        assert found.loc[seed, "encoding_error"] == pytest.approx(expected, abs=1e-9)
        before = means[(means["phase"] == "retrained") & (means["seed"] == seed)].iloc[0]
        assert found.loc[seed, "encoding_train_error"] != before["encoding_train_error"]
        for key in ("bound", "log_z", "n_mean_field", "quality_mean"):
            assert found.loc[seed, key] == before[key]


ENDS = {"machine": "", "statistics": "_statistics", "samples": "_samples"}


def test_fresh_chains_sample_the_machine_and_leave_the_persistent_ones(deep, tmp_path):
    sampling = {"chains": "fresh", "n_samples": 2003, "n_gibbs_steps": 30}
    study = DeepRunner(merged(deep_values(deep.folder / "x"), {"digits": {"sampling": sampling}}), tmp_path).study
    job = jobs.job(study, "sample_deep", criterion="anti_fi", iteration=2, phase="retrained")
    inputs = {"machine": [deep.folder / "anti_fi2_retrained.npz"], "digits": [deep.folder / "digits.npz"]}
    outputs = {key: tmp_path / f"{key}.npz" for key in ("statistics", "samples")}
    run(Job("sample_deep", inputs, outputs, json.loads(job["spec"]), (0, 1), 1))
    for seed in (0, 1):
        expected = exact.statistics(load(deep, "anti_fi2_retrained", seed)[0])
        found = Arrays(outputs["statistics"])
        assert found[f"seed{seed}/n_samples"] == 2003
        for kind, layers in (("rate", expected.rates), ("pair_mean", expected.pair_means)):
            for layer, p in enumerate(layers):
                z = (found[f"seed{seed}/{kind}{layer}"] - p) / np.sqrt(p * (1 - p) / 2003 + 1e-9)
                assert np.abs(z).max() < 5


def test_the_same_study_in_another_folder_gives_the_same_bytes(deep, tmp_path):
    write_images(tmp_path / "my_images.npz")
    again = DeepRunner(deep_values(tmp_path / "my_images.npz"), tmp_path)
    again.initial()
    again.chain("anti_fi", last=1)
    for path in sorted(tmp_path.iterdir()):
        if path.name != "source.json":
            assert checksum(path) == checksum(deep.folder / path.name), path.name


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """The same study on the default device: seeds 0-1 in one job on two threads, and seed 1 alone on one."""
    folders = {}
    for name, seeds, threads in (("both", (0, 1), 2), ("one", (1,), 1)):
        folder = tmp_path_factory.mktemp(name)
        write_images(folder / "my_images.npz")
        runner = DeepRunner(deep_values(folder / "my_images.npz") | {"device": "cpu"}, folder, seeds, threads)
        runner.initial()
        runner.chain("anti_fi", last=1)
        folders[name] = runner
    return folders


CHAIN = ("pretrained", "initial", "anti_fi1_pruned", "anti_fi1_retrained")
KINDS = [*CHAIN, *(f"{name}_{kind}" for name in CHAIN[1:] for kind in ("statistics", "samples"))]


def test_seeds_that_share_a_job_and_threads_change_no_bit(compiled):
    for name in KINDS:
        both, one = (Arrays(compiled[which].folder / f"{name}.npz") for which in ("both", "one"))
        assert one.names == {key for key in both.names if key.startswith("seed1/")} | {"provenance"}
        for key in one.names - {"provenance"}:
            assert both[key].dtype == one[key].dtype
            assert both[key].tobytes() == one[key].tobytes(), (name, key)
    for name in ("initial", "anti_fi1"):
        for table in ("metrics", "classes"):
            both, one = (pd.read_csv(compiled[which].folder / f"{name}_{table}.csv") for which in ("both", "one"))
            assert both[both["seed"] == 1].reset_index(drop=True).equals(one)


def test_the_seeds_differ(deep):
    for name in ("pretrained", "initial"):
        (a, chains), (b, others) = (load(deep, name, seed) for seed in (0, 1))
        assert not any(np.array_equal(x, y) for x, y in zip(a.weights, b.weights))
        assert not any(np.array_equal(x, y) for x, y in zip(chains[1:], others[1:]))


def test_the_devices_agree(deep, compiled):
    frames = [pd.read_csv(folder / "initial_metrics.csv") for folder in (deep.folder, compiled["both"].folder)]
    sizes = [name for name in frames[0] if name.startswith("n_") and name not in ("n_mean_field", "n_effective")]
    assert frames[0][sizes].equals(frames[1][sizes])
    for seed in (0, 1):
        (a, _), (b, _) = (load(runner, "pretrained", seed) for runner in (deep, compiled["both"]))
        for one, other in zip(a.weights, b.weights):
            assert np.abs(one - other).max() < 0.05
    for name in ("bound", "quality_mean", "diversity", "activity_1", "activity_2"):
        assert frames[0][name].to_numpy() == pytest.approx(frames[1][name].to_numpy(), abs=0.1)


def test_machines_statistics_and_samples_come_in_threes(deep):
    study = deep.study
    inputs = {key: [deep.folder / f"initial{end}.npz"] for key, end in ENDS.items()}
    inputs |= {key: [deep.folder / f"{key}.npz"] for key in ("digits", "classifier")}
    outputs = {key: deep.folder / f"again_{key}.csv" for key in ("metrics", "classes")}
    job = Job("evaluate_digits", inputs, outputs, json.loads(jobs.job(study, "evaluate_digits")["spec"]), (0, 1), 1)
    run(job)
    assert (deep.folder / "again_metrics.csv").read_bytes() == (deep.folder / "initial_metrics.csv").read_bytes()
    for name in ENDS:
        with pytest.raises(InputError, match="expected as many --in machine as statistics and samples"):
            run(dataclasses.replace(job, inputs=inputs | {name: inputs[name] * 2}))


def test_images_and_units_that_do_not_fit_are_refused(deep, tmp_path):
    values = merged(deep_values(deep.folder / "x"), {"digits": {"machine": {"n_hidden": [13, 11]}}})
    job = jobs.job(DeepRunner(values, tmp_path).study, "pretrain")
    given = {"digits": [deep.folder / "digits.npz"]}
    with pytest.raises(InputError) as caught:
        run(Job("pretrain", given, {"machine": tmp_path / "x.npz"}, json.loads(job["spec"]), (0,), 1))
    assert str(caught.value).startswith("digits.machine.n_hidden = [13, 11]: ")
    assert "5 x 3 = 15" in str(caught.value)
    assert "set [15, 11], or receptive_field: null" in str(caught.value)
