"""Damaged results, tables, configurations, specs and criteria: refused by name, or read as what they are."""

import json
import logging

import numpy as np
import pytest
from outer_machines import random_evidence, random_machine

from boltzprune import __main__, claims, digit_table, tables, tidy
from boltzprune.claims import collected
from boltzprune.criteria import resolve, saliency_of
from boltzprune.errors import InputError
from boltzprune.evaluation.encoding import Classifier, classifier_arrays, read_classifier
from boltzprune.evaluation.patterns import read_samples
from boltzprune.figures import fig2, fig3, fig4, s1
from boltzprune.fisher import Statistics
from boltzprune.patterns import read_digits, read_states
from boltzprune.settings import read_yaml, study_from
from boltzprune.stages.fetch import read_manifest
from boltzprune.store import (
    Arrays,
    chain_arrays,
    machine_arrays,
    read_chains,
    read_machine,
    read_statistics,
    statistics_arrays,
    write_arrays,
)
from limits import fault, traced, try_beginnings, try_mutants

pytestmark = pytest.mark.torture
RNG = np.random.default_rng(29)
KEYS = ["criterion", "iteration", "phase"]


def saved(folder, arrays, provenance=None):
    """The bytes of two results with these arrays, packed and not."""
    about = {"criterion": "anti_fi", "iteration": 1, "phase": "pruned"}
    record = provenance or {"spec": about, "seeds": [3]}
    for compress in (False, True):
        write_arrays(folder / "made.npz", arrays, record, compress)
        yield (folder / "made.npz").read_bytes()


def results(folder):
    """Results of stages: name -> arrays, read, holds."""
    machine, states = random_machine(5, 7, share=0.6), RNG.integers(0, 2, (31, 13), dtype=np.uint8)
    chains = tuple(RNG.integers(0, 2, (11, n), dtype=np.uint8) for n in (5, 7))
    means = Statistics(97, (RNG.random(5), RNG.random(7)), (RNG.random((5, 7)),))
    images = RNG.integers(0, 2, (17, 15), dtype=np.uint8)
    digits = {
        "packed": np.packbits(images, axis=1),
        "labels": np.arange(17, dtype=np.uint8) % 3,
        "test_packed": np.packbits(images[:5], axis=1),
        "test_labels": np.arange(5, dtype=np.uint8) % 3,
        "n_visible": np.array(15),
        "shape": np.array([5, 3]),
        "n_train": np.array(13),
        "n_classes": np.array(4),
    }
    judge = Classifier(RNG.normal(size=(15, 3)), RNG.normal(size=3), np.arange(3), 7, True)
    samples = {"seed3/patterns": np.packbits(states[:7], axis=1), "seed3/counts": np.arange(1, 8)}
    eigen = {"seed3/eigenvectors": RNG.random((2, 47)), "seed3/fisher_matrix": RNG.random((47, 47)).astype(np.float32)}
    return {
        "machines": (machine_arrays(3, machine), lambda a: read_machine(a, 3), is_machine),
        "chains": (chain_arrays(3, chains), lambda a: read_chains(a, 3, (5, 7)), lambda c: is_binary(*c)),
        "statistics": (statistics_arrays(3, means) | eigen, lambda a: read_statistics(a, 3), is_statistics),
        "samples": (samples, lambda a: read_samples(a, 3, 13), lambda s: len(s[0]) == len(s[1])),
        "patterns": ({"packed": np.packbits(states, axis=1), "n_visible": np.array(13)}, read_states, is_binary),
        "digits": (digits, read_digits, lambda d: is_binary(d.states, d.test_states) and len(d.labels) == len(d.states)),
        "classifier": (classifier_arrays(judge), read_classifier, lambda c: c.weights.shape[1:] == c.bias.shape),
        "provenance": ({"a": np.arange(3)}, lambda a: (a.about, a.seeds), lambda p: p[1] and set(p[0]) == set(KEYS)),
    }  # fmt: skip


def is_machine(machine):
    arrays = (*machine.weights, *machine.biases)
    return all(np.isfinite(a).all() for a in arrays) and [w.shape for w in machine.weights] == list(
        zip(machine.layer_sizes[:-1], machine.layer_sizes[1:])
    )


def is_statistics(found):
    statistics, _ = found
    sizes = [len(rate) for rate in statistics.rates]
    means = (*statistics.rates, *statistics.pair_means)
    return (
        statistics.n_samples >= 0
        and [m.shape for m in statistics.pair_means] == list(zip(sizes, sizes[1:]))
        and all(((m >= 0) & (m <= 1)).all() for m in means)
    )


def is_binary(*arrays):
    return all(a.ndim == 2 and a.dtype == np.uint8 and (a.size == 0 or a.max() <= 1) for a in arrays)


