"""Results of several studies as one: equal to the study that computed all seeds, or refused by name."""

import re

import numpy as np
import pandas as pd
import pytest
import yaml
from deep_study import DeepRunner, deep_values, write_images
from results_folders import VALUES, folder

from boltzprune.__main__ import main
from boltzprune.errors import InputError
from boltzprune.results.store import write_table
from boltzprune.study import jobs, parts
from boltzprune.study.settings import merged, study_from
from boltzprune.study.stages import STAGES, Job, run
from boltzprune.study.stages.merge_digits import _examples, _pixels

TABLES = ("metrics", "classes", "pixels", "examples", "references")
BLOCKS = {"whole": (0, 1, 2), "first": (0,), "others": (1, 2)}


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    """One study of three seeds, and the same seeds in two pieces: name -> folder with its tables."""
    found = {}
    for name, seeds in BLOCKS.items():
        folder = tmp_path_factory.mktemp(name)
        write_images(folder / "my_images.npz")
        values = merged(
            deep_values("my_images.npz"), {"digits": {"iterations": 1, "data": {"file": str(folder / "my_images.npz")}}}
        )
        runner = DeepRunner(values | {"seeds": 3}, folder, seeds)
        runner.everything([])
        found[name] = folder
    return found


def merge(folders, target):
    """The tables of those folders, put together in another."""
    inputs = {name: [folder / f"digits_{name}.csv" for folder in folders] for name in TABLES}
    run(Job("merge_digits", inputs, {name: target / f"digits_{name}.csv" for name in TABLES}, {}, (0,)))


@pytest.mark.parametrize("order", [["first", "others"], ["others", "first"]])
def test_tables_put_together_are_those_of_one_study_to_the_last_byte(three, order, tmp_path):
    merge([three[name] for name in order], tmp_path)
    for name in TABLES:
        assert (tmp_path / f"digits_{name}.csv").read_bytes() == (three["whole"] / f"digits_{name}.csv").read_bytes(), (
            name
        )


def test_shares_of_pixels_weigh_every_seed_alike_and_count_machines_only():
    columns = ["criterion", "iteration", "pixel", "disconnected", "n_seeds"]
    one = pd.DataFrame([("a", 1, 0, 1 / 3, 3), ("a", 1, 1, 1.0, 3), ("b", 1, 0, np.nan, 0)], columns=columns)
    other = pd.DataFrame([("a", 1, 0, 0.4, 5), ("a", 1, 1, 0.0, 5), ("b", 1, 0, 0.8, 5)], columns=columns)
    found = _pixels([one, other]).set_index(columns[:3])
    assert found["disconnected"].tolist() == [3 / 8, 3 / 8, 4 / 5]
    assert found["n_seeds"].tolist() == [8, 8, 5]
    nothing = _pixels([one[one["criterion"] == "b"]] * 2)
    assert nothing["disconnected"].isna().all() and nothing["n_seeds"].tolist() == [0]


def test_examples_are_of_the_first_seed_that_has_some():
    columns = ["criterion", "iteration", "phase", "seed", "sample", "pattern"]
    rows = [("a", 1, "retrained", 5, 3, "01"), ("a", 1, "retrained", 2, 0, "10"), ("b", 1, "retrained", 5, 7, "11")]
    found = _examples(pd.DataFrame(rows, columns=columns))
    assert found[["criterion", "seed", "pattern"]].to_numpy().tolist() == [["a", 2, "10"], ["b", 5, "11"]]


# Folders, without their machines --------------------------------------------------------------------------------------


def test_parts_are_sorted_by_their_seeds_and_make_the_study_of_all(tmp_path):
    late, early = folder(tmp_path / "late", 5, 2, device="cpu", seeds_per_job=1), folder(tmp_path / "early")
    digits = folder(tmp_path / "digits", 3, 2, experiments=["digits"])
    found = parts.joined([late, early, digits])
    assert {name: [part.folder for part in some] for name, some in found.items()} == {
        "patches": [early, late],
        "digits": [early, digits, late],
    }
    study = study_from(parts.values("all", found, [late, early, digits]))
    assert (jobs.n_seeds(study, "patches"), jobs.n_seeds(study, "digits")) == (5, 7)
    assert parts.check(study).keys() == {"patches", "digits"}
    assert study.digits.criteria == ["weight_magnitude"]
    assert all(
        line.endswith(f"Put together from {late}, {early}, {digits}; nothing is trained.")
        for line in jobs.prospect(study)
    )
    assert parts.settings(study, "patches") == parts.settings(study_from(VALUES), "patches")


