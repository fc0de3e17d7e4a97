"""What an estimator does and tells: arrays as before any pruning, likelihoods, files, errors that change nothing."""

import pickle

import numpy as np
import pytest
from by_hand import patterns as draw_patterns
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import boltzprune
from boltzprune import PrunedDBM, PrunedRBM
from boltzprune.core.fisher import fisher_diagonal
from boltzprune.errors import InputError, TrainingError
from boltzprune.sampling import exact
from boltzprune.single import activity

FEW = {"n_epochs": 2, "batch_size": 7, "learning_rate": [0.1, 0.05]}
SHORT = {"pretraining": {"first": FEW, "second": FEW}, "training": FEW, "retraining": FEW, "n_chains": 13}


@pytest.fixture
def X():
    rng = np.random.default_rng(19)
    common = rng.random((211, 1)) < 0.4
    return (rng.random((211, 5)) < np.where(common, 0.8, 0.25)).astype(np.uint8)


@pytest.fixture
def rbm(X):
    return PrunedRBM(7, learning_rate=[0.1] * 3, random_state=3, device="cpu").fit(X)


@pytest.fixture
def dbm(X):
    return PrunedDBM((7, 3), **SHORT, random_state=3, device="cpu").fit(X)


def test_arrays_keep_the_numbering_before_any_pruning(rbm, X):
    before = rbm.weights_
    rbm.prune("random_units", fraction=0.5, whole_units="count")
    assert rbm.mask_.shape == rbm.weights_.shape == rbm.importance_.shape == (5, 7)
    assert len(rbm.units_) == 4 and rbm.transform(X).shape == (211, 4)
    gone = np.setdiff1d(np.arange(7), rbm.units_)
    assert not rbm.mask_[:, gone].any() and rbm.mask_[:, rbm.units_].all()
    assert np.array_equal(rbm.weights_[:, rbm.units_], before[:, rbm.units_])
    assert np.isnan(rbm.importance_[:, gone]).all() and np.isfinite(rbm.importance_[:, rbm.units_]).all()
    assert list(rbm.get_feature_names_out()) == [f"h1_{unit}" for unit in rbm.units_]


def test_arrays_of_a_dbm_are_one_for_each_layer(dbm):
    dbm.prune("random_weights", fraction=[0.4, 0.6], threshold="rank")
    (lower, upper), (h1, h2) = dbm.mask_, dbm.units_
    assert (lower.shape, upper.shape) == ((5, 7), (7, 3))
    assert [lower.sum(), upper.sum()] == list(dbm.machine_.n_weights)
    assert set(np.flatnonzero(upper.any(axis=1))) == set(h1) and set(np.flatnonzero(upper.any(axis=0))) == set(h2)
    assert np.array_equal(np.isnan(dbm.importance_[1]), ~upper)


def test_the_importance_is_the_fisher_information_of_the_sampled_means(rbm):
    means = rbm.statistics_
    assert np.array_equal(rbm.importance_, fisher_diagonal(means.pair_means[0]))
    truth = exact.statistics(rbm.machine_)
    sd = np.sqrt(truth.pair_means[0] * (1 - truth.pair_means[0]) / 211)
    assert (np.abs(means.pair_means[0] - truth.pair_means[0]) < 4.5 * sd).all()
    exactly = clone(rbm).set_params(statistics="enumerated", learning_rate=[0.1] * 3)
    assert np.array_equal(rbm.importance("weight_magnitude"), np.abs(rbm.weights_.astype(float)))
    assert exactly.get_params()["statistics"] == "enumerated"


def test_other_parameters_of_the_sampling_are_heeded_at_once(rbm):
    before = rbm.importance_
    assert rbm.statistics_.n_samples == 211 and np.array_equal(rbm.importance_, before)
    assert rbm.set_params(n_samples=1009).statistics_.n_samples == 1009
    exactly = rbm.set_params(statistics="enumerated").importance_
    assert exactly == pytest.approx(fisher_diagonal(exact.statistics(rbm.machine_).pair_means[0]))


