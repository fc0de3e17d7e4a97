# Metrics of all machines -> tables -> figures. A figure is one line in src/boltzprune/report/figures/__init__.py.


rule collect:
    input:
        patterns=f"{PATCHES}/patterns.npz",
        metrics=all_metrics(),
        statistics=last_and_initial("_statistics.npz"),
    output:
        metrics=report(
            f"{RESULTS}/tables/metrics.csv",
            caption="../report/metrics.rst",
            category="Tables",
        ),
        pattern_probabilities=f"{RESULTS}/tables/pattern_probabilities.csv",
    log:
        f"{LOGS}/collect.log",
    benchmark:
        f"{BENCHMARKS}/collect.tsv"
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=minutes("collect"),
    params:
        job=jobs.job(STUDY, "collect"),
        files=listed,
    shell:
        "python -m boltzprune collect --in - --out metrics={output.metrics:q} "
        "--out pattern_probabilities={output.pattern_probabilities:q} --spec {params.job[spec]:q} --log {log:q} "
        "<<'FILES'\n{params.files}FILES"


rule table1:
    input:
        metrics=rules.collect.output.metrics,
    output:
        csv=report(
            f"{RESULTS}/tables/table1.csv",
            caption="../report/table1.rst",
            category="Tables",
        ),
        markdown=f"{RESULTS}/tables/table1.md",
        latex=f"{RESULTS}/tables/table1.tex",
    log:
        f"{LOGS}/table1.log",
    benchmark:
        f"{BENCHMARKS}/table1.tsv"
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=minutes("table1"),
    params:
        job=jobs.table_job(STUDY, "table1"),
        about=jobs.summary(STUDY, "patches"),
    shell:
        "python -m boltzprune table1 --in metrics={input.metrics:q} --out csv={output.csv:q} --out markdown={output.markdown:q} "
        "--out latex={output.latex:q} --spec {params.job[spec]:q} --log {log:q}"


rule collect_digits:
    input:
        digits=f"{DIGITS}/digits.npz",
        metrics=all_digits("metrics.csv"),
        classes=all_digits("classes.csv"),
        records=all_digit_chains("record.csv"),
        samples=all_digits("initial_samples.npz", "retrained_samples.npz", DIGIT_BLOCKS[:1]),
    output:
        metrics=report(
            f"{RESULTS}/tables/digits_metrics.csv",
            caption="../report/digits_metrics.rst",
            category="Tables",
        ),
        classes=f"{RESULTS}/tables/digits_classes.csv",
        pixels=f"{RESULTS}/tables/digits_pixels.csv",
        examples=f"{RESULTS}/tables/digits_examples.csv",
    log:
        f"{LOGS}/collect_digits.log",
    benchmark:
        f"{BENCHMARKS}/collect_digits.tsv"
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=minutes("collect_digits"),
    params:
        job=jobs.job(STUDY, "collect_digits"),
        files=listed,
    shell:
        "python -m boltzprune collect_digits --in - --out metrics={output.metrics:q} "
        "--out classes={output.classes:q} --out pixels={output.pixels:q} --out examples={output.examples:q} "
        "--spec {params.job[spec]:q} --log {log:q} <<'FILES'\n{params.files}FILES"


rule per_digit:
    input:
        classes=rules.collect_digits.output.classes,
    output:
        csv=report(
            f"{RESULTS}/tables/per_digit.csv",
            caption="../report/per_digit.rst",
            category="Tables",
        ),
        markdown=f"{RESULTS}/tables/per_digit.md",
        latex=f"{RESULTS}/tables/per_digit.tex",
    log:
        f"{LOGS}/per_digit.log",
    benchmark:
        f"{BENCHMARKS}/per_digit.tsv"
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=minutes("per_digit"),
    params:
        job=jobs.table_job(STUDY, "per_digit"),
        about=jobs.summary(STUDY, "digits"),
    shell:
        "python -m boltzprune per_digit --in classes={input.classes:q} --out csv={output.csv:q} "
        "--out markdown={output.markdown:q} --out latex={output.latex:q} --spec {params.job[spec]:q} --log {log:q}"


rule claims:
    input:
        **CLAIMED,
    output:
        csv=f"{RESULTS}/tables/claims.csv",
        markdown=report(
            f"{RESULTS}/tables/claims.md",
            caption="../report/claims.rst",
            category="Claims",
        ),
    log:
        f"{LOGS}/claims.log",
    benchmark:
        f"{BENCHMARKS}/claims.tsv"
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=minutes("claims"),
    params:
        job=jobs.claims_job(STUDY),
        files=listed,
        about=jobs.summaries(STUDY),
    shell:
        "python -m boltzprune claims --in - --out csv={output.csv:q} --out markdown={output.markdown:q} "
        "--spec {params.job[spec]:q} --log {log:q} <<'FILES'\n{params.files}FILES"


rule study:
    output:
        config=report(f"{RESULTS}/study.yaml", caption="../report/study.rst", category="Settings"),
    log:
        f"{LOGS}/study.log",
    benchmark:
        f"{BENCHMARKS}/study.tsv"
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=growing(500),
        runtime=minutes("study"),
    params:
        job=jobs.study_job(STUDY),
    shell:
        "python -m boltzprune study --out config={output.config:q} --spec {params.job[spec]:q} --log {log:q}"


for NAME, FIGURE in FIGURES.items():

    rule:
        name:
            f"draw_{NAME}"
        input:
            **figure_inputs(NAME),
        output:
            report(
                [f"{RESULTS}/figures/{NAME}.{extension}" for extension in STUDY.figures.formats],
                caption=f"../report/{NAME}.rst",
                category="Figures",
            ),
            [f"{RESULTS}/figures/{NAME}_{panel}" for panel in FIGURE.panels],
        log:
            f"{LOGS}/{NAME}.log",
        benchmark:
            f"{BENCHMARKS}/{NAME}.tsv"
        conda:
            "../../envs/cpu.yaml"
        resources:
            mem_mb=growing(1500),
            runtime=minutes("figure"),
        params:
            job=jobs.figure_job(STUDY, NAME),
            files=listed,
            folder=lambda wildcards, output: os.path.dirname(output[0]),
            about=jobs.summary(STUDY, FIGURE.experiment),
        shell:
            "python -m boltzprune figure --in - --out folder={params.folder:q} "
            "--spec {params.job[spec]:q} --log {log:q} <<'FILES'\n{params.files}FILES"


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
    MANY = {"patches": rules.collect.input, "digits": rules.collect_digits.input}
    try:
        paths.check_places(
            str(workflow.current_basedir),
            PLACE.parent,
            max(sum(len(path) + 1 for path in MANY[name]) for name in STUDY.experiments),
        )
        jobs.check_dates(PLACE)
    except InputError as error:
        raise WorkflowError(str(error)) from None
