# The study, checked, and where its results lie. What each job is given is in src/boltzprune/study/jobs.py.
import re
import shlex

from boltzprune.errors import InputError
from boltzprune.pruning.controls import ANEW, COURSES
from boltzprune.report.figures import FIGURES, targets
from boltzprune.study import computer, jobs, parts, paths, raw_data, running, settings
from boltzprune.study.cost import limits
from boltzprune.study.stages import CLAIMS_INPUTS, STAGES
from snakemake.exceptions import WorkflowError

try:
    if workflow.modifier.skip_configfile:  # a module, whose configuration is given to it
        STUDY = settings.study_of([], config, DEFAULTS, "the configuration of the module")
    else:
        files = [path for path in workflow.configfiles if str(path) != str(DEFAULTS)]
        STUDY = settings.study_of(files, workflow.config_settings.config, DEFAULTS)
    CRITERIA = jobs.criteria(STUDY)
    DIGIT_CRITERIA = jobs.criteria(STUDY, "digits")
    for name in (*CRITERIA.values(), *DIGIT_CRITERIA.values()):
        jobs.needs_eigenvector(name)
    PARTS = parts.check(STUDY)
except InputError as error:
    raise WorkflowError(str(error)) from None

RESULTS = f"results/{STUDY.study}"
OF_BLOCK, OF_CHAIN = "seeds{block}", "seeds{block}/{criterion}/iteration{iteration}"
PATCHES, DIGITS = f"{RESULTS}/patches", f"{RESULTS}/digits"
BLOCK, DIGIT_BLOCK = f"{PATCHES}/{OF_BLOCK}", f"{DIGITS}/{OF_BLOCK}"
CHAIN, DIGIT_CHAIN = f"{PATCHES}/{OF_CHAIN}", f"{DIGITS}/{OF_CHAIN}"
BLOCKS = jobs.blocks(STUDY, "patches")
DIGIT_BLOCKS = jobs.blocks(STUDY, "digits")
CHAINS = CRITERIA | {name: name for name in COURSES if name in STUDY.patches.controls}
DIGIT_CHAINS = DIGIT_CRITERIA | {name: name for name in COURSES if name in STUDY.digits.controls}
"""What has a chain, by its name in paths."""
CONTROL = "|".join(ANEW)
"""Phases of the machines that are trained anew."""
computer.export_environment(STUDY)
if any(str(method) == "conda" for method in workflow.deployment_settings.deployment_method):
    # Snakemake takes PYTHONPATH from jobs in a conda environment, which has the libraries but not this package
    shell.prefix(f"set -euo pipefail; export PYTHONPATH={shlex.quote(str(paths.package_alone()))}; ")
GPU = computer.gpus_per_job(STUDY)
AT_ONCE = 8
"""Seeds that a long job computes at a time: on as many threads; on a GPU side by side, and one thread waits for it."""
SEEDS, THREADS = "--seeds {wildcards.block}", "--threads {threads}"
LISTED = "<<'FILES'\n{params.files}FILES"
"""Options of a `command`. With the last, parameter `files` has all inputs, see `listed`."""
LIMITS = limits.Limits(STUDY)
ENVIRONMENT = f"../../envs/{computer.environment(STUDY)}.yaml"


if any(word.startswith("--report") for word in sys.argv):
    from boltzprune.report import landing

    config["landing"] = landing.pages(jobs.prospect(STUDY), Path(RESULTS, "tables"), jobs.all_labels(STUDY))


# before the first job of a run, in no dry run, report or --unlock; jobs of a cluster call Snakemake again for themselves
onstart:
    if workflow.is_main_process:
        try:
            marks = workflow.persistence
            running.enter(marks.all_inputfiles(), marks.all_outputfiles(), Path(marks.path) / "boltzprune")
        except InputError as error:
            raise WorkflowError(str(error)) from None
        start_jobs_at_once()


