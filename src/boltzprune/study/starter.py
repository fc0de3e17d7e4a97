"""A study file to begin with: short, commented, and good as it is."""

import os
from pathlib import Path

from boltzprune.errors import InputError
from boltzprune.results.npz import shapes
from boltzprune.study.config import PatchData
from boltzprune.study.feasible import patterns_there
from boltzprune.study.settings import study_of

MOST_PATTERNS = 20_000
"""What the file asks for where there are more."""

HEAD = """\
# A study of your own. Its keys replace those of the default study, config/config.yaml, which explains every key
# (`boltzprune config` prints it). What is commented out has the default that it shows.
{named}# the results go to results/{study}/
# preset: published        # where text and code of the paper disagree: published, revision, preprint or paper
experiments: [{experiments}]
seeds: 5                   # independent repetitions; claims need ten or more
# device: auto             # cpu, gpu, or whatever there is
"""
PATCHES = """\
patches:
  data: {data}
  # machine: {{n_hidden: 70}}
  # training: {{learning_rate: [0.01, 0.01], momentum: [0.9, 0.9]}}    # one entry for each epoch
  # your own criterion is a Python function in a file: my_rules.py:my_criterion (boltzprune check-criterion tries it)
  criteria: [variance_fi, heuristic_fi, weight_magnitude, random_weights, random_units]
  iterations: 3            # each prunes, then retrains
  pruning: {{fraction: 0.5}} # of the weights that are left, in each iteration
"""
DIGITS = """\
digits:
  data: {data}
  machine: {{n_hidden: [196, 256]}}    # units of h1 and h2
  # training: {{n_epochs: 6, batch_size: 10}}
  criteria: [variance_fi, heuristic_fi, weight_magnitude, random_weights, anti_fi]
  iterations: 3
  pruning: {{fraction: [0.1, 0.5]}}    # of the weights between v and h1, and between h1 and h2
"""
TEMPLATES = {"patches": PATCHES, "digits": DIGITS}
DEFAULT_DATA = {
    "patches": "{source: sample_images, n_patterns: 20000}    # or cifar10; boltzprune init --data FILE.npz: your own",
    "digits": "{source: digits}    # or mnist; boltzprune init --data FILE.npz: your own",
}


def write(file: str | os.PathLike[str], data: str | None = None) -> None:
    """Write the file, unless it is there.

    Parameters
    ----------
    file
        Its name without the ending becomes that of the study.
    data
        An .npz file of the user's: with images and labels it is one for the digits, else for the patches.

    Raises
    ------
    InputError
        If the file is there, or the data are of neither kind.
    """
    path = Path(file)
    if path.suffix not in (".yaml", ".yml"):
        raise InputError(f"init: the file is called {file}; expected a name that ends in .yaml")
    if path.exists():
        raise InputError(f"init: {file} is there already; name another, or remove it")
    text = as_yaml(path.stem, data)
    path.write_text(text, encoding="utf-8")
    try:
        study_of([path])
    except InputError:
        path.unlink()
        raise


def as_yaml(study: str, data: str | None = None) -> str:
    """The text of the file; arguments as of `write`."""
    sections = DEFAULT_DATA if data is None else dict([_own(data)])
    head = HEAD.format(named=f"study: {study}".ljust(27), study=study, experiments=", ".join(sections))
    return head + "".join(TEMPLATES[experiment].format(data=flow) for experiment, flow in sections.items())


def _own(data: str) -> tuple[str, str]:
    """Experiment and section `data` of a user's file, by the arrays in it."""
    try:
        found = shapes(data)
    except (OSError, ValueError) as error:
        raise InputError(f"init: {data}: not a readable .npz file ({error})") from error
    if {"images", "labels"} <= set(found):
        return "digits", f"{{source: npz, file: {data}}}"
    if "patterns" in found or "images" in found:
        n = patterns_there(PatchData(source="npz", file=data)) or MOST_PATTERNS
        return "patches", f"{{source: npz, file: {data}, n_patterns: {min(n, MOST_PATTERNS)}}}"
    raise InputError(
        f"init: {data}: has {', '.join(sorted(found)) or 'no array'}; expected patterns, images, or images and labels; "
        "see docs/own_data.md"
    )
