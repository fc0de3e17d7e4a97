"""The presets side by side, in Markdown: what docs/configuration.md shows and `boltzprune presets` prints."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from boltzprune.study.config import PRESETS

CIFAR10 = re.compile(r"^data_batch_")


def as_markdown() -> str:
    """A table of the keys in which presets differ, and below it the keys that have one value in all of them."""
    values = {name: dict(flat(preset)) for name, preset in PRESETS.items()}
    keys = list(next(iter(values.values())))
    shown = {key: [short(values[name][key]) for name in PRESETS] for key in keys}
    lines = [["key", *(f"`{name}`" for name in PRESETS)], ["---"] * (1 + len(PRESETS))]
    lines += [[f"`{key}`", *texts] for key, texts in shown.items() if len(set(texts)) > 1]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    same = ", ".join(f"`{key}` {texts[0]}" for key, texts in shown.items() if len(set(texts)) == 1)
    return f"{table}\n\nThe same in all presets: {same}.\n"


def flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested mappings as dotted keys."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def short(value: object) -> str:
    """A value as YAML has it, short: numbers to four digits, the files of CIFAR-10 without what they share."""
    if isinstance(value, list):
        return f"[{', '.join(map(short, value))}]"
    if isinstance(value, str):
        return CIFAR10.sub("", value)
    return f"{value:.4g}" if isinstance(value, float) else yaml.safe_dump(value).removesuffix("...\n").strip()
