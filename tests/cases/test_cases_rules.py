"""The rules' command lines: odd names, long lists."""

import io
import os
import re
import resource
import shlex
import shutil
import sys
from pathlib import Path

import pandas as pd
import pytest
from tiny_study import write_patterns
from workflow_copy import TINY, Copy

from boltzprune.__main__ import main
from boltzprune.errors import InputError
from boltzprune.pruning.criteria import slug
from boltzprune.study import paths
from boltzprune.study.settings import merged, study_from

OWN = "import numpy as np\n\n\ndef mine(evidence):\n    return np.abs(evidence.weights)\n"
ODD = 'it\'s "$HOME" & `id`; *?[1] #%~!|<>,=:@ ü'
SMALL = merged(
    TINY,
    {
        "device": "reference",
        "patches": {"data": {"n_patterns": 199}, "controls": []},
        "experiments": ["patches"],
    },
)


def block(names):
    """Values of a study of the patches with one machine and these criteria."""
    return merged(SMALL, {"study": "odd", "seeds": 1, "patches": {"criteria": names}})


@pytest.mark.parametrize("odd", "'\"`$\\{}<>,;:&|*?!#%~ =@()[]\t\u2028")
def test_results_of_a_criterion_lie_in_a_folder_without_odd_signs(odd):
    """snakemake/snakemake#2981: executors submit jobs with names of folders that they do not quote."""
    assert slug(f"a{odd}b/c{odd}d.py:mine") == "c_d.mine"
    assert slug("x/-Ä.ö+3_.py:mine_1") == "-Ä.ö+3_.mine_1"


def test_criteria_whose_results_would_lie_in_one_folder_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("it's.py", "it_s.py", "its.py"):
        Path(name).write_text(OWN)
    study_from(block(["it's.py:mine", "its.py:mine"]))
    with pytest.raises(InputError, match="its results would lie in the same folder as those of"):
        study_from(block(["it's.py:mine", "it_s.py:mine"]))


@pytest.mark.parametrize("experiment", ["patches", "digits"])
@pytest.mark.parametrize(
    ("key", "path"), [("file", "raw{1}.npz"), ("file", "raw}.npz"), ("directory", "<raw>/x"), ("file", "a\nb.npz")]
)
def test_raw_files_that_snakemake_cannot_name_are_refused(experiment, key, path):
    values = merged(
        TINY, {"experiments": [experiment], experiment: {"data": {"source": "npz", "file": "x", key: path}}}
    )
    with pytest.raises(InputError, match=rf"{experiment}\.data\.{key} = .*; rename the folder or file"):
        study_from(values)


def test_folders_that_cannot_work_are_refused(tmp_path, monkeypatch):
    for name in ("plain's", 'a"b', "a$b", "a`b"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        paths.check_places("/x", Path("results"), paths.LONG)
        if name == "plain's":
            paths.check_places("/x", Path("results"), 10**7)
        else:
            with pytest.raises(InputError, match=r"the path of the working folder has [\"$`],.*raise seeds_per_job"):
                paths.check_places("/x", Path("results"), paths.LONG + 1)
    with pytest.raises(InputError, match=r"^/x\{y\}: .*move the workflow"):
        paths.check_places("/x{y}", Path("results"), 0)
    monkeypatch.setattr(paths, "PACKAGE", Path("/a:b/src"))
    with pytest.raises(InputError, match=r"^/a:b/src: .*has ':', .*; move it"):
        paths.check_places("/x", Path("results"), 0)


LINES = "metrics a.csv 'b c.csv'\nstatistics \"it's.npz\"\n\nmetrics ''d\n"


def test_a_stage_takes_files_from_standard_input(monkeypatch):
    from boltzprune.__main__ import _inputs

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(LINES.encode())))
    found = list(_inputs(["patterns=x=y.npz", "-"]))
    assert found == [
        *(("patterns", "x=y.npz"), ("metrics", "a.csv"), ("metrics", "b c.csv"), ("statistics", "it's.npz")),
        ("metrics", "d"),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("metrics\n", "line 1 is 'metrics'; expected NAME FILE"), ("\nmetrics 'a\n", "line 2 is .*as a shell has them")],
)
def test_a_list_that_is_none_is_refused(monkeypatch, capsys, text, expected):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert main(["collect", "--in", "-"]) == 2
    assert re.search(expected, capsys.readouterr().err)


