"""Raw files are told by their content: what is remembered of them, what is read, what is planned, what is verified."""

import dataclasses
import json
import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from boltzprune import datasets
from boltzprune.datasets import raw_files
from boltzprune.errors import InputError
from boltzprune.results.store import Arrays, checksum, read_json
from boltzprune.study import jobs, raw_data
from boltzprune.study.reruns import dry_run, verify
from boltzprune.study.reruns.reasons import PARAMS, words
from boltzprune.study.settings import study_from
from boltzprune.study.stages import Job, run

OLD = 1_600_000_000


@pytest.fixture
def settled(monkeypatch):
    """As if every file had been written some time ago."""
    now = time.time_ns()
    monkeypatch.setattr(raw_files.time, "time_ns", lambda: now + 60 * 10**9)


@pytest.fixture
def read(monkeypatch):
    """Names of the files of which a checksum was taken, in order."""
    names = []
    monkeypatch.setattr(raw_files, "checksum", lambda path: names.append(Path(path).name) or checksum(path))
    return names


def test_a_file_is_read_once_and_again_when_it_was_written(tmp_path, settled, read):
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(b"first")
    two.write_bytes(b"other")
    os.utime(one, (OLD, OLD))
    found = raw_files.checksums([one, two], tmp_path)
    assert found == {"one": checksum(one), "two": checksum(two)}
    assert raw_files.checksums([one, two], tmp_path) == found and read == ["one", "two"]
    one.write_bytes(b"again")  # of the same size, and of the same date
    os.utime(one, (OLD, OLD))
    assert raw_files.checksums([one, two], tmp_path) == found | {"one": checksum(one)}
    assert read == ["one", "two", "one"]


def test_another_file_under_the_same_name_is_read(tmp_path, settled, read):
    first, second, link = tmp_path / "first", tmp_path / "second", tmp_path / "link"
    for path, content in ((first, b"first!"), (second, b"second")):
        path.write_bytes(content)
        os.utime(path, (OLD, OLD))
    link.symlink_to(first)
    assert raw_files.checksums([link], tmp_path) == {"link": checksum(first)}
    link.unlink()
    link.symlink_to(second)
    assert raw_files.checksums([link], tmp_path) == {"link": checksum(second)}
    os.replace(first, second)
    assert raw_files.checksums([link], tmp_path)["link"] == checksum(second) == checksum(link)


def test_what_was_written_just_now_is_not_remembered(tmp_path, read):
    path = tmp_path / "one"
    path.write_bytes(b"first")
    for _ in range(2):
        raw_files.checksums([path], tmp_path)
    assert read == ["one", "one"] and not (tmp_path / raw_files.MEMORY).exists()


@pytest.mark.parametrize("content", ["", "[]", "{", '{"/x": 3}', '{"/x": [[1], 2, 3]}', '{"%s": [[1, 2], "0"]}'])
def test_a_damaged_memory_costs_time_and_nothing_else(tmp_path, settled, content):
    path = tmp_path / "one"
    path.write_bytes(b"first")
    (tmp_path / raw_files.MEMORY).write_text(content.replace("%s", str(path)))
    assert raw_files.checksums([path], tmp_path) == {"one": checksum(path)}
    assert raw_files.checksums([path], tmp_path / "absent") == {"one": checksum(path)}
    assert not (tmp_path / "absent").exists()


