"""Damaged configurations, command lines, manifests and own criteria: refused by name, or read as what they are."""

import json
import logging

import numpy as np
import pytest
from limits import fault, traced, try_mutants
from mutants import mutant
from small_machines import random_evidence

from boltzprune import __main__
from boltzprune.errors import InputError
from boltzprune.pruning.criteria import resolve, saliency_of
from boltzprune.study.settings import study_from
from boltzprune.study.stages import STAGES, Job, run
from boltzprune.study.stages.catalogue import VALUES
from boltzprune.study.stages.fetch import read_manifest
from boltzprune.study.yaml_files import read_yaml

pytestmark = pytest.mark.torture


CONFIGS = [b"""study: mine
preset: paper
seeds: 20
patches:
  data: {source: sample_images, radius: 2.1, n_patterns: 211, median: global}
  machine: {n_hidden: 7}
  training: {learning_rate: [0.1, 1e-2], momentum: [0.5, 0.9], batch_size: 1}
  criteria: [variance_fi, anti_fi]
  pruning: {fraction: 0.5}
""", b"""seeds: 2
digits:
  data: {source: digits, crop: 0, threshold: mean, n_train: null}
  machine: {n_hidden: [64, 11], receptive_field: 3}
  iterations: 2
  criteria: [anti_fi, random_units]
figures: {formats: [png, pdf], dpi: 100, colours: {anti_fi: '#aa0000'}, last_iterations: {anti_fi: 1}}
""", b"""a: &a [lol, lol, lol]
b: &b [*a, *a, *a]
patches: {criteria: *b, iterations: 3}
"""]  # fmt: skip


def test_a_damaged_configuration_is_refused_or_read(tmp_path, promise, at_scale):
    def read(path):
        return study_from(read_yaml(path), path.name)

    with promise("configuration: a damaged file is refused by name or read as what it is") as count:
        loader = CONFIGS[:2], "text", read, lambda study: study_from(json.loads(study.model_dump_json())) == study
        try_mutants(count, at_scale(100, 10_000), loader, tmp_path / "my.yaml")


LAUGHS = "\n".join(["a0: &a0 [lol, lol]", *(f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 9)}]" for k in range(1, 30))])
YAML = {
    "a date that is none": "seeds: 2020-13-45",
    "a number without digits": "seeds: 0b_",
    "a tag of a number": "seeds: !!int ''",
    "a tag of a date": "seeds: !!timestamp x",
    "a tag of python": "seeds: !!python/object/apply:os.system ['touch canary']",
    "10,000 brackets": "seeds: " + "[" * 10_000,
    "10,000 lists in one line": "- " * 10_000,
    "10,000 keys in one line": "? " * 10_000,
    "a list within itself": "seeds: &a [*a]",
    "a mapping within itself": "patches: &a {data: *a}",
    "a billion laughs": f"{LAUGHS}\npatches: {{criteria: *a29}}",
    "a billion laughs as a number": f"{LAUGHS}\nseeds: *a29",
    "a billion laughs as a key": f"{LAUGHS}\n? *a29\n: 3",
    "a number of 5,000 digits": "seeds: " + "9" * 5000,
    "no text": "\x00",
}


