"""The reference of the configuration: every key on a page, with its meaning, range, presets and default."""

from boltzprune.study.config import Section
from boltzprune.study.config.commented import presets_of, takes, yaml_of


def as_markdown(model: type[Section]) -> str:
    """Every key of a study as Markdown, a heading for each section.

    Parameters
    ----------
    model : type
        `Study`.

    Returns
    -------
    str
    """
    head = (
        "# Every setting\n\nThe keys of a configuration with their meaning, their defaults and what the presets set. "
        "The same stands in [`config/config.yaml`](../config/config.yaml) as a file to begin with; how to use it is on "
        "[another page](configuration.md).\n"
    )
    return "\n".join([head, *_sections(model(), model, "")]) + "\n"


def _sections(values: Section, model: type[Section], prefix: str) -> list[str]:
    """A section as a table, then those inside it.

    Parameters
    ----------
    values : Section
        The defaults.
    model : type
        Of the section.
    prefix : str
        Dotted place of the section, with a dot at its end unless it is the whole study.
    """
    ranges, rows, inner = model.model_json_schema()["properties"], list[str](), list[str]()
    for key, field in model.model_fields.items():
        place, kind = f"{prefix}{key}", field.annotation
        if isinstance(kind, type) and issubclass(kind, Section):
            inner += _sections(getattr(values, key), kind, f"{place}.")
            continue
        value = getattr(values, key) if field.default is not None else None
        about = " ".join(filter(None, [field.description, presets_of(place)])).replace("|", "\\|")
        rows.append(f"| `{key}` | {about} | {takes(ranges[key]).replace('|', chr(92) + '|')} | `{yaml_of(value)}` |")
    name, about = prefix.removesuffix("."), " ".join((model.__doc__ or "").split())
    text = [f"## `{name}`\n\n{about}\n" if name else ""]
    if rows:
        text += ["| key | meaning | takes | default |\n|---|---|---|---|", *rows, ""]
    return [*text, *inner]