NAMES = list(results(None))


def result(name, folder):
    """(valid files, kind of mutant, read, holds) of a result."""
    arrays, read, holds = results(folder)[name]
    return list(saved(folder, arrays)), "npz", lambda path: read(Arrays(path)), holds


@pytest.mark.parametrize("name", NAMES)
def test_a_damaged_result_is_refused_or_read(name, tmp_path, promise, at_scale):
    with promise(f"results, {name}: a damaged file is refused by name or read as what it is") as count:
        try_mutants(count, at_scale(100, 10_000), result(name, tmp_path), tmp_path / "x.npz")


@pytest.mark.parametrize("name", NAMES)
def test_no_beginning_of_a_result_is_accepted(name, tmp_path, promise, at_scale):
    with promise(f"results, {name}: a file cut anywhere is refused") as count:
        try_beginnings(count, at_scale(40, 10**6), result(name, tmp_path), tmp_path / "x.npz")


def columns(names, n=3):
    """Numbers for columns in a table: fractions, counts, others."""
    return {name: np.round(RNG.random(n), 3) if not name.startswith("n_") else RNG.integers(1, 90, n) for name in names}


def metrics(names):
    """A table of metrics as text: two criteria, two iterations, two seeds."""
    where = [("none", 0, "initial", seed) for seed in (0, 1)]
    where += [
        (c, k, p, s)
        for c in ("anti_fi", "variance_fi")
        for k in (1, 2)
        for p in ("pruned", "retrained")
        for s in (0, 1)
    ]
    head = ",".join([*KEYS, "seed", *names])
    lines = [",".join(map(str, (*keys, *(v[0] for v in columns(names, 1).values())))) for keys in where]
    return "\n".join([head, *lines, ""]).encode()


PATCHES = ["n_weights", "n_hidden", "n_visible_connected", "kl_exact", "kl_sampled", "mse_exact", "mse_sampled",
           "n_data_patterns", "n_missing", "hidden_rate", "eigenvalue_1", "eigenvalue_2"]  # fmt: skip
DIGITS = ["n_weights", "n_weights_1", "n_weights_2", "n_units_1", "n_units_2", "n_visible_connected", "encoding_error",
          "activity_1", "activity_2", "quality_mean", "quality_class_mean", "diversity"]  # fmt: skip
LABELS = {"variance_fi": "Variance FI", "anti_fi": "Anti-FI"}
REFERENCES = b"""reference,error,n_test,quality_mean,quality_class_mean,diversity
raw,0.1,47,,,
test_digits,,,0.9,0.8,1.1
random_patterns,,,0.3,0.2,0.4
"""


def pattern_table():
    head = "criterion,iteration,phase,pattern,log_data,log_model_mean,log_model_q25,log_model_q75,n_seeds"
    rows = [f"{c},{k},{p},{bits},-1.5,-1.25,-2,-1,2" for c, k, p in (("none", 0, "initial"), ("anti_fi", 2, "retrained"))
            for bits in ("00101", "01010", "11111")]  # fmt: skip
    return "\n".join([head, *rows, ""]).encode()


def class_table():
    rows = [f"{c},{k},{p},{s},{d},0.5,0.{d + 1}" for c, k, p in (("none", 0, "initial"), ("anti_fi", 2, "retrained"))
            for s in (0, 1) for d in (0, 1)]  # fmt: skip
    return "\n".join(["criterion,iteration,phase,seed,digit,share,quality", *rows, ""]).encode()


def pixel_table():
    rows = [f"{c},{k},{pixel},0.5,2" for c in LABELS for k in (1, 2) for pixel in range(15)]
    return "\n".join(["criterion,iteration,pixel,disconnected,n_seeds", *rows, ""]).encode()


def record_table():
    rows = [f"{c},{k},{s},120,3 7 11,\n{c},{k},{s + 7},120,," for c in LABELS for k in (1, 2) for s in (0, 1)]
    return "\n".join(["criterion,iteration,seed,n_weights_1,pixels_disconnected,units_removed_1", *rows, ""]).encode()


def example_table():
    rows = [f"{c},{k},{p},0,{n},010110011100101" for c, k, p in (("none", 0, "initial"), ("anti_fi", 2, "retrained"))
            for n in range(3)]  # fmt: skip
    return "\n".join(["criterion,iteration,phase,seed,sample,pattern", *rows, ""]).encode()


def judged(path):
    """All claims on a table of metrics of the digits, with their page."""
    from boltzprune.claims import page

    found = claims.judge(collected.read({"digits_metrics": [path], **beside(path)}))
    return page.as_markdown(found, "a study", LABELS)