@pytest.mark.parametrize("name", YAML)
def test_a_hostile_configuration_is_refused(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.yaml").write_text(YAML[name])
    with traced():
        assert fault(lambda path: study_from(read_yaml(path), path.name), tmp_path / "my.yaml") == ""
    assert [path.name for path in tmp_path.iterdir()] == ["my.yaml"]


SPECS = [
    b'{"machine": {"n_hidden": 7}, "training": {"learning_rate": [0.1], "momentum": [0.5]}, "device": "tpu"}',
    b'{"criterion": "anti_fi", "iteration": 1, "phase": "pruned", "eigenvector": false, "device": "tpu"}',
    b'{"name": "fig2", "formats": ["png"], "dpi": 40, "study": "s", "criteria": {"a": "b"}, "colours": {}}',
]
SOME = ("train", "sample", "prune", "figure", "study", "claims", "table1", "pretrain")


def status(*arguments):
    """Exit status of the command line; what argparse refuses is a user's mistake too."""
    try:
        return __main__.main(list(arguments))
    except SystemExit as error:
        return error.code


def test_a_damaged_command_line_is_refused(tmp_path, promise, at_scale, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(__main__, "_start_logging", lambda path: None)
    logging.getLogger("boltzprune").setLevel(logging.CRITICAL)
    (tmp_path / "in.npz").write_bytes(b"")
    files = ["--in=patterns=in.npz", "--in=machine=in.npz", "--out=machine=out.npz", "--out=folder=out"]
    with promise("command line: damaged specs, seeds and files are a user's mistake, never a crash") as count:
        for number in range(at_scale(100, 10_000)):
            spec = mutant(number, SPECS, "text").decode("utf-8", "replace")
            seeds = mutant(number, [b"0-9", b"3"], "text").decode("utf-8", "replace") if number % 2 else "0-1"
            given = (
                files
                if number % 3
                else [mutant(number, [f.encode() for f in files], "text").decode("utf-8", "replace")]
            )
            found = status(SOME[number % len(SOME)], *given, f"--spec={spec}", f"--seeds={seeds}")
            count(found == 2, f"{number}: status {found}: {spec} {seeds}")
    logging.getLogger("boltzprune").setLevel(logging.NOTSET)


SEEDS = ["0-99999999999999", "0-100000", "-5", "", "-", "5-3", "1.5", "9" * 5000, str(2**64)]


@pytest.mark.parametrize("seeds", SEEDS)
def test_seeds_that_cannot_be_are_refused(seeds):
    with pytest.raises(InputError, match=r"--seeds '.*': expected a number or a range"):
        __main__._seeds(seeds)
    assert status("train", "--spec={}", f"--seeds={seeds}") == 2


GOOD = {
    **{"criterion": "anti_fi", "iteration": 1, "phase": "pruned", "eigenvector": True, "device": "cpu", "n_chains": 3},
    **{"name": "fig2", "formats": ["png"], "dpi": 40, "study": "s", "criteria": {}, "colours": {}},
    **{"last_iterations": {}, "quality": "mean", "config": {}},
}
KEYS = [(stage, key) for stage, row in STAGES.items() for key in row.spec if key in VALUES]


@pytest.mark.parametrize(("stage", "key"), KEYS)
def test_a_value_of_a_spec_that_cannot_be_is_named(stage, key, tmp_path):
    row = STAGES[stage]
    (tmp_path / "x").touch()
    given = {name: [tmp_path / "x"] for name in row.inputs}
    for wrong in (5.5, [[]], None):
        spec = {name: GOOD.get(name, {}) for name in row.spec} | {key: wrong}
        job = Job(stage, given, dict.fromkeys(row.outputs, tmp_path / "out"), spec, (0,))
        with pytest.raises(InputError, match=rf"--spec: {key}\b.* = .*: Input should be"):
            run(job)


MANIFEST = b'{"source": "npz", "files": [{"path": "/a/b.npz", "bytes": 7, "sha256": "ab"}]}'


def test_a_damaged_manifest_is_refused_or_read(tmp_path, promise, at_scale):
    with promise("manifest: a damaged file is refused by name or read as what it is") as count:
        loader = [MANIFEST], "text", read_manifest, lambda files: all(isinstance(f["path"], str) for f in files)
        try_mutants(count, at_scale(100, 10_000), loader, tmp_path / "source.json")


OWN = b'''"""My rules."""

import numpy as np


def rule(evidence):
    """|w| <v_i h_j>."""
    scale = np.where(evidence.pair_mean > 0.2, 1.0, 0.5)
    return np.abs(evidence.weights) * evidence.pair_mean * scale


rule.label = "my rule"
rule.colour, rule.citation, rule.needs = "#332288", "me", "statistics"
rule.whole_units, rule.zeros_go = False, True
'''


def test_a_damaged_criterion_is_refused_or_used(tmp_path, promise, at_scale):
    evidence = random_evidence()

    def read(path):
        name = f"{path}:rule"
        return saliency_of(resolve(name), name, evidence)

    with promise("own criterion: a damaged file is refused by name or gives finite numbers") as count:
        loader = [OWN], "text", read, lambda s: s.shape == (5, 7) and np.isfinite(s[evidence.mask]).all()
        try_mutants(count, at_scale(100, 10_000), loader, tmp_path / "rules.py")