def test_an_experiment_that_was_not_run_is_no_part(tmp_path):
    one = folder(tmp_path / "one")
    (tmp_path / "one" / "tables" / "metrics.csv").unlink()
    found = parts.joined([one, folder(tmp_path / "other", 3, 2)])
    assert [part.folder for part in found["patches"]] == [str(tmp_path / "other")]
    assert parts.values("all", parts.joined([one]), [one])["experiments"] == ["digits"]
    for path in (tmp_path / "one" / "tables").iterdir():
        path.unlink()
    with pytest.raises(InputError, match=r"one: has no tables, such as .*metrics\.csv or .*digits_metrics\.csv"):
        parts.read(one)


def test_statistics_are_those_of_the_blocks_that_a_part_has(tmp_path):
    one, other = folder(tmp_path / "one"), folder(tmp_path / "other", 3, 2)
    found = parts.joined([one, other])["patches"]
    with pytest.raises(InputError, match=r"one/patches/seeds0-1/initial/initial_statistics.npz: is not there"):
        parts.statistics(found, last=False)
    expected = {
        False: [
            "one/patches/seeds0-1/initial/initial",
            "one/patches/seeds2-2/initial/initial",
            "other/patches/seeds3-4/initial/initial",
        ],
        True: [
            f"{place}/{name}/iteration2/retrained"
            for part, blocks in (("one", ["seeds0-1", "seeds2-2"]), ("other", ["seeds3-4"]))
            for name in ("variance_fi", "anti_fi")
            for place in (f"{part}/patches/{block}" for block in blocks)
        ],
    }
    for last, names in expected.items():
        paths = [tmp_path / f"{name}_statistics.npz" for name in names]
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        assert parts.statistics(found, last=last) == list(map(str, paths))