def test_what_cannot_be_read_has_no_checksum(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    paths = [tmp_path / "absent", tmp_path / "pipe", tmp_path]
    assert raw_files.checksums(paths) == {"absent": None, "pipe": None, tmp_path.name: None}


def test_a_file_that_is_written_while_it_is_read_is_refused(tmp_path):
    path = tmp_path / "mine"
    path.write_bytes(b"first")
    with pytest.raises(InputError, match=r"mine was written while it was read; put it back"):
        with raw_files.unchanged([path], [checksum(path)], "put it back"):
            path.write_bytes(b"other")
    with pytest.raises(InputError, match=r"mine cannot be read \(No such file"):
        with raw_files.unchanged([path], [checksum(path)], "put it back"):
            path.unlink()
    path.write_bytes(b"first")
    with raw_files.unchanged([path], [checksum(path)], ""):
        os.link(path, tmp_path / "backup")  # changes a date, and no byte


@pytest.fixture
def study(tmp_path):
    """Both experiments with raw files in the folder, prepared by the stages; a function that runs one of them."""
    rng = np.random.default_rng(79)
    np.savez(tmp_path / "patterns.raw.npz", patterns=rng.random((31, 7)) < 0.3)
    np.savez(tmp_path / "digits.raw.npz", images=rng.random((31, 5, 7)), labels=np.arange(31) % 3)
    values = {
        "patches": {"data": {"source": "npz", "file": str(tmp_path / "patterns.raw.npz"), "n_patterns": 29}},
        "digits": {"data": {"source": "npz", "file": str(tmp_path / "digits.raw.npz"), "n_classes": 3}},
    }
    made = study_from(values)

    def stage(name):
        experiment = "digits" if name.endswith("digits") else "patches"
        spec = (jobs.fetch_job if name.startswith("fetch") else jobs.prepare_job)(made, experiment)["spec"]
        manifest = tmp_path / experiment / "source.json"
        result = tmp_path / experiment / f"{'patterns' if experiment == 'patches' else 'digits'}.npz"
        given = {} if name.startswith("fetch") else {"manifest": [manifest]}
        run(Job(name, given, {result.stem: result} if given else {"manifest": manifest}, json.loads(spec), (0,)))
        return Arrays(result) if given else read_json(manifest)

    for name in ("fetch", "prepare", "fetch_digits", "prepare_digits"):
        stage(name)
    return made, stage


STAGES = [("patches", "fetch", "prepare"), ("digits", "fetch_digits", "prepare_digits")]


@pytest.mark.parametrize(("experiment", "fetch", "prepare"), STAGES)
def test_only_the_files_that_were_found_are_read(study, tmp_path, experiment, fetch, prepare):
    _, stage = study
    path = tmp_path / f"{'patterns' if experiment == 'patches' else 'digits'}.raw.npz"
    before, content = stage(prepare).provenance["data"], path.read_bytes()
    assert before["files"] == [{"name": path.name, "sha256": checksum(path)}]
    rng = np.random.default_rng(83)
    named = {"patterns": rng.random((31, 7)) < 0.3} if experiment == "patches" else {"images": rng.random((31, 5, 7))}
    np.savez(path, **named, **({} if experiment == "patches" else {"labels": np.arange(31) % 3}))
    os.utime(path, (OLD, OLD))
    expected = (
        rf"{path.name} is not the file that was found .* {checksum(path)}, expected {before['files'][0]['sha256']}"
    )
    with pytest.raises(InputError, match=rf"{expected}; to go on .* --forcerun {fetch}; to go on with those of before"):
        stage(prepare)
    assert stage(fetch)["files"][0]["sha256"] == checksum(path)
    assert stage(prepare).provenance["data"]["files"] == [{"name": path.name, "sha256": checksum(path)}]
    path.unlink()
    with pytest.raises(InputError, match=rf"{path.name} cannot be read \(No such file or directory\); to go on"):
        stage(prepare)
    path.write_bytes(content)
    stage(fetch)
    assert stage(prepare).provenance["data"] == before


def test_a_link_keeps_its_name_and_place(tmp_path):
    (tmp_path / "blob").write_bytes(b"x")
    link = tmp_path / "mine.npz"
    link.symlink_to("blob")
    spec = {"data": {"source": "npz", "file": str(link)}}
    run(Job("fetch", {}, {"manifest": tmp_path / "source.json"}, spec, (0,)))
    (entry,) = read_json(tmp_path / "source.json")["files"]
    assert entry == {"path": str(link), "bytes": 1, "sha256": checksum(link)}


def test_embedded_files_are_those_of_the_library_that_is_installed_now(tmp_path, monkeypatch):
    data = {"source": "digits", "n_classes": 10}
    manifest, target = tmp_path / "source.json", tmp_path / "digits.npz"
    run(Job("fetch_digits", {}, {"manifest": manifest}, {"data": data}, (0,)))
    content = read_json(manifest)
    content["files"][0]["path"] = "/an/environment/that/is/gone/digits.csv.gz"
    manifest.write_text(json.dumps(content))
    run(Job("prepare_digits", {"manifest": [manifest]}, {"digits": target}, {"data": data}, (0,)))
    assert Arrays(target).provenance["data"]["files"] == [
        {"name": "digits.csv.gz", "sha256": content["files"][0]["sha256"]}
    ]
    (tmp_path / "digits.csv.gz").write_bytes(b"of another version")
    source = dataclasses.replace(datasets.LABELLED_SOURCES["digits"], locate=lambda _: [tmp_path / "digits.csv.gz"])
    monkeypatch.setitem(datasets.LABELLED_SOURCES, "digits", source)
    with pytest.raises(InputError, match=r"digits\.csv\.gz is not the file that was found"):
        run(Job("prepare_digits", {"manifest": [manifest]}, {"digits": target}, {"data": data}, (0,)))


def test_a_manifest_with_another_number_of_embedded_files_is_refused(tmp_path):
    manifest = tmp_path / "source.json"
    manifest.write_text(json.dumps({"files": [{"path": "x", "sha256": "0"}]}))
    with pytest.raises(InputError, match=r"source\.json: has 1 raw files; expected 2: delete it and run again"):
        run(Job("prepare", {"manifest": [manifest]}, {"patterns": tmp_path / "p.npz"}, {"data": {}}, (0,)))


@pytest.mark.parametrize(("experiment", "fetch", "prepare"), STAGES)
def test_the_content_of_the_users_files_is_a_parameter_and_that_of_removed_ones_stays(
    study, tmp_path, experiment, fetch, prepare
):
    made, _ = study
    folder = tmp_path / experiment
    path = next(tmp_path.glob(f"{'patterns' if experiment == 'patches' else 'digits'}.raw.npz"))
    before = jobs.fetch_job(made, experiment, folder)
    assert before["files"] == {path.name: checksum(path)}
    os.utime(path)
    assert jobs.fetch_job(made, experiment, folder) == before
    content = path.read_bytes()
    path.unlink()
    assert jobs.fetch_job(made, experiment, folder) == before
    assert jobs.fetch_job(made, experiment, tmp_path / "fresh")["files"] == {}
    assert jobs.fetch_job(made, experiment)["files"] == {}
    path.write_bytes(content[:-1] + b"!")
    after = jobs.fetch_job(made, experiment, folder)
    assert after == before | {"files": {path.name: checksum(path)}} != before
    assert jobs.prepare_job(made, experiment)["spec"].count(checksum(path)) == 0


def test_files_that_are_not_the_users_are_no_parameter(tmp_path, monkeypatch):
    monkeypatch.setattr("pooch.os_cache", lambda project: tmp_path / project)
    cached = tmp_path / "boltzprune" / "cifar10" / "data_batch_1"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"x")
    for data in (
        {"source": "sample_images", "directory": str(tmp_path), "file": "x.npz"},
        {"source": "cifar10", "file": str(tmp_path), "download": False},
    ):
        study = study_from({"patches": {"data": data}})
        assert jobs.fetch_job(study, "patches", tmp_path)["files"] == {} and raw_data.local_files(study) == []


