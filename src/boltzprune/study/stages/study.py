"""The configuration that made the results beside it."""

from typing import TYPE_CHECKING

import yaml

from boltzprune.results.provenance import versions
from boltzprune.results.store import write_bytes

if TYPE_CHECKING:
    from boltzprune.study.stages import Job


def run(job: "Job") -> None:
    """Write preset, all values and versions of the libraries as YAML: a configuration that repeats the study."""
    head = "# Every value that made the results in this folder; use it as --configfile to repeat them.\n"
    made_with = "".join(f"# {name} {version}\n" for name, version in versions().items())
    values = yaml.safe_dump(job.raw_spec["config"], sort_keys=False)
    write_bytes(job.outputs["config"], (head + made_with + values).encode())
