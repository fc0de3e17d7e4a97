# Metrics of all machines -> tables -> figures. A figure is one module in src/boltzprune/report/figures/.


rule collect:
    input:
        **all_records(),
        patterns=f"{PATCHES}/patterns.npz",
        metrics=all_metrics(),
        statistics=statistics(last=False) + statistics(last=True),
    output:
        metrics=report(
            f"{RESULTS}/tables/metrics.csv",
            caption="../report/metrics.rst",
            category="Tables",
            labels={"table": "All metrics of the patches"},
        ),
        pattern_probabilities=f"{RESULTS}/tables/pattern_probabilities.csv",
    log:
        log_of("collect"),
    benchmark:
        benchmark_of("collect")
    conda:
        "../../envs/cpu.yaml"
    resources:
        **needs("collect", mem_mb=1000),
    params:
        job=jobs.job(STUDY, "collect"),
        files=listed,
    shell:
        command("collect", LISTED)


rule table1:
    input:
        metrics=rules.collect.output.metrics,
    output:
        csv=report(
            f"{RESULTS}/tables/table1.csv",
            caption="../report/table1.rst",
            category="Tables",
            labels={"table": "Table 1"},
        ),
        markdown=f"{RESULTS}/tables/table1.md",
        latex=f"{RESULTS}/tables/table1.tex",
    log:
        log_of("table1"),
    benchmark:
        benchmark_of("table1")
    conda:
        "../../envs/cpu.yaml"
    resources:
        **needs("table1", mem_mb=1000),
    params:
        job=jobs.table_job(STUDY, "table1"),
        about=jobs.summary(STUDY, "patches"),
    shell:
        command("table1")


DIGIT_TABLES = {name: f"{RESULTS}/tables/digits_{name}.csv" for name in STAGES["collect_digits"].outputs}
DIGIT_TABLES["metrics"] = report(
    DIGIT_TABLES["metrics"],
    caption="../report/digits_metrics.rst",
    category="Tables",
    labels={"table": "All metrics of the digits"},
)

if STUDY.parts:

    rule merge_digits:
        input:
            **{name: of_parts(f"digits_{name}") for name in STAGES["merge_digits"].inputs},
        output:
            **DIGIT_TABLES,
            references=f"{RESULTS}/tables/digits_references.csv",
        log:
            log_of("merge_digits"),
        benchmark:
            benchmark_of("merge_digits")
        conda:
            "../../envs/cpu.yaml"
        resources:
            **needs("merge_digits", mem_mb=1000),
        params:
            job=jobs.job(STUDY, "merge_digits"),
            files=listed,
        shell:
            command("merge_digits", LISTED)

else:

    rule collect_digits:
        input:
            digits=f"{DIGITS}/digits.npz",
            metrics=all_judged("metrics.csv"),
            classes=all_judged("classes.csv"),
            records=all_digit_chains("record.csv"),
            samples=all_digits("initial_samples.npz", "retrained_samples.npz", DIGIT_BLOCKS[:1]),
        output:
            **DIGIT_TABLES,
        log:
            log_of("collect_digits"),
        benchmark:
            benchmark_of("collect_digits")
        conda:
            "../../envs/cpu.yaml"
        resources:
            **needs("collect_digits", mem_mb=1000),
        params:
            job=jobs.job(STUDY, "collect_digits"),
            files=listed,
        shell:
            command("collect_digits", LISTED)


if not STUDY.parts:

    rule survivors:
        input:
            initial=expand(rules.train.output.machine, block=BLOCKS),
            machine=all_pruned(STUDY.patches, CHAIN, BLOCKS, CRITERIA),
        output:
            **survival_tables(""),
        log:
            log_of("survivors"),
        benchmark:
            benchmark_of("survivors")
        conda:
            "../../envs/cpu.yaml"
        resources:
            **needs("survivors", mem_mb=1000),
        params:
            job=jobs.job(STUDY, "survivors"),
            files=listed,
        shell:
            command("survivors", LISTED)

    rule survivors_deep:
        input:
            initial=expand(rules.train_jointly.output.machine, block=DIGIT_BLOCKS),
            machine=all_pruned(STUDY.digits, DIGIT_CHAIN, DIGIT_BLOCKS, DIGIT_CRITERIA),
        output:
            **survival_tables("digits_"),
        log:
            log_of("survivors_deep"),
        benchmark:
            benchmark_of("survivors_deep")
        conda:
            "../../envs/cpu.yaml"
        resources:
            **needs("survivors_deep", mem_mb=1500),
        params:
            job=jobs.job(STUDY, "survivors_deep"),
            files=listed,
        shell:
            command("survivors_deep", LISTED)