def test_a_wrong_place_is_refused_and_a_removed_file_is_not(study, tmp_path):
    made, _ = study
    folder = tmp_path / "patches"
    raw_data.check(made, "patches", folder)
    (tmp_path / "patterns.raw.npz").unlink()
    raw_data.check(made, "patches", folder)
    for other, place in (
        (folder, "other.npz"),
        (folder, "patterns.raw.npz/x"),
        (tmp_path / "fresh", "patterns.raw.npz"),
    ):
        wrong = study_from({"patches": {"data": {"source": "npz", "file": str(tmp_path / place)}}})
        with pytest.raises(InputError, match=r"patches\.data\.file is .* which is not there; expected"):
            raw_data.check(wrong, "patches", other)
        assert raw_data.content(wrong, "patches", other) == {}
    raw_data.check(study_from({}), "patches", folder)
    empty = study_from({"digits": {"data": {"source": "mnist", "directory": ""}}})
    with pytest.raises(InputError, match=r"digits\.data\.directory is ''; expected a path, or null"):
        raw_data.check(empty, "digits", tmp_path / "digits")


@pytest.mark.parametrize(
    ("place", "path", "expected"),
    [
        ("/a/b", "/a/b/x", True),
        ("/a/b/", "/a/b", True),
        ("/a/b", "/a/bc", False),
        ("/a/b", "/c/a/b/x", False),
        ("./b/", "/a/b/x", True),
        ("b/x.npz", "/old/place/b/x.npz", True),
        ("b", "/a/bc/x", False),
        ("~/b", "{home}/b/x", True),
        ("../b", "{here}/../b/x", True),
        ("../b", "/a/b/x", False),
        ("", "/a/b", False),
    ],
)
def test_a_path_lay_at_the_place_that_is_named(place, path, expected):
    path = path.replace("{home}", os.path.expanduser("~")).replace("{here}", os.getcwd())
    assert raw_files.lay_at(place, path) == expected