@pytest.mark.slow
def test_names_that_a_shell_would_take_apart_are_quoted_everywhere(tmp_path):
    """snakemake/snakemake#85, snakemake/snakemake#2981: apostrophes; in raw files and the working folder too."""
    values = block([f"{ODD}/{ODD}.py:mine", f"{ODD}/-x.py:mine", "weight_magnitude"])
    values["patches"]["data"] |= {"source": "npz", "file": f"{ODD}/raw.npz"}
    workflow = Copy(tmp_path / ODD.replace(":", ""), values)
    (workflow.folder / ODD).mkdir()
    for name in (f"{ODD}.py", "-x.py"):
        (workflow.folder / ODD / name).write_text(OWN)
    write_patterns(workflow.folder / ODD / "raw.npz", n=199)
    done = workflow.snakemake("table1", "fig2", "--cores", "2")
    assert done.returncode == 0, done.stdout
    tables = workflow.folder / "results" / "odd" / "tables"
    assert set(pd.read_csv(tables / "table1.csv")["criterion"]) == set(values["patches"]["criteria"])
    pruned = pd.read_csv(tables / "metrics.csv").query("phase == 'pruned'")
    assert (len(pruned), pruned["kl_exact"].nunique()) == (3, 1)  # all three are |w|
    assert {path.name for path in (tables.parent / "patches" / "seeds0-0").iterdir()} == {
        *("initial", "weight_magnitude", slug(values["patches"]["criteria"][0]), "-x.mine")
    }


N_BLOCKS, LONG_NAME, STUDY = 179, "x" * 95, "y" * 80
SMALL_STACK = 2**19
"""Bytes; Linux lets arguments have a quarter of that, 128 KiB."""


def spread(folder, first):
    """Results of one block of seeds as those of all."""
    for seed in range(1, N_BLOCKS):
        copied = shutil.copytree(first, folder / f"seeds{seed}-{seed}")
        for path in (*copied.rglob("metrics.csv"), *copied.rglob("record.csv")):
            about = path.stat()
            table = pd.read_csv(path).assign(seed=seed)
            table.to_csv(path, index=False)
            os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))


@pytest.mark.slow
def test_no_number_of_files_is_too_many_for_the_last_steps(tmp_path):
    """snakemake/snakemake#85: a rule's command with more files than a command line may have."""
    values = merged(SMALL, {"study": STUDY, "seeds": N_BLOCKS, "seeds_per_job": 1})
    values["patches"] |= {"criteria": [f"{LONG_NAME}.py:mine"]}
    workflow = Copy(tmp_path, values)
    (tmp_path / f"{LONG_NAME}.py").write_text(OWN)
    folder, chain = Path("results", STUDY, "patches"), f"{LONG_NAME}.mine/iteration1/metrics.csv"
    first = [f"{folder}/seeds0-0/{name}" for name in ("initial/metrics.csv", chain)]
    assert workflow.snakemake(*first, "--cores", "2").returncode == 0
    spread(tmp_path / folder, tmp_path / folder / "seeds0-0")
    target = f"results/{STUDY}/tables/metrics.csv"
    limits = resource.getrlimit(resource.RLIMIT_STACK)
    resource.setrlimit(resource.RLIMIT_STACK, (SMALL_STACK, limits[1]))
    try:
        done = workflow.snakemake(target, "--cores", "1", "--printshellcmds")
    finally:
        resource.setrlimit(resource.RLIMIT_STACK, limits)
    assert done.returncode == 0, done.stdout[-3000:]
    (command,) = re.findall(r"^Shell command: (python -m .*)\n((?:.*\n)*?)FILES$", done.stdout, re.MULTILINE)
    assert len(command[0]) < 1000 and len(command[1]) > 2**17
    lists = [shlex.split(line) for line in command[1].splitlines()]
    assert [(name, len(files)) for name, *files in lists] == [
        *(("records", N_BLOCKS), ("patterns", 1), ("metrics", 2 * N_BLOCKS), ("statistics", 2 * N_BLOCKS))
    ]
    metrics = pd.read_csv(tmp_path / target)
    assert metrics.groupby("phase")["seed"].agg(["nunique", "max"]).values.tolist() == [[N_BLOCKS, N_BLOCKS - 1]] * 3
    shown = pd.read_csv((tmp_path / target).with_name("pattern_probabilities.csv"))
    assert set(shown["n_seeds"]) == {N_BLOCKS}
