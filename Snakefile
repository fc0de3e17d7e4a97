# boltzprune: which synapses can a Boltzmann machine lose? One command makes every figure and table from raw images:
#     boltzprune run                               the default study, on an embedded data set
#     boltzprune run fig2                          one target of: all, patches, fig1, fig2, table1,
#                                                 digits, fig3, fig4, s1, s2, per_digit, claims,
#                                                 controls_patches, controls_digits,
#                                                 survival_patches, survival_digits
#     boltzprune run patches config/paper.yaml     another study: its values replace those of config/config.yaml
# `boltzprune run` is a call of Snakemake; the same by hand, with any option of Snakemake:
#     snakemake --cores all patches --configfile config/paper.yaml
import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

min_version("9.5")

# the package beside this file, installed or not, even if the display of `boltzprune run` has brought in another one
SOURCE = str(Path(str(workflow.current_basedir)).resolve() / "src")
sys.path.insert(0, SOURCE)
if not str(getattr(sys.modules.get("boltzprune"), "__file__", SOURCE)).startswith(SOURCE):
    for name in [name for name in sys.modules if name.partition(".")[0] == "boltzprune"]:
        del sys.modules[name]
try:
    from boltzprune.study import jobs
    from boltzprune.study import settings
except ModuleNotFoundError as error:
    HERE = workflow.current_basedir  # of a workflow that Snakemake itself fetched there is no package beside it
    FROM = f"git+https://{HERE.host}/{HERE.repo}@{HERE.ref}" if hasattr(HERE, "repo") else f"-e '{HERE}'"
    raise WorkflowError(
        f"{error}: install this workflow's package, and what it needs, into the Python that runs Snakemake, with\n"
        f"    {sys.executable} -m pip install {FROM}\n"
        "or clone the repository, and call snakemake or make demo in it."
    ) from None

DEFAULTS = workflow.source_path("config/config.yaml")


configfile: DEFAULTS


include: "workflow/rules/common.smk"


wildcard_constraints:
    block=r"\d+-\d+",
    criterion="|".join(map(re.escape, CRITERIA | DIGIT_CRITERIA)),
    iteration=r"[1-9]\d*",
    phase=f"pruned|retrained|{CONTROL}",


resource_scopes:
    gpu="local",


report: "workflow/report/workflow.rst"


include: "workflow/rules/data.smk"


if not STUDY.parts:

    include: "workflow/rules/patches.smk"
    include: "workflow/rules/digits.smk"


include: "workflow/rules/results.smk"


rule all:
    input:
        [getattr(rules, experiment).input for experiment in STUDY.experiments],
        rules.claims.output,