REFUSED = {
    "a setting": ({"digits": {"iterations": 2}, "first": 3}, r"digits\.iterations: 3 in .*one, 2 in .*other"),
    "two settings": (
        {"patches": {"data": {"radius": 1.5}, "training": {"batch_size": 7}}, "first": 3},
        r"patches\.data\.radius: 2\.1 in [\s\S]*patches\.training\.batch_size: 1 in .*one, 7 in",
    ),
    "a seed": ({"first": 2}, r"one and .*other both have seed 2 of the patches"),
    "other patches": ({"first": 3, "data": (712, 0.0838)}, r"n_data_patterns of table metrics is 711 and 712"),
    "other digits": ({"first": 3, "data": (711, 0.1512)}, r"error of table digits_references is 0\.0838 and 0\.1512"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_refused_by_name(name, tmp_path):
    values, message = REFUSED[name]
    folders = [folder(tmp_path / "one"), folder(tmp_path / "other", **values)]
    with pytest.raises(InputError, match=message):
        parts.joined(folders)


def test_the_error_of_the_same_classifier_may_differ_by_little(tmp_path):
    assert parts.joined([folder(tmp_path / "one"), folder(tmp_path / "other", 3, data=(711, 0.0841))])


def edit_table(path, change):
    table = pd.read_csv(path)
    write_table(path, change(table))


BROKEN = {
    "no study.yaml": (
        lambda place: (place / "study.yaml").unlink(),
        r"has no study\.yaml; expected a folder of results",
    ),
    "no table": (lambda place: (place / "tables" / "digits_pixels.csv").unlink(), r"digits_pixels\.csv: is not there"),
    "unfinished": (
        lambda place: edit_table(
            place / "tables" / "digits_metrics.csv", lambda t: t[(t["iteration"] < 3) | (t["seed"] < 2)]
        ),
        r"digits_metrics\.csv: has nothing of weight_magnitude, iteration 3, seed 2",
    ),
    "other seeds": (
        lambda place: edit_table(place / "tables" / "metrics.csv", lambda t: t[t["seed"] < 2]),
        r"metrics\.csv: is of seeds 0-1, and study\.yaml beside it of 0-2",
    ),
    "an unknown key": (
        lambda place: (place / "study.yaml").write_text((place / "study.yaml").read_text() + "speed: 3\n"),
        r"study\.yaml: speed: .* made by another version",
    ),
    "damaged": (
        lambda place: (place / "tables" / "metrics.csv").write_text("criterion,iteration\n"),
        r"metrics\.csv: has no rows",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_folder_that_is_no_finished_study_is_refused_by_name(name, tmp_path):
    spoil, message = BROKEN[name]
    one = folder(tmp_path / "one")
    spoil(tmp_path / "one")
    with pytest.raises(InputError, match=message):
        parts.joined([one])


def test_a_study_that_asks_for_other_than_its_parts_is_refused(tmp_path):
    one = folder(tmp_path / "one")
    values = parts.values("all", parts.joined([one]), [one])
    for more, message in (
        ({"patches": {"seeds": 4}}, r"patches\.seeds = 4: its parts have 3"),
        ({"digits": {"mean_field": {"max_updates": 7}}}, r"digits\.mean_field\.max_updates: 7 in study all, "),
    ):
        with pytest.raises(InputError, match=message):
            parts.check(study_from(merged(values, more)))
    digits = folder(tmp_path / "digits", experiments=["digits"])
    with pytest.raises(InputError, match=r"none of .*digits has results of experiment patches"):
        parts.check(study_from(merged(VALUES, {"parts": [digits]})))
    assert parts.check(study_from(VALUES)) == {}


def test_patches_that_were_put_together_have_no_statistics(tmp_path):
    one = folder(tmp_path / "one", parts=["a", "b"])
    with pytest.raises(InputError, match="one is put together from a, b, and has no statistics"):
        parts.statistics(parts.joined([one])["patches"], last=True)


def test_the_command_writes_a_study_and_replaces_only_its_own(tmp_path, monkeypatch, capsys):
    folders = [folder(tmp_path / "one"), folder(tmp_path / "other", 3, 2)]
    monkeypatch.chdir(tmp_path)
    words = ["merge", "all", *folders, "--no-run", "--set", "figures.dpi=77"]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert re.search(r"patches: 5 seeds: 0-2 from .*one; 3-4 from .*other\n", out)
    study = study_from(yaml.safe_load((tmp_path / "all.yaml").read_text()))
    assert (study.study, study.parts, study.figures.dpi) == ("all", folders, 77)
    assert main([*words[:-1], "figures.dpi=78"]) == 0
    assert study_from(yaml.safe_load((tmp_path / "all.yaml").read_text())).figures.dpi == 78
    (tmp_path / "mine.yaml").write_text("study: mine\n")
    assert main(["merge", "mine", *folders, "--no-run"]) == 2
    assert (tmp_path / "mine.yaml").read_text() == "study: mine\n"
    assert main(["merge", "no name", *folders, "--no-run"]) == 2
    assert main(["merge", "twice", folders[0], folders[0], "--no-run"]) == 2
    assert not (tmp_path / "twice.yaml").exists()
    (tmp_path / "results").mkdir()
    inside = folder(tmp_path / "results" / "here")
    assert main(["merge", "here", inside, "--no-run"]) == 2


def test_ranges_of_seeds_in_words():
    assert parts.in_words([7, 0, 1, 2, 5]) == "0-2, 5, 7"


def test_the_first_seed_moves_all_blocks():
    study = study_from({"first_seed": 5, "seeds": 5, "seeds_per_job": 2, "patches": {"seeds": 3}})
    assert jobs.blocks(study, "digits") == ["5-6", "7-8", "9-9"]
    assert jobs.blocks(study, "patches") == ["5-6", "7-7"]


def test_the_stage_takes_what_it_gives():
    assert STAGES["merge_digits"].inputs == STAGES["merge_digits"].outputs == TABLES