def test_a_machine_that_is_fitted_again_is_observed_again(rbm, X):
    before = rbm.importance_, rbm.log_z_
    rbm.fit(1 - X)
    fresh = clone(rbm).fit(1 - X)
    assert np.array_equal(rbm.importance_, fresh.importance_) and rbm.log_z_ == fresh.log_z_
    assert not np.array_equal(rbm.importance_, before[0]) and rbm.log_z_ != before[1]


def test_criteria_can_be_functions(rbm):
    def largest_weight(evidence):
        return evidence.weights

    weights = rbm.weights_
    rbm.prune(largest_weight, fraction=0.5, threshold="rank")
    assert rbm.history_[-1]["criterion"] == "largest_weight"
    assert set(weights[rbm.mask_]) == set(np.sort(weights.ravel())[-17:])


def test_a_criterion_that_misbehaves_leaves_the_machine_as_it_is(rbm):
    def broken(evidence):
        return evidence.weights[:, 0]

    before, history = rbm.machine_, list(rbm.history_)
    for criterion, settings, message in (
        (broken, {}, r"criterion 'broken' .*shape \(5,\)"),
        (lambda: 3, {}, r"criterion '<lambda>' takes \(\)"),
        (3, {}, r"criterion 'int' is 3; expected a function"),
        ("varience_fi", {}, r"criterion 'varience_fi': expected one of variance_fi"),
        ("variance_fi", {"fraction": 1.5}, r"prune.fraction = 1.5: Input should be less than 1"),
        ("variance_fi", {"treshold": "rank"}, r"prune.treshold = 'rank': Extra inputs are not permitted"),
        ("variance_fi", {"fraction": 0.999, "threshold": "rank"}, r"of 35 weights none would be left in a layer"),
    ):
        with pytest.raises(InputError, match=message):
            rbm.prune(criterion, **settings)
    assert rbm.machine_ is before and rbm.history_ == history and rbm.iteration_ == 0


def test_a_training_that_fails_leaves_the_machine_as_it_is(rbm, dbm, X):
    for estimator, settings in ((rbm, {"learning_rate": [1e38] * 3}), (dbm, {"learning_rate": [1e38, 1e38]})):
        estimator.prune("weight_magnitude")
        before = estimator.machine_, list(estimator.history_), getattr(estimator, "chains_", None)
        with pytest.raises(TrainingError, match="became NaN or infinite in epoch"):
            estimator.retrain(X, **settings)
        assert (estimator.machine_, estimator.history_, getattr(estimator, "chains_", None)) == before
        assert (estimator.iteration_, estimator.is_retrained_) == (1, False)
        assert estimator.retrain(X).is_retrained_


def test_likelihoods_are_exact_where_they_can_be_and_follow_the_machine(rbm, X):
    log_p = exact.visible_log_probabilities(rbm.machine_)[X @ [16, 8, 4, 2, 1]]
    assert rbm.score_samples(X) == pytest.approx(log_p, abs=1e-9)
    assert (rbm.log_z_error_, rbm.score(X)) == (0.0, pytest.approx(log_p.mean()))
    before = rbm.score(X)
    rbm.prune("anti_fi")
    assert rbm.score(X) == pytest.approx(exact.visible_log_probabilities(rbm.machine_)[X @ [16, 8, 4, 2, 1]].mean())
    assert rbm.score(X) != before


def test_likelihoods_of_large_machines_are_annealed(X, monkeypatch):
    rbm = PrunedRBM(7, learning_rate=0.1, random_state=5, device="cpu").fit(X)
    truth = exact.log_z(rbm.machine_)
    monkeypatch.setattr(activity, "MAX_LISTED", 4)
    fresh = pickle.loads(pickle.dumps(rbm))
    assert 0 < fresh.log_z_error_ < 0.1
    assert abs(fresh.log_z_ - truth) < 4.5 * fresh.log_z_error_ + 1e-3