def start_jobs_at_once():
    """On this computer, where cores limit the jobs, set no limit on those that begin in a second.

    For Snakemake's default of 100, meant for clusters, its scheduler wakes up every second while jobs are ready, and once
    more for every job that has ended: after some hundred of them it takes a tenth of a processor.
    """
    limiter = getattr(workflow.scheduler, "job_rate_limiter", None)
    if workflow.local_exec and limiter and (limiter.max_jobs, limiter.timespan) == (100, 1):
        workflow.scheduler.job_rate_limiter = None


def cores(wildcards):
    """Cores of a long job: one for each seed that it computes at a time, or the one that waits for a GPU."""
    return 1 if GPU else min(AT_ONCE, len(jobs.seeds_of(wildcards.block)))


def cores_for_machines(wildcards):
    """The same where several threads can share a machine: two for a study of one seed, whose other jobs must wait."""
    return max(2, cores(wildcards)) if not GPU and len(DIGIT_BLOCKS) == 1 else cores(wildcards)


def raw_files(experiment, folder):
    """Input function: refuses, before any job runs, what all that an experiment makes cannot begin with.

    It names no file, since dates would then count: a replaced raw file can be older. Their content is a parameter.
    """

    def paths(wildcards):
        if experiment not in STUDY.experiments:
            raise WorkflowError(
                f"this needs experiment {experiment}, and `experiments` of study {STUDY.study} is {STUDY.experiments}"
            )
        # other processes are on nodes of a cluster, which may see less; with a storage of its own, this machine does
        if workflow.is_main_process and not workflow.storage_settings.default_storage_provider:
            try:
                raw_data.check(STUDY, experiment, folder)
            except InputError as error:
                raise WorkflowError(str(error)) from None
        return []

    return paths


def command(stage, *options, files="output", **counts):
    """The shell command of a job that runs this stage, whose files have the names that `boltzprune.study.stages` lists.

    command("train", SEEDS) is python -m boltzprune train --in patterns={input.patterns:q} --out machine={output.machine:q}
    --spec {params.job[spec]:q} --seeds {wildcards.block} --log {log:q}. Finished jobs with another command run again.

    Parameters
    ----------
    stage : str
    *options : str
        What else the job is told, of SEEDS, THREADS and LISTED, in this order.
    files : str
        Where the names of its outputs are: output, or params.
    **counts : int
        How many inputs there are of a name; not said: one.
    """
    row, words = STAGES[stage], [f"python -m boltzprune {stage}"]
    for name in () if LISTED in options else row.inputs:
        places = [f"{name}[{i}]" for i in range(counts[name])] if name in counts else [name]
        words += [f"--in {name}={{input.{place}:q}}" for place in places]
    words += ["--in -"] if LISTED in options else []
    words += [f"--out {name}={{{files}.{name}:q}}" for name in row.outputs]
    words += ["--spec {params.job[spec]:q}", *(option for option in options if option != LISTED), "--log {log:q}"]
    return " ".join([*words, LISTED] if LISTED in options else words)


def log_of(job):
    """Where a job, named by its place in the study, writes its log."""
    return f"{RESULTS}/logs/{job}.log"


def benchmark_of(job):
    """Where Snakemake writes how long the job took."""
    return f"{RESULTS}/benchmarks/{job}.tsv"


def needs(stage, mem_mb, at_once=1, **n_inputs):
    """The resources of a job that runs this stage: memory, a limit of time, and a GPU if the stage can use one.

    Each further attempt gets twice as much memory and time. Where the numbers are from: docs/clusters.md.

    Parameters
    ----------
    stage : str
    mem_mb : int
    at_once : int
        Seeds that a GPU computes side by side; without one, as many as the job has threads.
    **n_inputs : int
        See `limits.Limits.minutes`.
    """

    def memory(wildcards, attempt):
        return mem_mb * 2 ** (attempt - 1)

    def limit(wildcards, attempt, threads):
        block, n = wildcards.get("block", "0-0"), at_once if GPU else threads
        return LIMITS.minutes(stage, block, n, **n_inputs) * 2 ** (attempt - 1)

    gpu = {"gpu": GPU} if "device" in STAGES[stage].spec else {}
    return {"mem_mb": memory, "runtime": limit} | gpu


