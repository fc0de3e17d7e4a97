"""`boltzprune compare`: what it prints and writes of two folders of results, and what it refuses."""

import pandas as pd
import pytest
from results_folders import folder

from boltzprune.__main__ import main
from boltzprune.results import records
from boltzprune.results.store import write_table


def with_numbers(path, by_seed, **values):
    """A folder of results of seven seeds; kl of every machine is what `by_seed` makes of its seed."""
    folder(path, n=7, experiments=["patches"], **values)
    table = pd.read_csv(path / "tables" / "metrics.csv")
    write_table(path / "tables" / "metrics.csv", table.assign(kl=[by_seed(seed) for seed in table["seed"]]))
    return path


def with_claims(path, verdict):
    """The same with one verdict."""
    row = {"experiment": "patches", "statement": "A claim.", "criterion": "anti_fi", "verdict": verdict}
    write_table(path / "tables" / "claims.csv", pd.DataFrame([row]))
    return path


def with_records(path, contents):
    """The same with files that a record lists: name -> content."""
    for name, content in contents.items():
        (path / name).write_text(content)
    (path / "logs").mkdir()
    record = records.beside(path / "logs" / "train.log")
    records.write(record, {"stage": "train", "versions": {}}, [path / name for name in contents])
    return path


def printed(capsys, *words):
    """What the command prints; its exit status is 0."""
    assert main(["compare", *map(str, words)]) == 0
    return capsys.readouterr().out


def test_settings_numbers_and_claims_side_by_side(tmp_path, capsys):
    one = with_claims(with_numbers(tmp_path / "one", lambda seed: seed / 10), "supported")
    other = with_claims(
        with_numbers(tmp_path / "other", lambda seed: seed / 10 + 0.5, preset="paper", first_seed=0), "undecided"
    )
    text = printed(capsys, one, other, "--csv", tmp_path / "found.csv")
    assert '| `preset` | "published" | "paper" |' in text and "| `study` |" not in text
    assert "Seeds in both: 0-6." in text
    assert "| Anti-FI | 2 | retrained | kl | 7 | 0.3 | 0.8 | 0.5 (0.5 to 0.5) |" in text
    assert "| Anti-FI | 1 |" not in text and "n_data_patterns" not in text
    assert "0 of 1 verdict are the same." in text and "| A claim. | Anti-FI | supported | → undecided |" in text
    found = pd.read_csv(tmp_path / "found.csv")
    assert set(found["iteration"]) == {0, 1, 2} and set(found["measure"]) == {"kl", "n_data_patterns"}
    every = printed(capsys, one, other, "--all")
    assert "| Anti-FI | 1 | retrained | n_data_patterns | 7 | 711 | 711 | 0 (0 to 0) |" in every


def test_a_study_beside_itself(tmp_path, capsys):
    one = with_records(with_numbers(tmp_path / "one", float), {"a.npz": "3", "b.npz": "5"})
    text = printed(capsys, one, one)
    assert "All keys are equal." in text and "Of 2 files that both have 2 are equal to the last byte." in text
    assert "0 of 10 numbers shown." in text and "claims.csv: not there, so that claims are not compared" in text


def test_files_of_other_bytes_are_named(tmp_path, capsys):
    one = with_records(with_numbers(tmp_path / "one", float), {"a.npz": "3", "b.npz": "5", "c.npz": "7"})
    other = with_records(with_numbers(tmp_path / "other", float), {"a.npz": "3", "b.npz": "11"})
    assert "Of 2 files that both have 1 are equal to the last byte. Others: b.npz." in printed(capsys, one, other)
    bare = with_numbers(tmp_path / "bare", float)
    assert f"{bare}: no checksums of files that both have" in printed(capsys, one, bare)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("study.yaml", None, "has no study.yaml"),
        ("tables/claims.csv", "claim\n3\n", "claims.csv: not a readable table of claims"),
        (
            "tables/claims.csv",
            "experiment,statement,criterion,verdict\npatches,A claim.,anti_fi,supp",
            "'supp' is no verdict",
        ),
    ],
)
def test_a_folder_that_is_none_or_is_damaged_is_named(tmp_path, capsys, name, content, expected):
    one = with_claims(with_numbers(tmp_path / "one", float), "supported")
    path = one / name
    path.unlink() if content is None else path.write_text(content)
    assert main(["compare", str(one), str(one)]) == 2
    shown = capsys.readouterr()
    assert expected in shown.err and "Traceback" not in shown.err and shown.out == ""


def test_studies_of_different_experiments(tmp_path, capsys):
    patches, digits = (folder(tmp_path / name, experiments=[name]) for name in ("patches", "digits"))
    assert main(["compare", patches, digits]) == 2
    assert "is of patches" in capsys.readouterr().err


def test_the_help_says_what_is_shown(capsys):
    with pytest.raises(SystemExit):
        main(["compare", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "paired by seed" in text and "--csv" in text