def test_the_score_of_a_dbm_is_a_lower_bound(dbm, X):
    log_p = exact.visible_log_probabilities(dbm.machine_)[X @ [16, 8, 4, 2, 1]]
    found = dbm.score_samples(X)
    assert (found <= log_p + 1e-9).all() and (log_p - found).max() < 1


def test_encodings_of_an_rbm_are_the_conditional_probabilities(rbm, X):
    fields = X @ rbm.weights_.astype(float) + rbm.machine_.biases[1]
    assert rbm.transform(X) == pytest.approx(1 / (1 + np.exp(-fields)), abs=1e-6)


def test_samples_depend_on_the_seed_alone(rbm, dbm):
    for estimator in (rbm, dbm):
        assert np.array_equal(estimator.sample(17), estimator.sample(17))
        assert not np.array_equal(estimator.sample(17), estimator.sample(17, random_state=99))
        assert estimator.sample(17).shape == (17, 5) and estimator.sample(17).dtype == np.uint8


def test_a_file_brings_everything_back(rbm, dbm, X, tmp_path):
    lists = {"learning_rate": [0.1] * 3, "momentum": [0.5] * 3}
    own = PrunedRBM(3, **lists, binarize="mean", mask=draw_patterns(5, 3, seed=2).astype(bool), device="cpu").fit(X)
    for name, estimator in (("rbm", rbm.prune()), ("dbm", dbm.prune("anti_fi").retrain(X)), ("own", own)):
        estimator.save(tmp_path / f"{name}.npz")
        loaded = type(estimator).load(tmp_path / f"{name}.npz")
        assert loaded.history_ == estimator.history_ and loaded.seed_ == estimator.seed_
        assert np.array_equal(loaded.transform(X), estimator.transform(X))
        for one, other in zip(loaded.machine_.weights, estimator.machine_.weights, strict=True):
            assert np.array_equal(one, other)
        given, found = estimator.get_params(), loaded.get_params()
        assert list(given) == list(found)
        assert np.array_equal(np.asarray(given.pop("mask")), np.asarray(found.pop("mask")))
        assert {key: list(x) if isinstance(x, tuple) else x for key, x in given.items()} == found
        goes_on, went_on = loaded.prune("random_weights").retrain(X), estimator.prune("random_weights").retrain(X)
        assert np.array_equal(goes_on.transform(X), went_on.transform(X))


def test_a_file_of_another_kind_is_refused_by_name(rbm, dbm, tmp_path):
    rbm.save(tmp_path / "rbm.npz")
    with pytest.raises(InputError, match=r"rbm.npz: holds a PrunedRBM; load it by PrunedRBM.load"):
        PrunedDBM.load(tmp_path / "rbm.npz")
    with pytest.raises(InputError, match=r"machine.pickle; expected a name that ends in .npz"):
        rbm.save(tmp_path / "machine.pickle")
    with pytest.raises(InputError, match=r"has no machine of seed 7"):
        PrunedRBM.load(tmp_path / "rbm.npz", seed=7)
    (tmp_path / "cut.npz").write_bytes((tmp_path / "rbm.npz").read_bytes()[:-100])
    with pytest.raises(InputError, match=r"cut.npz: not a readable result"):
        PrunedRBM.load(tmp_path / "cut.npz")


def test_a_file_of_a_study_says_what_is_missing(tiny, deep):
    with pytest.raises(InputError, match=r"initial.npz: has machines of seeds 0, 1; say which: seed="):
        PrunedRBM.load(tiny.folder / "initial.npz")
    with pytest.raises(InputError, match=r"its machine has layers of \(15, 15, 11\) units, so it is no PrunedRBM"):
        PrunedRBM.load(deep.folder / "initial.npz", seed=1)
    with pytest.raises(InputError, match=r"n_samples is None, .*: set_params\(n_samples=...\)"):
        PrunedDBM.load(deep.folder / "initial.npz", seed=1).prune()
    assert (
        PrunedDBM.load(deep.folder / "initial.npz", seed=1).set_params(n_samples=53, device="cpu").prune().iteration_
        == 1
    )


