"""Results of several studies as one: what `parts` of a study names, checked before anything is made of it.

A part is a folder with the results of a study of equal settings and other seeds, or a copy with `NEEDED` alone.
Tables and statistics of all parts together are what the same study computed at one place would have: figures and claims
are made from them by the same rules.
"""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from boltzprune.errors import InputError
from boltzprune.pruning.criteria import slug
from boltzprune.results import tidy
from boltzprune.study import jobs, paths
from boltzprune.study.config import EXPERIMENTS, Study
from boltzprune.study.config.preset_table import flat
from boltzprune.study.yaml_files import read_yaml

if TYPE_CHECKING:
    import pandas as pd

FILE = "study.yaml"
NEEDED = (
    FILE,
    "tables/*.csv",
    "patches/seeds*/initial/*_statistics.npz",
    "patches/seeds*/*/iteration*/*_statistics.npz",
)
"""What of a folder of results is read; the machines stay where they are."""
TABLES = {
    "patches": ("metrics",),
    "digits": ("digits_metrics", "digits_classes", "digits_pixels", "digits_examples", "digits_references"),
}
"""Experiment -> tables that are put together; the first has a row for every machine."""
SAME_DATA = {
    "patches": ("metrics", ["n_data_patterns"]),
    "digits": ("digits_references", ["n_train", "n_test", "error"]),
}
"""Experiment -> the table and the columns by which parts with other data are noticed."""
TOLERANCE = 0.001
"""How far the error of the same classifier on the same images may differ between computers."""
MAY_DIFFER = re.compile(
    r"study|preset|experiments|seeds|first_seed|seeds_per_job|device|parts|figures(\..*)?|\w+\.seeds"
    r"|\w+\.data\.(directory|file|download)"
)
"""Keys that change neither what is computed nor from what: names, seeds, places, looks."""


@dataclass(frozen=True)
class Part:
    """One folder of results.

    Attributes
    ----------
    folder : str
        As it was named.
    study : config.Study
        What made them.
    seeds : dict of str -> list of int
        Experiment -> seeds that its tables have.
    """

    folder: str
    study: Study
    seeds: dict[str, list[int]]


def read(folder: str | os.PathLike[str]) -> Part:
    """A folder of results; an experiment without any table is taken for one that was not run.

    Raises
    ------
    InputError
        If it is none, lacks a file, or its tables are not those of its finished study.
    """
    place = Path(folder)
    if not (place / FILE).is_file():
        raise InputError(
            f"{folder}: has no {FILE}; expected a folder of results such as results/demo, or a copy of it with "
            f"{', '.join(NEEDED)}"
        )
    try:
        study = Study.model_validate(read_yaml(place / FILE))
    except ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(map(str, problem["loc"]))
        raise InputError(
            f"{place / FILE}: {key}: {problem['msg']}; this study was made by another version of boltzprune: make its "
            f"{FILE} and tables again with this one"
        ) from None
    part = Part(str(folder), study, {})
    for experiment in study.experiments:
        if any(os.path.isfile(table(part, name)) for name in TABLES[experiment]):
            part.seeds[experiment] = _seeds(part, experiment)
    if not part.seeds:
        wanted = " or ".join(table(part, TABLES[experiment][0]) for experiment in study.experiments)
        raise InputError(f"{folder}: has no tables, such as {wanted}; let that study run to its end, or copy them")
    return part


def table(part: Part, name: str) -> str:
    """The path of a table of a part."""
    return os.path.join(part.folder, "tables", f"{name}.csv")


def _seeds(part: Part, experiment: str) -> list[int]:
    """Seeds of an experiment in the tables of a part; InputError if there is not a row for every machine."""
    for path in (table(part, name) for name in TABLES[experiment]):
        if not os.path.isfile(path):
            raise InputError(f"{path}: is not there; let the study in {part.folder} run to its end, or copy the file")
    path, section = table(part, TABLES[experiment][0]), getattr(part.study, experiment)
    rows = tidy.read([path], TABLES[experiment][0])
    seeds = sorted(set(map(int, rows["seed"])))
    found = set(rows[["criterion", "iteration", "seed"]].itertuples(index=False, name=None))
    for criterion in section.criteria:
        for iteration in range(1, section.iterations + 1):
            if lacking := [seed for seed in seeds if (criterion, iteration, seed) not in found]:
                raise InputError(
                    f"{path}: has nothing of {criterion}, iteration {iteration}, seed {lacking[0]}, which {FILE} "
                    "beside it asks for; let that study run to its end"
                )
    told = [seed for block in jobs.blocks(part.study, experiment) for seed in jobs.seeds_of(block)]
    if not part.study.parts and seeds != told:
        raise InputError(
            f"{path}: is of seeds {in_words(seeds)}, and {FILE} beside it of {in_words(told)}; let that study run to "
            "its end"
        )
    return seeds


def in_words(seeds: Sequence[int]) -> str:
    """0, 1, 2, 5 as 0-2, 5."""
    return ", ".join(f"{first}-{last}" if last > first else f"{first}" for first, last in jobs.runs(seeds))


def settings(study: Study, experiment: str) -> dict[str, Any]:
    """The keys of an experiment that decide what is computed: dotted name -> value."""
    return {
        key: value
        for key, value in flat({experiment: getattr(study, experiment).model_dump()})
        if not MAY_DIFFER.fullmatch(key)
    }


