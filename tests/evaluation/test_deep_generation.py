"""Quality and diversity of what the deep machines of a tiny study generate, and the tables that figures read."""

import numpy as np
import pandas as pd
import pytest
from deep_study import (
    DIGIT_FIGURES,
    KEYS,
    MACHINES,
    N_CLASSES,
    N_IMAGES,
    N_TEST,
    N_TRAIN,
    digits,
    each,
    index,
    metrics,
    table,
    visible,
)
from scipy.special import entr
from sklearn.linear_model import LogisticRegression

from boltzprune.report.figures import FIGURES


def judge(deep, n=N_IMAGES):
    data = digits(deep)
    return LogisticRegression(C=0.3, max_iter=1000).fit(data.states[:n], data.labels[:n])


def by_hand(classifier, patterns):
    """Quality as both means, diversity, share and quality of each class."""
    p = classifier.predict_proba(patterns)
    winner, winning = p.argmax(axis=1), p.max(axis=1)
    shares = np.bincount(winner, minlength=N_CLASSES) / len(p)
    quality = [winning[winner == k].mean() if shares[k] else np.nan for k in range(N_CLASSES)]
    return winning.mean(), np.nanmean(quality), entr(shares).sum(), shares, quality


def test_quality_diversity_and_classes_by_hand(deep):
    classifier, found, classes = judge(deep), metrics(deep), table(deep, "digits_classes").set_index([*KEYS, "digit"])
    assert len(classes) == len(each()) * 3  # the fourth has no image
    assert classes.index.is_monotonic_increasing
    for name, seed in each():
        mean, class_mean, diversity, shares, quality = by_hand(classifier, visible(deep, name, seed))
        row = found.loc[index(name, seed)]
        assert row[["quality_mean", "quality_class_mean", "diversity"]].tolist() == pytest.approx(
            [mean, class_mean, diversity], abs=1e-3
        )
        own = classes.loc[index(name, seed)]
        assert own.index.tolist() == [0, 1, 2]
        assert own["share"].tolist() == pytest.approx(shares[:3], abs=1e-12)
        assert own["quality"].tolist() == pytest.approx(quality[:3], abs=1e-3, nan_ok=True)
        assert own["share"].sum() == pytest.approx(1)
        assert (own["share"] * own["quality"].fillna(0)).sum() == pytest.approx(row["quality_mean"])


def test_examples_are_samples_of_the_first_seed(deep):
    examples = table(deep, "digits_examples").set_index(KEYS)
    names = [name for name in MACHINES if name == "initial" or name.endswith("retrained")]
    names = [name for name in names if not name.startswith("unpruned")]
    assert set(examples.index) == {index(name, 0) for name in names}
    for name in names:
        own, states = examples.loc[[index(name, 0)]], visible(deep, name, 0)
        assert own["sample"].tolist() == list(range(10))
        chosen = [int(96 * k / 9) for k in range(10)]  # from the first to the last of 97
        assert own["pattern"].tolist() == ["".join(map(str, states[k])) for k in chosen]


def test_references_by_hand(deep):
    data, found = digits(deep), table(deep, "digits_references").set_index("reference")
    assert found.index.tolist() == ["raw", "raw_all", "test_digits", "random_patterns"]
    for name, n in (("raw", N_TRAIN), ("raw_all", N_IMAGES)):
        row = found.loc[name]
        assert row["error"] == pytest.approx(1 - judge(deep, n).score(data.test_states, data.test_labels))
        assert (row["n_train"], row["n_test"], row["converged"]) == (n, N_TEST, 1)
        assert row[["quality_mean", "quality_class_mean", "diversity"]].isna().all()
    columns = ["quality_mean", "quality_class_mean", "diversity"]
    row = found.loc["test_digits"]
    assert row[columns].tolist() == pytest.approx(by_hand(judge(deep), data.test_states)[:3], abs=1e-3)
    every = np.array(list(np.ndindex(*[2] * 15)))
    quality = judge(deep).predict_proba(every).max(axis=1)  # random patterns: all are as probable
    noise = found.loc["random_patterns"]
    assert abs(noise["quality_mean"] - quality.mean()) < 4 * quality.std() / np.sqrt(N_TEST)
    assert found.loc[["test_digits", "random_patterns"], ["error", "converged"]].isna().all(axis=None)
    assert (found.loc[["test_digits", "random_patterns"], "n_test"] == N_TEST).all()


def test_tables_figures_and_claims_are_there(deep):
    for name in DIGIT_FIGURES:
        for suffix in (f"_{panel}" for panel in FIGURES[name].panels):
            assert len(pd.read_csv(deep.folder / "figures" / f"{name}{suffix}")) > 0
        assert (deep.folder / "figures" / f"{name}.png").stat().st_size > 5000
    text = (deep.folder / "per_digit.md").read_text()
    assert "Random units" in text and "Anti-FI" in text
    claims = table(deep, "claims")
    assert len(claims) > 10
    assert set(claims["verdict"]) <= {"supported", "contradicted", "undecided", "not testable"}
    assert set(claims["experiment"]) == {"digits"}
    assert "Study deep: preset published, own data, 101 training images" in (deep.folder / "claims.md").read_text()
