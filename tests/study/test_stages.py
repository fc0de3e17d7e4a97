"""What the stages write: the chain of a tiny study, checked against the library's own functions and by hand."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
from tiny_study import Runner, tiny_values, write_patterns

from boltzprune.backend import get_backend
from boltzprune.core.fisher import fisher_diagonal, heuristic_diagonal
from boltzprune.core.streams import fork, permutation
from boltzprune.errors import InputError
from boltzprune.learning.training import Run, data_rate, new_rbm, train
from boltzprune.pruning.weights import n_kept
from boltzprune.results.prepared import read_states
from boltzprune.results.store import Arrays, checksum, read_machine, read_statistics
from boltzprune.sampling import exact
from boltzprune.study import jobs
from boltzprune.study.config import PatchRetraining
from boltzprune.study.progress import Progress
from boltzprune.study.stages import Job, run

SILENT = Progress(1, "updates", "test", bar=False)


def machine(tiny, name, seed):
    return read_machine(Arrays(tiny.folder / f"{name}.npz"), seed)


def test_the_numbers_of_weights_along_the_chain(tiny):
    for criterion in ("eigenvector", "anti_fi"):
        names = ["initial", *(f"{criterion}{i}_{phase}" for i in (1, 2) for phase in ("pruned", "retrained"))]
        for seed in (0, 1):
            found = [machine(tiny, name, seed).n_weights[0] for name in names]
            assert found == [35, 17, 17, 8, 8]


def test_retraining_keeps_the_mask_and_changes_the_values(tiny):
    for seed in (0, 1):
        pruned, retrained = (machine(tiny, f"anti_fi2_{phase}", seed) for phase in ("pruned", "retrained"))
        assert np.array_equal(pruned.masks[0], retrained.masks[0])
        assert np.array_equal(pruned.units[1], retrained.units[1])
        assert (pruned.weights[0] != retrained.weights[0])[pruned.masks[0]].all()


@pytest.mark.parametrize(("stage", "before"), [("train", None), ("retrain", "eigenvector1_pruned")])
def test_each_seed_has_its_own_order_of_the_patterns_where_the_configuration_says_so(tiny, tmp_path, stage, before):
    """Both trainings of a seed see one order; with the shared one, seeds that share machine and stream are equal."""
    training = tiny.study.patches.training.model_copy(update={"order": "per_seed"})
    retraining = PatchRetraining(**training.model_dump())
    patches = tiny.study.patches.model_copy(update={"training": training, "retraining": retraining})
    given = {"iteration": 1} if before else {}
    spec = json.loads(jobs.job(tiny.study.model_copy(update={"patches": patches}), stage, **given)["spec"])
    inputs = {"patterns": [tiny.folder / "patterns.npz"]}
    inputs |= {"machine": [tiny.folder / f"{before}.npz"]} if before else {}
    run(Job(stage, inputs, {"machine": tmp_path / "machine.npz"}, spec, (0, 1)))
    cases = read_states(Arrays(tiny.folder / "patterns.npz"))
    for seed in (0, 1):
        own = cases[permutation(fork(seed, "order of patterns"), len(cases))]
        assert not np.array_equal(own, cases) and np.array_equal(np.sort(own, axis=0), np.sort(cases, axis=0))
        start = patches.machine
        options = start.n_hidden, start.weight_sd, start.hidden_bias, seed
        one = machine(tiny, before, seed) if before else new_rbm(data_rate(cases), *options)
        key = [fork(seed, "training", 1 if before else 0)]
        [expected] = train([one], own, training, key, Run(get_backend("reference"), SILENT, ["test"]))
        found = read_machine(Arrays(tmp_path / "machine.npz"), seed)
        assert np.array_equal(found.weights[0], expected.weights[0])
        shared = machine(tiny, "eigenvector1_retrained" if before else "initial", seed)
        assert not np.array_equal(found.weights[0], shared.weights[0])


def test_pruning_starts_from_the_retrained_machine(tiny):
    for seed in (0, 1):
        before, after = machine(tiny, "eigenvector1_retrained", seed), machine(tiny, "eigenvector2_pruned", seed)
        kept = np.isin(before.units[1], after.units[1])
        assert np.array_equal(before.weights[0][:, kept][after.masks[0]], after.weights[0][after.masks[0]])


def test_the_record_tells_what_went(tiny):
    for iteration in (1, 2):
        record = pd.read_csv(tiny.folder / f"anti_fi{iteration}_record.csv", dtype=str, keep_default_na=False)
        before = "initial" if iteration == 1 else "anti_fi1_retrained"
        for row in record.to_dict("records"):
            old, new = (machine(tiny, name, int(row["seed"])) for name in (before, f"anti_fi{iteration}_pruned"))
            n = old.n_weights[0]
            assert int(row["n_weights_before"]) == n
            assert int(row["n_weights_removed"]) == n - n_kept(n, 0.5)
            assert int(row["n_hidden_before"]) == len(old.units[1])
            gone = [int(unit) for unit in row["hidden_removed"].split()]
            assert sorted([*gone, *new.units[1]]) == old.units[1].tolist()
            lost = [int(unit) for unit in row["visible_disconnected"].split()]
            assert lost == (~new.masks[0].any(axis=1)).nonzero()[0].tolist()


def test_metrics_of_every_machine_once(tiny):
    metrics = pd.read_csv(tiny.folder / "metrics.csv")
    assert len(metrics) == 2 * (1 + 2 * 2 * 2 + 2 + 2 * 2)
    keys = ["criterion", "iteration", "phase", "seed"]
    assert not metrics.duplicated(keys).any()
    assert metrics.sort_values(keys, ignore_index=True).equals(metrics)
    assert set(metrics[metrics["iteration"] == 0]["phase"]) == {"initial"}
    assert set(metrics["phase"]) == {"initial", "pruned", "retrained", "rewind", "scratch"}


def test_metrics_by_hand(tiny):
    metrics = pd.read_csv(tiny.folder / "metrics.csv").set_index(["criterion", "iteration", "phase", "seed"])
    data = np.load(tiny.folder / "my_patterns.npz")["patterns"]
    codes, counts = np.unique(data @ (1 << np.arange(4, -1, -1)), return_counts=True)
    p = counts / counts.sum()
    for index, name in (
        (("none", 0, "initial", 1), "initial"),
        (("anti_fi", 1, "pruned", 0), "anti_fi1_pruned"),
        (("eigenvector", 2, "retrained", 1), "eigenvector2_retrained"),
    ):
        row, seed = metrics.loc[index], index[-1]
        model = machine(tiny, name, seed)
        log_q = exact.visible_log_probabilities(model)[codes]
        assert row["kl_exact"] == pytest.approx(float(np.sum(p * (np.log(p) - log_q))), rel=1e-9)
        assert row["mse_exact"] == pytest.approx(float(np.mean((np.log(p) - log_q) ** 2)), rel=1e-9)
        statistics = Arrays(tiny.folder / f"{name}_statistics.npz")
        shown = np.unpackbits(statistics[f"seed{seed}/patterns"], axis=1)[:, :5] @ (1 << np.arange(4, -1, -1))
        assert row["n_missing"] == len(set(codes) - set(shown))
        assert row["missing_share"] == pytest.approx(counts[~np.isin(codes, shown)].sum() / counts.sum())
        squares, rare = (np.log(p) - log_q) ** 2, counts <= np.median(counts)
        assert row["error_rare"] == pytest.approx(squares[rare].mean())
        assert row["error_frequent"] == pytest.approx(squares[~rare].mean())
        means, mask = read_statistics(statistics, seed)[0], model.masks[0]
        variance = fisher_diagonal(means.pair_means[0], means.n_samples)[mask]
        heuristic = heuristic_diagonal(model.weights[0], means.rates[0], means.rates[1])[mask]
        assert mask.sum() == (35 if name == "initial" else model.n_weights[0])
        assert row["heuristic_correlation"] == pytest.approx(np.corrcoef(variance, heuristic)[0, 1])
        off = np.abs(heuristic / variance - 1)[variance > 0]
        assert row["heuristic_relative_difference"] == pytest.approx(np.median(off))
        assert row["n_data_patterns"] == len(codes)
        assert row["hidden_rate"] == pytest.approx(statistics[f"seed{seed}/rate1"].mean())
        assert (row["n_weights"], row["n_hidden"]) == (model.n_weights[0], model.layer_sizes[1])
        assert row["n_visible_connected"] == model.masks[0].any(axis=1).sum()


def test_eigenvalues_only_where_somebody_looks_at_them(tiny):
    metrics = pd.read_csv(tiny.folder / "metrics.csv")
    has = metrics["eigenvalue_1"].notna()
    asked = (metrics["criterion"] == "eigenvector") & (metrics["phase"] == "retrained")
    expected = (metrics["iteration"] == 0) | asked
    assert (has == expected).all()
    assert (metrics["eigenvalue_1"] >= metrics["eigenvalue_2"])[has].all()
    arrays = Arrays(tiny.folder / "initial_statistics.npz")
    size = np.abs(arrays["seed0/fisher_matrix"])
    shares = [float(arrays[f"seed{seed}/negligible_share"]) for seed in (0, 1)]
    assert shares[0] == pytest.approx(np.mean(size < 0.01 * size.max()), abs=2 / size.size)  # kept in float32
    assert 0 < min(shares) and max(shares) < 1 and shares[0] != shares[1]
    kept = [s for s in (0, 1) if f"seed{s}/fisher_matrix" in Arrays(tiny.folder / "initial_statistics.npz").names]
    assert kept == [0]
    assert "seed0/fisher_matrix" not in Arrays(tiny.folder / "eigenvector1_retrained_statistics.npz").names


def test_samples_before_and_after_retraining_have_their_own_streams(tiny):
    study = tiny.study
    counts = []
    for phase in ("pruned", "retrained"):
        inputs = {"machine": "anti_fi1_pruned.npz", "patterns": "patterns.npz"}
        tiny("sample", jobs.sample_job(study, "anti_fi", 1, phase), inputs, {"statistics": "stream.npz"})
        counts.append(Arrays(tiny.folder / "stream.npz")["seed0/pair_mean0"])
    assert not np.array_equal(*counts)
    assert np.array_equal(counts[0], Arrays(tiny.folder / "anti_fi1_pruned_statistics.npz")["seed0/pair_mean0"])


def test_pattern_probabilities_by_hand(tiny):
    table = pd.read_csv(tiny.folder / "pattern_probabilities.csv", dtype={"pattern": str})
    assert set(zip(table["criterion"], table["iteration"], table["phase"])) == {
        ("none", 0, "initial"),
        ("eigenvector", 2, "retrained"),
        ("anti_fi", 2, "retrained"),
    }
    data = np.load(tiny.folder / "my_patterns.npz")["patterns"]
    statistics = Arrays(tiny.folder / "anti_fi2_retrained_statistics.npz")
    texts, counts = np.unique(["".join(map(str, row)) for row in data], return_counts=True)
    part = table[table["criterion"] == "anti_fi"].set_index("pattern")
    assert list(part.index) == texts.tolist()
    samples = [
        dict(zip(map(bytes, statistics[f"seed{s}/patterns"]), statistics[f"seed{s}/counts"].tolist())) for s in (0, 1)
    ]
    totals = [211 + 0.5 * sum(bytes(np.packbits([int(b) for b in t])) not in s for t in texts) for s in samples]
    for text, count in zip(texts, counts):
        key = bytes(np.packbits([int(bit) for bit in text]))
        logs = [np.log(s.get(key, 0.5) / total) for s, total in zip(samples, totals)]
        row = part.loc[text]
        assert row["log_data"] == pytest.approx(np.log(count / 211))
        assert row["log_model_mean"] == pytest.approx(np.mean(logs))
        low, high = np.percentile(logs, [25, 75])
        assert (row["log_model_q25"], row["log_model_q75"]) == (pytest.approx(low), pytest.approx(high))
        assert row["n_seeds"] == 2


def test_provenance_holds_no_place_and_no_time(tiny, tmp_path):
    about = Arrays(tiny.folder / "eigenvector2_retrained.npz").provenance
    assert about["stage"] == "retrain"
    assert about["seeds"] == [0, 1]
    assert about["inputs"]["machine"] == [checksum(tiny.folder / "eigenvector2_pruned.npz")]
    assert set(about["versions"]) == {"boltzprune", "python", "numpy", "scipy", "numba"}
    assert str(tiny.folder) not in json.dumps(about)
    data = Arrays(tiny.folder / "patterns.npz").provenance
    assert str(tiny.folder) not in json.dumps(data)
    assert data["data"]["files"][0]["name"] == "my_patterns.npz"


def test_the_same_study_in_another_folder_gives_the_same_bytes(tiny, tmp_path):
    write_patterns(tmp_path / "my_patterns.npz")
    again = Runner(tiny_values(tmp_path / "my_patterns.npz", criteria=["anti_fi"], iterations=1), tmp_path)
    again.initial()
    again.chain("anti_fi")
    for name in ("patterns", "initial", "initial_statistics", "anti_fi1_pruned", "anti_fi1_retrained"):
        assert checksum(again.folder / f"{name}.npz") == checksum(tiny.folder / f"{name}.npz"), name


def job(tiny, **changed):
    """A job of `evaluate` that would run."""
    given = Job(
        "evaluate",
        {
            "patterns": [tiny.folder / "patterns.npz"],
            "machine": [tiny.folder / "initial.npz"],
            "statistics": [tiny.folder / "initial_statistics.npz"],
        },
        {"metrics": tiny.folder / "again.csv"},
        {"evaluation": {}},
        (0, 1),
        1,
    )
    return dataclasses.replace(given, **changed)


def test_a_job_by_hand_repeats_the_one_of_the_study(tiny):
    run(job(tiny))
    assert (tiny.folder / "again.csv").read_bytes() == (tiny.folder / "initial_metrics.csv").read_bytes()


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"inputs": {}}, "evaluate: --in patterns is missing"),
        ({"outputs": {}}, "evaluate: --out metrics is missing"),
        ({"raw_spec": {}}, "evaluate: key of --spec evaluation is missing"),
        ({"raw_spec": {"evaluation": {}, "x": 1}}, "evaluate: unknown key of --spec x; expected evaluation"),
        ({"raw_spec": {"evaluation": {"missing_patterns": "all"}}}, "--spec: evaluation.missing_patterns = 'all'"),
        ({"raw_spec": {"evaluation": 3}}, "--spec: evaluation = 3"),
        ({"seeds": (0, 5)}, "initial.npz: has no machine of seed 5"),
    ],
)
def test_a_job_that_is_not_what_the_stage_asks_for(tiny, changed, expected):
    with pytest.raises(InputError) as caught:
        run(job(tiny, **changed))
    assert expected in str(caught.value)


def test_machines_and_statistics_come_in_pairs(tiny):
    inputs = job(tiny).inputs
    with pytest.raises(InputError, match="one --in statistics for each --in machine"):
        run(job(tiny, inputs=inputs | {"machine": inputs["machine"] * 2}))