def joined(folders: Sequence[str]) -> dict[str, list[Part]]:
    """The parts of each experiment, by their lowest seed, once they fit together.

    Parameters
    ----------
    folders : list of str

    Returns
    -------
    dict of str -> list of Part
        In the order of `EXPERIMENTS`.

    Raises
    ------
    InputError
        If a folder cannot be read, or two of them differ in a setting or in their data, or have a seed in common.
    """
    for folder in folders:
        for what in paths.unusable(folder):
            raise InputError(f"parts = {folder}: the path has {what}; rename the folder")
    parts, found = [read(folder) for folder in folders], {}
    for experiment in EXPERIMENTS:
        mine = sorted((part for part in parts if experiment in part.seeds), key=lambda part: part.seeds[experiment])
        for one, other in zip(mine, mine[1:]):
            _check_settings(mine[0], other, experiment)
            if common := sorted({*one.seeds[experiment]} & {*other.seeds[experiment]}):
                raise InputError(
                    f"{one.folder} and {other.folder} both have seed {in_words(common)} of the {experiment}, which "
                    "would count twice; leave one of them out, or compute other seeds (first_seed)"
                )
        if mine:
            _check_data(mine, experiment)
            found[experiment] = mine
    return found


def _check_settings(one: Part, other: Part, experiment: str) -> None:
    """InputError naming every key in which two parts differ."""
    mine, its = settings(one.study, experiment), settings(other.study, experiment)
    differ = [key for key in mine if mine[key] != its.get(key)]
    if differ:
        lines = [f"  {key}: {mine[key]} in {one.folder}, {its.get(key)} in {other.folder}" for key in differ]
        head = (
            f"{one.folder} and {other.folder} are of studies with other settings, and no number would be of one study:"
        )
        raise InputError("\n".join([head, *lines]))


def _check_data(parts: Sequence[Part], experiment: str) -> None:
    """InputError if two parts are of other data: other files under the same name."""
    name, columns = SAME_DATA[experiment]
    first = _of_data(parts[0], name, columns)
    for other in parts[1:]:
        its = _of_data(other, name, columns)
        for column in columns:
            limit = TOLERANCE if column == "error" else 0
            if abs(first[column] - its[column]) > limit:
                raise InputError(
                    f"{parts[0].folder} and {other.folder} are of other data: {column} of table {name} is "
                    f"{first[column]:g} and {its[column]:g}"
                )


def _of_data(part: Part, name: str, columns: Sequence[str]) -> "pd.Series":
    """Those columns in the first row of a table, which are of the data alone."""
    return tidy.read([table(part, name)], name, columns)[list(columns)].iloc[0]


def statistics(parts: Sequence[Part], *, last: bool) -> list[str]:
    """Statistics of the machines on patches of all parts: initial ones, or those of the last iteration.

    Raises
    ------
    InputError
        If one is not there, or a part is itself put together, and so has none.
    """
    found = []
    for part in parts:
        if part.study.parts:
            raise InputError(
                f"{part.folder} is put together from {', '.join(part.study.parts)}, and has no statistics of the "
                "patches itself; name those folders instead"
            )
        section, blocks = part.study.patches, jobs.blocks(part.study, "patches")
        ends = [f"{slug(name)}/iteration{section.iterations}/retrained" for name in section.criteria]
        for end in ends if last else ["initial/initial"]:
            found += [
                os.path.join(part.folder, "patches", f"seeds{block}", f"{end}_statistics.npz") for block in blocks
            ]
    for path in found:
        if not os.path.isfile(path):
            raise InputError(
                f"{path}: is not there; Figure 1 and the claims need it: copy {', '.join(NEEDED[2:])}, too"
            )
    return found


def values(name: str, found: Mapping[str, Sequence[Part]], folders: Sequence[str]) -> dict[str, Any]:
    """The configuration of the study that is put together.

    Parameters
    ----------
    name : str
        Of the study.
    found : dict of str -> list of Part
        From `joined`.
    folders : list of str
        As they are to be named.
    """
    of_study = {"study": name, "parts": list(folders), "experiments": list(found)}
    for experiment, parts in found.items():
        study = parts[0].study
        of_study |= {"preset": study.preset, "device": study.device}
        n_seeds = sum(len(part.seeds[experiment]) for part in parts)
        of_study[experiment] = getattr(study, experiment).model_dump() | {"seeds": n_seeds}
    return of_study


def check(study: Study) -> dict[str, list[Part]]:
    """The parts of a study for each experiment, checked against it as well; {} if it has none.

    Raises
    ------
    InputError
        As `joined`, or if the study asks for something else than its parts have.
    """
    if study.parts is None:
        return {}
    found = joined(study.parts)
    for experiment in study.experiments:
        if experiment not in found:
            raise InputError(f"parts: none of {', '.join(study.parts)} has results of experiment {experiment}")
        first, n = found[experiment][0], jobs.n_seeds(study, experiment)
        if n != (n_found := sum(len(part.seeds[experiment]) for part in found[experiment])):
            raise InputError(f"{experiment}.seeds = {n}: its parts have {n_found}; call boltzprune merge again")
        _check_settings(Part(f"study {study.study}", study, {}), first, experiment)
    return found
