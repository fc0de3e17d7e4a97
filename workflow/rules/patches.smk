# The chain of one block of seeds: train, then for each criterion and iteration prune, retrain, sample, evaluate.
# Iteration k takes iteration k - 1: the loop is the graph. The controls have chains of their own, without pruning.


rule train:
    input:
        patterns=f"{PATCHES}/patterns.npz",
    output:
        machine=f"{BLOCK}/initial/initial.npz",
    log:
        f"{LOGS}/seeds{{block}}/train.log",
    benchmark:
        f"{BENCHMARKS}/seeds{{block}}/train.tsv"
    conda:
        ENVIRONMENT
    threads: 8
    resources:
        mem_mb=growing(1000),
        runtime=minutes("train"),
        gpu=GPU,
    params:
        job=jobs.job(STUDY, "train"),
    shell:
        "python -m boltzprune train --in patterns={input.patterns:q} --out machine={output.machine:q} "
        "--spec {params.job[spec]:q} --seeds {wildcards.block} --threads {threads} --log {log:q}"


rule sample_initial:
    input:
        machine=rules.train.output.machine,
        patterns=f"{PATCHES}/patterns.npz",
    output:
        statistics=f"{BLOCK}/initial/initial_statistics.npz",
    log:
        f"{LOGS}/seeds{{block}}/sample_initial.log",
    benchmark:
        f"{BENCHMARKS}/seeds{{block}}/sample_initial.tsv"
    conda:
        ENVIRONMENT
    threads: 8
    resources:
        mem_mb=growing(1500),
        runtime=minutes("sample"),
        gpu=GPU,
    params:
        job=jobs.sample_job(STUDY, jobs.NO_CRITERION, 0, "initial"),
    shell:
        "python -m boltzprune sample --in machine={input.machine:q} --in patterns={input.patterns:q} "
        "--out statistics={output.statistics:q} --spec {params.job[spec]:q} --seeds {wildcards.block} "
        "--threads {threads} --log {log:q}"


rule evaluate_initial:
    input:
        patterns=f"{PATCHES}/patterns.npz",
        machine=rules.train.output.machine,
        statistics=rules.sample_initial.output.statistics,
    output:
        metrics=f"{BLOCK}/initial/metrics.csv",
    log:
        f"{LOGS}/seeds{{block}}/evaluate_initial.log",
    benchmark:
        f"{BENCHMARKS}/seeds{{block}}/evaluate_initial.tsv"
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=minutes("evaluate", machine=1),
    params:
        job=jobs.job(STUDY, "evaluate"),
    shell:
        "python -m boltzprune evaluate --in patterns={input.patterns:q} --in machine={input.machine:q} "
        "--in statistics={input.statistics:q} --out metrics={output.metrics:q} --spec {params.job[spec]:q} "
        "--seeds {wildcards.block} --log {log:q}"


rule prune:
    input:
        machine=previous(".npz"),
        statistics=previous("_statistics.npz"),
    output:
        machine=f"{CHAIN}/pruned.npz",
        record=f"{CHAIN}/record.csv",
    log:
        f"{LOGS}/seeds{{block}}/{{criterion}}/iteration{{iteration}}/prune.log",
    benchmark:
        f"{BENCHMARKS}/seeds{{block}}/{{criterion}}/iteration{{iteration}}/prune.tsv"
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=minutes("prune"),
    params:
        job=lambda wildcards: jobs.prune_job(STUDY, CRITERIA[wildcards.criterion], int(wildcards.iteration)),
    shell:
        "python -m boltzprune prune --in machine={input.machine:q} --in statistics={input.statistics:q} "
        "--out machine={output.machine:q} --out record={output.record:q} --spec {params.job[spec]:q} "
        "--seeds {wildcards.block} --log {log:q}"