def previous(name, folder=PATCHES):
    """Input function: that file of the iteration before, or of the initial machines."""

    def path(wildcards):
        before = int(wildcards.iteration) - 1
        place = f"{wildcards.criterion}/iteration{before}" if before else "initial"
        phase = "retrained" if before else "initial"
        return f"{folder}/seeds{wildcards.block}/{place}/{phase}{name}"

    return path


def so_far(experiment, folder=PATCHES):
    """Further inputs of a pruning: the metrics before it, from which a study with `stop` tells what goes on."""

    def paths(wildcards):
        block = f"{folder}/seeds{wildcards.block}"
        before = [f"{wildcards.criterion}/iteration{k}" for k in range(1, int(wildcards.iteration))]
        return [f"{block}/{place}/metrics.csv" for place in ("initial", *before)]

    return {"metrics": paths} if jobs.stops(STUDY, experiment) else {}


def first_machines(experiment, folder):
    """Further input of a pruning of deep machines: where weights may grow again, the initial machines say where."""
    return {"initial": f"{folder}/{OF_BLOCK}/initial/initial.npz"} if jobs.regrows(STUDY, experiment) else {}


def before_pruning(experiment, folder):
    """Further input of a retraining: with homeostasis, the machines before the pruning."""
    return {"before": previous(".npz", folder)} if jobs.draws_back(STUDY, experiment) else {}


def retraining_command(stage, experiment):
    """The command of a retraining."""
    return command(stage, SEEDS, THREADS, **({} if jobs.draws_back(STUDY, experiment) else {"before": 0}))


def pruning_command(stage, experiment, *options):
    """The command of a pruning: where a study has `stop`, with a list of files, which can be long."""
    if jobs.stops(STUDY, experiment):
        return command(stage, *options, LISTED)
    return command(stage, *options, metrics=0, **({} if jobs.regrows(STUDY, experiment) else {"initial": 0}))


def of_parts(table):
    """That table of the digits of all parts of the study."""
    return [parts.table(part, table) for part in PARTS.get("digits", ())]


def statistics(last):
    """Statistics of the machines on patches: initial ones, or those of the last iteration, of all criteria."""
    if STUDY.parts:
        return parts.statistics(PARTS.get("patches", ()), last=last)
    if not last:
        return expand(f"{BLOCK}/initial/initial_statistics.npz", block=BLOCKS)
    return expand(
        f"{CHAIN}/retrained_statistics.npz",
        block=BLOCKS,
        criterion=CRITERIA,
        iteration=STUDY.patches.iterations,
    )


def all_metrics():
    """Metrics of all machines of the patches."""
    if STUDY.parts:
        return [parts.table(part, "metrics") for part in PARTS.get("patches", ())]
    iterations = range(1, STUDY.patches.iterations + 1)
    initial = expand(f"{BLOCK}/initial/metrics.csv", block=BLOCKS)
    chains = expand(f"{CHAIN}/metrics.csv", block=BLOCKS, criterion=CHAINS, iteration=iterations)
    return initial + chains + trained_anew(STUDY.patches, CHAIN, "metrics.csv", BLOCKS, CRITERIA)


def all_records():
    """Records of all prunings of the patches; the tables of parts have what is in them."""
    iterations = range(1, STUDY.patches.iterations + 1)
    found = expand(f"{CHAIN}/record.csv", block=BLOCKS, criterion=CRITERIA, iteration=iterations)
    return {} if STUDY.parts else {"records": found}


def trained_anew(section, chain, name, blocks, criteria):
    """That file of every control that trains an architecture anew: of all criteria, after the last iteration."""
    wanted = [control for control in ANEW if control in section.controls]
    places = {"block": blocks, "criterion": criteria, "iteration": section.iterations, "phase": wanted}
    return expand(f"{chain}/{{phase}}_{name}", **places)


def all_digit_chains(name, blocks=DIGIT_BLOCKS, criteria=DIGIT_CRITERIA):
    """That file of all criteria and iterations of the digits."""
    iterations = range(1, STUDY.digits.iterations + 1)
    return expand(f"{DIGIT_CHAIN}/{name}", block=blocks, criterion=criteria, iteration=iterations)


