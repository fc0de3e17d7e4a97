# Deep machines on digits: pretrain, train jointly, then for each criterion and iteration prune, retrain, sample, evaluate.
# Iteration k takes iteration k - 1: the loop is the graph.
JUDGED = ["pruned", "retrained"] if STUDY.digits.evaluation.after_pruning else ["retrained"]


rule reference:
    input:
        digits=f"{DIGITS}/digits.npz",
    output:
        references=f"{RESULTS}/tables/digits_references.csv",
        classifier=f"{DIGITS}/classifier.npz",
    log:
        f"{LOGS}/reference.log",
    benchmark:
        f"{BENCHMARKS}/reference.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=growing(2000),
        runtime=minutes("reference"),
        gpu=GPU,
    params:
        job=jobs.job(STUDY, "reference"),
    shell:
        "python -m boltzprune reference --in digits={input.digits:q} --out references={output.references:q} "
        "--out classifier={output.classifier:q} --spec {params.job[spec]:q} --log {log:q}"


rule pretrain:
    input:
        digits=f"{DIGITS}/digits.npz",
    output:
        machine=f"{DIGIT_BLOCK}/initial/pretrained.npz",
    log:
        f"{DIGIT_LOGS}/pretrain.log",
    benchmark:
        f"{DIGIT_BENCHMARKS}/pretrain.tsv"
    conda:
        ENVIRONMENT
    threads: 8
    resources:
        mem_mb=growing(1500),
        runtime=minutes("pretrain"),
        gpu=GPU,
    params:
        job=jobs.job(STUDY, "pretrain"),
    shell:
        "python -m boltzprune pretrain --in digits={input.digits:q} --out machine={output.machine:q} "
        "--spec {params.job[spec]:q} --seeds {wildcards.block} --threads {threads} --log {log:q}"


rule train_jointly:
    input:
        machine=rules.pretrain.output.machine,
        digits=f"{DIGITS}/digits.npz",
    output:
        machine=f"{DIGIT_BLOCK}/initial/initial.npz",
    log:
        f"{DIGIT_LOGS}/train_jointly.log",
    benchmark:
        f"{DIGIT_BENCHMARKS}/train_jointly.tsv"
    conda:
        ENVIRONMENT
    threads: 8
    resources:
        mem_mb=growing(1500),
        runtime=minutes("train_jointly"),
        gpu=GPU,
    params:
        job=jobs.job(STUDY, "train_jointly"),
    shell:
        "python -m boltzprune train_jointly --in machine={input.machine:q} --in digits={input.digits:q} "
        "--out machine={output.machine:q} "
        "--spec {params.job[spec]:q} --seeds {wildcards.block} --threads {threads} --log {log:q}"


rule sample_initial_deep:
    input:
        machine=rules.train_jointly.output.machine,
        digits=f"{DIGITS}/digits.npz",
    output:
        statistics=f"{DIGIT_BLOCK}/initial/initial_statistics.npz",
        samples=f"{DIGIT_BLOCK}/initial/initial_samples.npz",
    log:
        f"{DIGIT_LOGS}/sample_initial.log",
    benchmark:
        f"{DIGIT_BENCHMARKS}/sample_initial.tsv"
    conda:
        ENVIRONMENT
    threads: 8
    resources:
        mem_mb=growing(1500),
        runtime=minutes("sample_deep"),
        gpu=GPU,
    params:
        job=jobs.job(STUDY, "sample_deep", criterion=jobs.NO_CRITERION, iteration=0, phase="initial"),
    shell:
        "python -m boltzprune sample_deep --in machine={input.machine:q} --in digits={input.digits:q} "
        "--out statistics={output.statistics:q} --out samples={output.samples:q} "
        "--spec {params.job[spec]:q} --seeds {wildcards.block} --threads {threads} --log {log:q}"


rule evaluate_initial_deep:
    input:
        digits=f"{DIGITS}/digits.npz",
        classifier=rules.reference.output.classifier,
        machine=rules.train_jointly.output.machine,
        statistics=rules.sample_initial_deep.output.statistics,
        samples=rules.sample_initial_deep.output.samples,
    output:
        metrics=f"{DIGIT_BLOCK}/initial/metrics.csv",
        classes=f"{DIGIT_BLOCK}/initial/classes.csv",
    log:
        f"{DIGIT_LOGS}/evaluate_initial.log",
    benchmark:
        f"{DIGIT_BENCHMARKS}/evaluate_initial.tsv"
    conda:
        ENVIRONMENT
    threads: 8
    resources:
        mem_mb=growing(2000),
        runtime=minutes("evaluate_digits"),
        gpu=GPU,
    params:
        job=jobs.job(STUDY, "evaluate_digits"),
    shell:
        "python -m boltzprune evaluate_digits --in digits={input.digits:q} --in classifier={input.classifier:q} "
        "--in machine={input.machine:q} --in statistics={input.statistics:q} --in samples={input.samples:q} "
        "--out metrics={output.metrics:q} --out classes={output.classes:q} "
        "--spec {params.job[spec]:q} --seeds {wildcards.block} --threads {threads} --log {log:q}"