rule per_digit:
    input:
        classes=AVAILABLE["digits_classes"],
    output:
        csv=report(
            f"{RESULTS}/tables/per_digit.csv",
            caption="../report/per_digit.rst",
            category="Tables",
            labels={"table": "Quality and share of each digit"},
        ),
        markdown=f"{RESULTS}/tables/per_digit.md",
        latex=f"{RESULTS}/tables/per_digit.tex",
    log:
        log_of("per_digit"),
    benchmark:
        benchmark_of("per_digit")
    conda:
        "../../envs/cpu.yaml"
    resources:
        **needs("per_digit", mem_mb=1000),
    params:
        job=jobs.table_job(STUDY, "per_digit"),
        about=jobs.summary(STUDY, "digits"),
    shell:
        command("per_digit")


rule claims:
    input:
        **CLAIMED,
    output:
        csv=f"{RESULTS}/tables/claims.csv",
        published=f"{RESULTS}/tables/published.csv",
        markdown=report(
            f"{RESULTS}/tables/claims.md",
            caption="../report/claims.rst",
            category="Claims",
            labels={"claims": "Statements, rules and all numbers"},
        ),
    log:
        log_of("claims"),
    benchmark:
        benchmark_of("claims")
    conda:
        "../../envs/cpu.yaml"
    resources:
        **needs("claims", mem_mb=1000),
    params:
        job=jobs.claims_job(STUDY),
        files=listed,
        about=jobs.summaries(STUDY),
    shell:
        command("claims", LISTED)


rule study:
    output:
        config=report(
            f"{RESULTS}/study.yaml",
            caption="../report/study.rst",
            category="Settings",
            labels={"settings": "Every value of the study"},
        ),
    log:
        log_of("study"),
    benchmark:
        benchmark_of("study")
    conda:
        "../../envs/cpu.yaml"
    resources:
        **needs("study", mem_mb=500),
    params:
        job=jobs.study_job(STUDY),
    shell:
        command("study")


for NAME, FIGURE in FIGURES.items():

    rule:
        name:
            f"draw_{NAME}"
        input:
            **figure_inputs(NAME),
        output:
            drawn(NAME),
            [f"{RESULTS}/figures/{NAME}_{panel}" for panel in FIGURE.panels],
        log:
            log_of(NAME),
        benchmark:
            benchmark_of(NAME)
        conda:
            "../../envs/cpu.yaml"
        resources:
            **needs("figure", mem_mb=1500),
        params:
            job=jobs.figure_job(STUDY, NAME),
            files=listed,
            folder=lambda wildcards, output: os.path.dirname(output[0]),
            caption=FIGURE.caption,
            about=jobs.summary(STUDY, FIGURE.experiment),
        shell:
            command("figure", LISTED, files="params")


for TARGET, NAMES in targets().items():

    rule:
        name:
            TARGET
        input:
            [getattr(rules, f"draw_{name}").output for name in NAMES],


rule patches:
    input:
        figures_of("patches"),
        rules.table1.output,
        rules.study.output,


rule digits:
    input:
        figures_of("digits"),
        rules.per_digit.output,
        rules.study.output,


if workflow.is_main_process:
    # where the results lie is known by the rules alone: a module's prefix stands in their paths
    PLACE = Path(rules.study.output.config).parent
    of_digits = rules.merge_digits if STUDY.parts else rules.collect_digits
    MANY = {"patches": rules.collect.input, "digits": of_digits.input}
    try:
        paths.check_places(
            str(workflow.current_basedir),
            PLACE.parent,
            max(sum(len(path) + 1 for path in MANY[name]) for name in STUDY.experiments),
        )
        computer.check_dates(PLACE)
    except InputError as error:
        raise WorkflowError(str(error)) from None