def survival_tables(prefix):
    """The tables of who survives, which are made of the machines."""
    return {name: f"{RESULTS}/tables/{prefix}{name}.csv" for name in STAGES["survivors"].outputs}


def all_pruned(section, chain, blocks, criteria):
    """The machines after every pruning, of all criteria."""
    iterations = range(1, section.iterations + 1)
    return expand(f"{chain}/pruned.npz", criterion=criteria, iteration=iterations, block=blocks)


def all_judged(name):
    """That file of all machines of the digits, those of controls included."""
    initial, anew = expand(f"{DIGIT_BLOCK}/initial/{name}", block=DIGIT_BLOCKS), (name, DIGIT_BLOCKS, DIGIT_CRITERIA)
    chains = all_digit_chains(name, criteria=DIGIT_CHAINS)
    return initial + chains + trained_anew(STUDY.digits, DIGIT_CHAIN, *anew)


def of_machines(wildcards):
    """Input function: refuses what is made of all machines in a study that has tables of other studies alone."""
    raise WorkflowError(
        f"this needs the machines of every pruning, and study {STUDY.study} is put together from the tables of "
        f"{', '.join(STUDY.parts)}; ask for it in those studies"
    )


def all_digits(name, last=None, blocks=DIGIT_BLOCKS):
    """That file of the initial machines and of all criteria and iterations of the digits."""
    initial = expand(f"{DIGIT_BLOCK}/initial/{name}", block=blocks)
    return initial + all_digit_chains(last or name, blocks)


AVAILABLE = {
    "patterns": [f"{PATCHES}/patterns.npz"],
    "statistics": statistics(last=False),
    "metrics": [f"{RESULTS}/tables/metrics.csv"],
    "pattern_probabilities": [f"{RESULTS}/tables/pattern_probabilities.csv"],
    "digits": [f"{DIGITS}/digits.npz"],
    **{
        name: [f"{RESULTS}/tables/{name}.csv"]
        for name in (
            "digits_metrics",
            "digits_classes",
            "digits_pixels",
            "digits_examples",
            "digits_references",
        )
    },
    **{
        name: of_machines if STUDY.parts else [f"{RESULTS}/tables/{name}.csv"]
        for name in (
            *STAGES["survivors"].outputs,
            *(f"digits_{name}" for name in STAGES["survivors_deep"].outputs),
        )
    },
}
"""Results that figures and claims read, by the name that they call them."""


CLAIMED = {name: AVAILABLE[name] for name, experiment in CLAIMS_INPUTS.items() if experiment in STUDY.experiments}
"""What the claims are judged by."""


def figure_inputs(name):
    """The files that a figure reads, by name."""
    return {key: AVAILABLE[key] for key in FIGURES[name].inputs}


def figures_of(experiment):
    """All figures that the study has of an experiment, in every format."""
    names = jobs.figures(STUDY, experiment)
    return expand(f"{RESULTS}/figures/{{name}}.{{extension}}", name=names, extension=STUDY.figures.formats)


def drawn(name):
    """The files of a figure: one of them for the report, vectors if there are any."""
    paths = [f"{RESULTS}/figures/{name}.{extension}" for extension in STUDY.figures.formats]
    shown = next(path for kind in (".svg", ".png", ".pdf") for path in paths if path.endswith(kind))
    title = FIGURES[name].caption.partition(".**")[0].removeprefix("**")
    of_report = {"caption": "../report/figure.rst", "category": "Figures", "labels": {"figure": title}}
    return [report(path, **of_report) if path == shown else path for path in paths]


def listed(wildcards, input):
    """All inputs of a job by name, as a shell quotes them, for `--in - <<'FILES'`: only a command line has a limit."""
    every = {name: [paths] if isinstance(paths, str) else paths for name, paths in input.items()}
    return "".join(f"{name} {shlex.join(paths)}\n" for name, paths in every.items())