def test_what_needs_a_machine_says_so(X):
    estimator = PrunedRBM(7)
    for ask in (lambda: estimator.mask_, lambda: estimator.importance_, estimator.prune, lambda: estimator.retrain(X)):
        with pytest.raises(NotFittedError):
            ask()


def test_feature_names_are_checked(X):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X, columns=list("abcde"))
    rbm = PrunedRBM(7, device="cpu").set_output(transform="pandas").fit(frame)
    assert list(rbm.transform(frame).columns) == [f"h1_{unit}" for unit in range(7)]
    with pytest.raises(ValueError, match="feature names"):
        rbm.transform(frame[list("edcba")])


def test_a_mask_is_kept(X):
    mask = np.ones((5, 7), dtype=bool)
    mask[1:4, 2] = mask[3, 5] = False
    rbm = PrunedRBM(7, learning_rate=[0.1] * 3, mask=mask, device="cpu").fit(X)
    assert np.array_equal(rbm.mask_, mask) and np.array_equal(rbm.weights_ != 0, mask)


def test_sorted_cases_can_be_shuffled_by_the_seed(X):
    ordered = X[np.lexsort(X.T)]
    as_given, mixed, other = (
        PrunedRBM(7, learning_rate=0.1, order=order, random_state=seed, device="cpu").fit(ordered).weights_
        for order, seed in (("shared", 3), ("per_seed", 3), ("per_seed", 5))
    )
    assert not np.array_equal(as_given, mixed) and not np.array_equal(mixed, other)


def test_pictures_show_steps_information_and_receptive_fields(rbm, dbm, X, no_warnings):
    import matplotlib

    matplotlib.use("Agg")
    rbm.prune(fraction=0.3, threshold="rank").retrain(X)
    figure = rbm.plot()
    steps, information = (panel.axes[0] for panel in figure.subfigs)
    assert [line.get_ydata().tolist() for line in steps.lines] == [[35, 24, 24]]
    drawn = np.sort(rbm.importance_[rbm.mask_])[::-1]
    assert information.lines[0].get_ydata() == pytest.approx(drawn[drawn > 0])
    dbm.prune("weight_magnitude", fraction=[0.2, 0.4])
    figure = dbm.plot(image_shape=(1, 5))
    assert [line.get_label() for line in figure.subfigs[0].axes[0].lines] == ["weights v-h1", "weights h1-h2"]
    tiles = [axes for axes in figure.subfigs[2].axes if axes.images]
    best = dbm.units_[0][np.argmax(np.nansum(dbm.importance_[0][:, dbm.units_[0]], axis=0))]
    shown = np.ma.filled(tiles[0].images[0].get_array(), np.nan)[0]
    assert tiles[0].get_title() == str(best)
    assert shown == pytest.approx(np.where(dbm.mask_[0][:, best], dbm.weights_[0][:, best], np.nan), nan_ok=True)
    with pytest.raises(InputError, match=r"image_shape is \(2, 3\); expected one of 5 pixels"):
        rbm.plot((2, 3))


def test_threads_and_verbose_change_nothing(X, capsys):
    one = PrunedRBM(7, random_state=3, device="cpu").fit(X).prune().sample(5)
    many = PrunedRBM(7, random_state=3, device="cpu", n_jobs=2, verbose=True).fit(X).prune().sample(5)
    assert np.array_equal(one, many)


def test_the_version_is_not_the_only_name_of_the_package():
    assert boltzprune.__version__ and {"PrunedRBM", "prune", "observe"} <= set(dir(boltzprune))