rule prune_deep:
    input:
        machine=previous(".npz", DIGITS),
        statistics=previous("_statistics.npz", DIGITS),
    output:
        machine=f"{DIGIT_CHAIN}/pruned.npz",
        record=f"{DIGIT_CHAIN}/record.csv",
    log:
        f"{DIGIT_LOGS}/{{criterion}}/iteration{{iteration}}/prune.log",
    benchmark:
        f"{DIGIT_BENCHMARKS}/{{criterion}}/iteration{{iteration}}/prune.tsv"
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=growing(1500),
        runtime=minutes("prune_deep"),
    params:
        job=lambda wildcards: jobs.prune_job(
            STUDY, DIGIT_CRITERIA[wildcards.criterion], int(wildcards.iteration), "prune_deep"
        ),
    shell:
        "python -m boltzprune prune_deep --in machine={input.machine:q} --in statistics={input.statistics:q} "
        "--out machine={output.machine:q} --out record={output.record:q} "
        "--spec {params.job[spec]:q} --seeds {wildcards.block} --threads {threads} --log {log:q}"


rule retrain_jointly:
    input:
        machine=rules.prune_deep.output.machine,
        digits=f"{DIGITS}/digits.npz",
    output:
        machine=f"{DIGIT_CHAIN}/retrained.npz",
    log:
        f"{DIGIT_LOGS}/{{criterion}}/iteration{{iteration}}/retrain.log",
    benchmark:
        f"{DIGIT_BENCHMARKS}/{{criterion}}/iteration{{iteration}}/retrain.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=growing(1500),
        runtime=minutes("retrain_jointly"),
        gpu=GPU,
    params:
        job=lambda wildcards: jobs.job(STUDY, "retrain_jointly", iteration=int(wildcards.iteration)),
    shell:
        "python -m boltzprune retrain_jointly --in machine={input.machine:q} --in digits={input.digits:q} "
        "--out machine={output.machine:q} "
        "--spec {params.job[spec]:q} --seeds {wildcards.block} --threads {threads} --log {log:q}"


rule sample_deep:
    input:
        machine=f"{DIGIT_CHAIN}/{{phase}}.npz",
        digits=f"{DIGITS}/digits.npz",
    output:
        statistics=f"{DIGIT_CHAIN}/{{phase}}_statistics.npz",
        samples=f"{DIGIT_CHAIN}/{{phase}}_samples.npz",
    log:
        f"{DIGIT_LOGS}/{{criterion}}/iteration{{iteration}}/sample_{{phase}}.log",
    benchmark:
        f"{DIGIT_BENCHMARKS}/{{criterion}}/iteration{{iteration}}/sample_{{phase}}.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=growing(1500),
        runtime=minutes("sample_deep"),
        gpu=GPU,
    params:
        job=lambda wildcards: jobs.job(
            STUDY,
            "sample_deep",
            criterion=DIGIT_CRITERIA[wildcards.criterion],
            iteration=int(wildcards.iteration),
            phase=wildcards.phase,
        ),
    shell:
        "python -m boltzprune sample_deep --in machine={input.machine:q} --in digits={input.digits:q} "
        "--out statistics={output.statistics:q} --out samples={output.samples:q} "
        "--spec {params.job[spec]:q} --seeds {wildcards.block} --threads {threads} --log {log:q}"


rule evaluate_digits:
    input:
        digits=f"{DIGITS}/digits.npz",
        classifier=rules.reference.output.classifier,
        machine=[f"{DIGIT_CHAIN}/{phase}.npz" for phase in JUDGED],
        statistics=[f"{DIGIT_CHAIN}/{phase}_statistics.npz" for phase in JUDGED],
        samples=[f"{DIGIT_CHAIN}/{phase}_samples.npz" for phase in JUDGED],
    output:
        metrics=f"{DIGIT_CHAIN}/metrics.csv",
        classes=f"{DIGIT_CHAIN}/classes.csv",
    log:
        f"{DIGIT_LOGS}/{{criterion}}/iteration{{iteration}}/evaluate.log",
    benchmark:
        f"{DIGIT_BENCHMARKS}/{{criterion}}/iteration{{iteration}}/evaluate.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=growing(2000),
        runtime=minutes("evaluate_digits"),
        gpu=GPU,
    params:
        job=jobs.job(STUDY, "evaluate_digits"),
        files=listed,
    shell:
        "python -m boltzprune evaluate_digits --in - --out metrics={output.metrics:q} --out classes={output.classes:q} "
        "--spec {params.job[spec]:q} --seeds {wildcards.block} --threads {threads} --log {log:q} "
        "<<'FILES'\n{params.files}FILES"