@pytest.mark.parametrize(("content", "is_gone"), [(None, True), ([], True), ([".hidden"], False), (["x"], False)])
def test_a_place_is_gone_if_nothing_is_there(tmp_path, content, is_gone):
    for name in [] if content is None else content:
        (tmp_path / "raw" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "raw" / name).touch()
    if content == []:
        (tmp_path / "raw").mkdir()
    assert raw_files.is_gone(tmp_path / "raw") == is_gone
    assert not raw_files.is_gone(__file__)


def spec(**data):
    return json.dumps({"data": data})


FILE = {"spec": spec(file="a.npz"), "code": "a1"}
REASONS = [
    ({"x": "1"}, {"x": "2"}, {}, ["raw file x was replaced: its content is another"]),
    ({"x": "1", "y": "1"}, {"x": "1", "z": "1"}, {}, ["raw file y is no longer there", "raw file z is new"]),
    ({"x": "1"}, {"x": None}, {"code": "b2"}, ["raw file x cannot be read", "the code behind it changed"]),
    ({"x": "1"}, {"y": "2"}, {"spec": spec(file="b.npz")}, ["data.file: a.npz -> b.npz"]),
    (None, {"x": "2"}, {"code": "b2"}, ["the code behind it changed"]),
]


@pytest.mark.parametrize(("old", "new", "edit", "expected"), REASONS)
def test_the_plan_says_which_raw_file_is_another(old, new, edit, expected, tmp_path):
    before, now = FILE | ({} if old is None else {"files": old}), FILE | {"files": new} | edit
    job = dry_run.Planned("fetch", (), ("results/s/x.json",), {}, "", "", f"{PARAMS}{before} now: {now} ")
    assert words(job, tmp_path) == expected


def test_verify_names_raw_files_that_are_others_and_tells_those_that_are_gone(study, tmp_path):
    first, second = tmp_path / "patterns.raw.npz", tmp_path / "digits.raw.npz"
    assert verify.check_raw(tmp_path) == ([], [])
    content = second.read_bytes()
    second.write_bytes(content[:100] + bytes([content[100] ^ 1]) + content[101:])
    first.unlink()
    findings, missing = verify.check_raw(tmp_path)
    assert missing == [first]
    manifest = tmp_path / "digits" / "source.json"
    assert findings == [verify.Finding(second, "raw file", "another file now: changed, same size", manifest)]
    shutil.rmtree(tmp_path / "digits")
    (tmp_path / "patches" / "source.json").write_text("damaged")
    assert verify.check_raw(tmp_path) == ([], [])
