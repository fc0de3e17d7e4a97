"""What all sections of the configuration share: number types, and a frozen, strict base class."""

import os
import re
import reprlib
from collections.abc import Iterable
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, GetPydanticSchema, ValidationError
from pydantic_core import core_schema

from boltzprune.errors import InputError
from boltzprune.pruning.controls import CONTROLS
from boltzprune.pruning.criteria import CRITERIA, LONGEST_NAME, slug
from boltzprune.pruning.regrowth import RULES

Identifier = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$", max_length=LONGEST_NAME)]
"""The name of a folder."""
OWN_CRITERION = re.compile(r"^(?P<file>.+\.py):(?P<function>[A-Za-z_]\w*)$")


def _number(value: object) -> object:
    """YAML 1.1 reads 1e-4 as text; take it for the number it is."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


Number = Annotated[float, BeforeValidator(_number)]
Positive = Annotated[float, Field(gt=0), BeforeValidator(_number)]
NotNegative = Annotated[float, Field(ge=0), BeforeValidator(_number)]
Momentum = Annotated[float, Field(ge=0, lt=1), BeforeValidator(_number)]
Fraction = Annotated[float, Field(gt=0, lt=1), BeforeValidator(_number)]
Share = Annotated[float, Field(gt=0, le=1), BeforeValidator(_number)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
OwnSeeds = Annotated[
    Count | None,
    Field(description="Independent repetitions of this experiment, from `first_seed` on; null: `seeds` of the study."),
]


Threshold = Literal["rank", "percentile"]
"""How the weights that go are told from those that stay; both experiments have it, twice:"""
THRESHOLD = (
    "Which weights go. rank: exactly the fraction, ties broken at random; percentile: all weights whose saliency is at "
    "or below the percentile, ties together. Paper: rank."
)
SCHEDULE = (
    "Fraction of each iteration, the first one first, in place of `fraction`; at least as many as iterations. null: "
    "`fraction` in every iteration. Paper: null."
)
ANTI_FI_THRESHOLD = (
    "The same for criterion anti_fi, which removes the highest values. rank: exactly the fraction, ties broken at "
    "random; percentile: those above the opposite percentile, so that ties stay. Paper: rank."
)
REGROWTH = (
    "Weights that grow again, as {fraction: 0.3, by: correlation}; null: none. Of the number of weights that a pruning "
    "has removed from a layer, this fraction, in (0, 1], grows between units that remain and had no weight, within "
    "receptive fields; as many of the least salient weights that were kept go for them, so that the pruning leaves as "
    "many weights as without regrowth. A first pruning finds no such place in a layer that has all its weights. "
    "by: random, anywhere; correlation, where |<s_i s_j> - <s_i><s_j>| of the free-running machine is largest. A "
    "weight that grows is 0 before the retraining. Criteria that remove whole units are left as they are. Paper: null."
)
HOMEOSTASIS = (
    "After every epoch of a retraining the bias of each hidden unit moves by this share of logit(target) - "
    "logit(rate), where rate is its mean activation over the training data and target what that was before the "
    "pruning; null: by none. Controls rewind and scratch, which no pruning has changed, have none. Paper: null."
)
ITERATIONS = (
    "Number of iterations; in each, a machine is pruned and retrained. If a pruning leaves a weight layer without "
    "weights, the course of that seed under that criterion ends earlier: its earlier machines stay, tables and figures "
    "show them and say which courses ended, and other seeds and criteria go on. A pruning that removes nothing, as "
    "with one unit left, is an iteration too."
)
"""What both experiments say of their number of iterations."""


class Section(BaseModel):
    """A section of the configuration: frozen, strict, and closed to unknown keys.

    Its check is built when it is first used: most processes need a few sections.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, defer_build=True)


def one_of(names: Iterable[str]) -> GetPydanticSchema:
    """What makes `Annotated[str, one_of(names)]` take these names and no other, as `Literal` does.

    `Literal` itself has to be written out, and would say again what a list of the package says.
    """
    schema = core_schema.literal_schema(list(names))
    return GetPydanticSchema(lambda source, handler: schema)


class Regrowth(Section):
    """Which share of the weights that a pruning removes grows again, and where."""

    fraction: Share
    by: Annotated[str, one_of(RULES)]


Kind = TypeVar("Kind", bound=Section)


def in_iteration(pruning: Kind, iteration: int) -> Kind:
    """Section `pruning` of either experiment as one iteration goes by it: with its own fraction, without a schedule."""
    schedule: Any = getattr(pruning, "schedule", None)
    fraction = schedule[iteration - 1] if schedule else getattr(pruning, "fraction", None)
    return pruning.model_copy(update={"fraction": fraction, "schedule": None})


def checked(model: type[Kind], values: object, name: str) -> Kind:
    """One section, made of values that are checked; InputError names key, value and what is expected.

    Parameters
    ----------
    model : type
        Of the section.
    values : dict
        Keys that it lacks have their defaults.
    name : str
        What messages call the section.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise InputError(problems(error, name)) from None


def problems(error: ValidationError, name: str) -> str:
    """What is wrong with the values of the section of that name, in one line."""
    places = [(".".join(map(str, (name, *p["loc"]))), reprlib.repr(p["input"]), p["msg"]) for p in error.errors()]
    return "; ".join(f"{place} = {value}: {message}" for place, value, message in places)


def _distinct(names: list[str]) -> list[str]:
    """The names of controls as they are; ValueError if one is listed twice."""
    if len(set(names)) != len(names):
        raise ValueError("a control is listed twice")
    return names


Controls = Annotated[list[Annotated[str, one_of(CONTROLS)]], AfterValidator(_distinct)]


def check_criteria(names: list[str]) -> list[str]:
    """The names of criteria as they are; ValueError if one is unknown, listed twice, or too long for a folder."""
    for name in names:
        if name not in CRITERIA and not OWN_CRITERION.match(name):
            raise ValueError(
                f"{name!r} is no criterion; expected one of {', '.join(CRITERIA)}, or file.py:function for your own"
            )
        if (n_bytes := len(os.fsencode(slug(name)))) > LONGEST_NAME:
            raise ValueError(
                f"its results would lie in a folder named after file and function, {reprlib.repr(slug(name))} of "
                f"{n_bytes} bytes; expected at most {LONGEST_NAME}"
            )
    if len(set(names)) != len(names):
        raise ValueError("a criterion is listed twice")
    return names
