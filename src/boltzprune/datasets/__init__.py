"""Where the data come from: the lists of data sources, their readers, patches cut from images, binary digits.

A data source is one module of this folder that has `SOURCE`; the lists find it.
"""

import importlib
import pkgutil
from collections.abc import Mapping
from typing import Any

from boltzprune.datasets.raw import Labelled, Raw, Source
from boltzprune.errors import InputError

__all__ = ["BY_EXPERIMENT", "LABELLED_SOURCES", "SOURCES", "Labelled", "Raw", "Source"]


def _declared() -> dict[str, dict[str, Source[Any]]]:
    """What the modules of this folder declare as SOURCE: experiment -> name -> source."""
    found: dict[str, dict[str, Source[Any]]] = {"patches": {}, "digits": {}}
    for _, name, _ in pkgutil.iter_modules(__path__, f"{__name__}."):
        if (source := getattr(importlib.import_module(name), "SOURCE", None)) is not None:
            if source.experiment not in found or source.name in found[source.experiment]:
                raise InputError(
                    f"{name}: SOURCE has name {source.name!r} and experiment {source.experiment!r}; "
                    f"expected a name that no other source has, and one of {', '.join(found)}"
                )
            found[source.experiment][source.name] = source
    return found


BY_EXPERIMENT: Mapping[str, Mapping[str, Source[Any]]] = _declared()
"""Experiment -> its sources by name: the two lists below."""
SOURCES: Mapping[str, Source[Raw]] = BY_EXPERIMENT["patches"]
"""Every source of patches by name; the configuration, the stages and the documentation read this list."""
LABELLED_SOURCES: Mapping[str, Source[Labelled]] = BY_EXPERIMENT["digits"]
"""Every source of digits by name: images with labels."""
