# Metrics of all machines -> tables -> figures. A figure is one line in src/boltzprune/figures/__init__.py.


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
        mem_mb=1000,
    params:
        job=jobs.job(STUDY, "collect"),
        files=lambda wildcards, input: named("--in", {key: input[key] for key in ("metrics", "statistics")}),
    shell:
        "python -m boltzprune collect --in patterns={input.patterns:q} {params.files} --out metrics={output.metrics:q} "
        "--out pattern_probabilities={output.pattern_probabilities:q} --spec {params.job[spec]:q} --log {log:q}"


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
        mem_mb=1000,
    params:
        job=jobs.table_job(STUDY),
        about=jobs.summary(STUDY),
    shell:
        "python -m boltzprune table1 --in metrics={input.metrics:q} --out csv={output.csv:q} --out markdown={output.markdown:q} "
        "--out latex={output.latex:q} --spec {params.job[spec]:q} --log {log:q}"


rule study:
    output:
        config=report(f"{RESULTS}/study.yaml", caption="../report/study.rst", category="Settings"),
    log:
        f"{LOGS}/study.log",
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=500,
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
            mem_mb=1500,
        params:
            job=jobs.figure_job(STUDY, NAME),
            files=named("--in", figure_inputs(NAME)),
            folder=lambda wildcards, output: os.path.dirname(output[0]),
            about=jobs.summary(STUDY),
        shell:
            "python -m boltzprune figure {params.files} --out folder={params.folder:q} --spec {params.job[spec]:q} --log {log:q}"

    rule:
        name:
            NAME
        input:
            getattr(rules, f"draw_{NAME}").output,


rule patches:
    input:
        [
            f"{RESULTS}/figures/{name}.{extension}"
            for name in FIGURES
            if FIGURES[name].experiment == "patches"
            for extension in STUDY.figures.formats
        ],
        rules.table1.output,
        rules.study.output,