rule retrain:
    input:
        machine=rules.prune.output.machine,
        patterns=f"{PATCHES}/patterns.npz",
    output:
        machine=f"{CHAIN}/retrained.npz",
    log:
        f"{LOGS}/seeds{{block}}/{{criterion}}/iteration{{iteration}}/retrain.log",
    benchmark:
        f"{BENCHMARKS}/seeds{{block}}/{{criterion}}/iteration{{iteration}}/retrain.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=growing(1000),
        runtime=minutes("retrain"),
        gpu=GPU,
    params:
        job=lambda wildcards: jobs.job(STUDY, "retrain", iteration=int(wildcards.iteration)),
    shell:
        "python -m boltzprune retrain --in machine={input.machine:q} --in patterns={input.patterns:q} "
        "--out machine={output.machine:q} --spec {params.job[spec]:q} --seeds {wildcards.block} "
        "--threads {threads} --log {log:q}"


rule sample:
    input:
        machine=f"{CHAIN}/{{phase}}.npz",
        patterns=f"{PATCHES}/patterns.npz",
    output:
        statistics=f"{CHAIN}/{{phase}}_statistics.npz",
    log:
        f"{LOGS}/seeds{{block}}/{{criterion}}/iteration{{iteration}}/sample_{{phase}}.log",
    benchmark:
        f"{BENCHMARKS}/seeds{{block}}/{{criterion}}/iteration{{iteration}}/sample_{{phase}}.tsv"
    wildcard_constraints:
        criterion="|".join(map(re.escape, CHAINS)),
    conda:
        ENVIRONMENT
    resources:
        mem_mb=growing(1000),
        runtime=minutes("sample"),
        gpu=GPU,
    params:
        job=lambda wildcards: jobs.sample_job(
            STUDY,
            CHAINS[wildcards.criterion],
            int(wildcards.iteration),
            wildcards.phase,
        ),
    shell:
        "python -m boltzprune sample --in machine={input.machine:q} --in patterns={input.patterns:q} "
        "--out statistics={output.statistics:q} --spec {params.job[spec]:q} --seeds {wildcards.block} "
        "--threads {threads} --log {log:q}"


rule evaluate:
    input:
        patterns=f"{PATCHES}/patterns.npz",
        machine=[f"{CHAIN}/pruned.npz", f"{CHAIN}/retrained.npz"],
        statistics=[
            f"{CHAIN}/pruned_statistics.npz",
            f"{CHAIN}/retrained_statistics.npz",
        ],
    output:
        metrics=f"{CHAIN}/metrics.csv",
    log:
        f"{LOGS}/seeds{{block}}/{{criterion}}/iteration{{iteration}}/evaluate.log",
    benchmark:
        f"{BENCHMARKS}/seeds{{block}}/{{criterion}}/iteration{{iteration}}/evaluate.tsv"
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=minutes("evaluate", machine=2),
    params:
        job=jobs.job(STUDY, "evaluate"),
    shell:
        "python -m boltzprune evaluate --in patterns={input.patterns:q} "
        "--in machine={input.machine[0]:q} --in machine={input.machine[1]:q} "
        "--in statistics={input.statistics[0]:q} --in statistics={input.statistics[1]:q} "
        "--out metrics={output.metrics:q} --spec {params.job[spec]:q} --seeds {wildcards.block} --log {log:q}"


use rule retrain as retrain_unpruned with:
    input:
        machine=previous(".npz"),
        patterns=f"{PATCHES}/patterns.npz",
    output:
        machine=f"{CHAIN}/retrained.npz",
    log:
        f"{LOGS}/seeds{{block}}/{{criterion}}/iteration{{iteration}}/retrain_unpruned.log",
    benchmark:
        f"{BENCHMARKS}/seeds{{block}}/{{criterion}}/iteration{{iteration}}/retrain_unpruned.tsv"
    wildcard_constraints:
        criterion="unpruned",


use rule evaluate_initial as evaluate_unpruned with:
    input:
        patterns=f"{PATCHES}/patterns.npz",
        machine=rules.retrain_unpruned.output.machine,
        statistics=f"{CHAIN}/retrained_statistics.npz",
    output:
        metrics=f"{CHAIN}/metrics.csv",
    log:
        f"{LOGS}/seeds{{block}}/{{criterion}}/iteration{{iteration}}/evaluate_unpruned.log",
    benchmark:
        f"{BENCHMARKS}/seeds{{block}}/{{criterion}}/iteration{{iteration}}/evaluate_unpruned.tsv"
    wildcard_constraints:
        criterion="unpruned",