def beside(path):
    """Valid tables and images that lie beside a damaged one."""
    folder = path.parent / "beside"
    if not folder.exists():
        folder.mkdir()
        for name, content in {"digits_references": REFERENCES, "digits_pixels": pixel_table(), "digits_classes": class_table(),
                              "digits_examples": example_table(), "pattern_probabilities": pattern_table(),
                              "digits_metrics": metrics(DIGITS), "metrics": metrics(PATCHES)}.items():  # fmt: skip
            (folder / f"{name}.csv").write_bytes(content)
        (folder / "digits.npz").write_bytes(next(saved(folder, results(None)["digits"][0])))
    names = ("digits_references", "digits_pixels", "digits_classes")
    return {name: [folder / f"{name}.csv"] for name in names} | {"digits": [folder / "digits.npz"]}


def panels(module, table):
    """The tables behind a figure with one of its inputs damaged."""

    def read(path):
        beside(path)
        names = [*tidy.TABLES, "digits"]
        inputs = {
            name: [path.parent / "beside" / (f"{name}.csv" if name != "digits" else "digits.npz")] for name in names
        }
        return module.panels(inputs | {table: [path]})

    return read


def table1(path):
    made = tables.remaining_units(tidy.read([path], "metrics", ["n_hidden", "n_weights"]), LABELS)
    return tables.as_markdown(made, "a") + tables.as_latex(made, "a")


def per_digit(path):
    made = digit_table.per_digit(tidy.read([path], "digits_classes", ["quality"]), LABELS)
    return digit_table.as_markdown(made, "a") + digit_table.as_latex(made, "a")


TABLES = {
    "metrics": (metrics(PATCHES), lambda path: tidy.read([path], "metrics")),
    "records": (record_table(), lambda path: tidy.read([path], "records")),
    "examples": (example_table(), lambda path: tidy.read([path], "digits_examples")),
    "Table 1": (metrics(PATCHES), table1),
    "table per digit": (class_table(), per_digit),
    "claims": (metrics(DIGITS), judged),
    "figure 2, metrics": (metrics(PATCHES), panels(fig2, "metrics")),
    "figure 2, patterns": (pattern_table(), panels(fig2, "pattern_probabilities")),
    "figure 3, metrics": (metrics(DIGITS), panels(fig3, "digits_metrics")),
    "figure 3, pixels": (pixel_table(), panels(fig3, "digits_pixels")),
    "figure 4, references": (REFERENCES, panels(fig4, "digits_references")),
    "figure S1, metrics": (metrics(DIGITS), panels(s1, "digits_metrics")),
}
QUICK = ("metrics", "records", "examples", "Table 1", "table per digit")
"""The others compute hundreds of numbers from each table."""


@pytest.mark.parametrize("name", TABLES)
def test_a_damaged_table_is_refused_or_read(name, tmp_path, promise, at_scale):
    content, read = TABLES[name]
    with promise(f"CSV, {name}: a damaged table is refused by name or read") as count:
        n = at_scale(20, 10_000) if name in QUICK else at_scale(4, 1_000)
        try_mutants(count, n, ([content], "text", read, lambda found: len(found) > 0), tmp_path / "x.csv")


@pytest.mark.parametrize("name", TABLES)
def test_a_table_without_a_column_is_refused_by_file_and_column(name, tmp_path):
    content, read = TABLES[name]
    lines = [line.split(",") for line in content.decode().splitlines()]
    for column in ("criterion", "reference"):
        if column in lines[0]:
            place = lines[0].index(column)
            text = "\n".join(",".join(line[:place] + line[place + 1 :]) for line in lines)
            (tmp_path / "x.csv").write_text(text + "\n")
            with pytest.raises(InputError, match=rf"x\.csv: has no column {column}; delete it and run again"):
                read(tmp_path / "x.csv")


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
STAGES = ("train", "sample", "prune", "figure", "study", "claims", "table1", "pretrain")


def status(*arguments):
    """Exit status of the command line; what argparse refuses is a user's mistake too."""
    try:
        return __main__.main(list(arguments))
    except SystemExit as error:
        return error.code


def test_a_damaged_command_line_is_refused(tmp_path, promise, at_scale, monkeypatch):
    from mutants import mutant

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
            found = status(STAGES[number % len(STAGES)], *given, f"--spec={spec}", f"--seeds={seeds}")
            count(found == 2, f"{number}: status {found}: {spec} {seeds}")
    logging.getLogger("boltzprune").setLevel(logging.NOTSET)


@pytest.mark.parametrize("seeds", ["0-99999999999999", "-5", "", "-", "5-3", "1.5", "9" * 5000, str(2**64), "٣-x"])
def test_seeds_that_cannot_be_are_refused(seeds):
    assert status("train", "--spec={}", f"--seeds={seeds}") == 2


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
