# The chain of one block of seeds: train, then for each criterion and iteration prune, retrain, sample, evaluate.
# Iteration k takes iteration k - 1: the loop is the graph. The controls have chains of their own, without pruning.


rule train:
    input:
        patterns=f"{PATCHES}/patterns.npz",
    output:
        machine=f"{BLOCK}/initial/initial.npz",
    log:
        log_of(f"{OF_BLOCK}/train"),
    benchmark:
        benchmark_of(f"{OF_BLOCK}/train")
    conda:
        ENVIRONMENT
    threads: cores
    resources:
        **needs("train", mem_mb=1000, at_once=AT_ONCE),
    params:
        job=jobs.job(STUDY, "train"),
    shell:
        command("train", SEEDS, THREADS)


rule sample_initial:
    input:
        machine=rules.train.output.machine,
        patterns=f"{PATCHES}/patterns.npz",
    output:
        statistics=f"{BLOCK}/initial/initial_statistics.npz",
    log:
        log_of(f"{OF_BLOCK}/sample_initial"),
    benchmark:
        benchmark_of(f"{OF_BLOCK}/sample_initial")
    conda:
        ENVIRONMENT
    threads: cores
    resources:
        **needs("sample", mem_mb=1500, at_once=AT_ONCE),
    params:
        job=jobs.sample_job(STUDY, jobs.NO_CRITERION, 0, "initial"),
    shell:
        command("sample", SEEDS, THREADS)


rule evaluate_initial:
    input:
        patterns=f"{PATCHES}/patterns.npz",
        machine=rules.train.output.machine,
        statistics=rules.sample_initial.output.statistics,
    output:
        metrics=f"{BLOCK}/initial/metrics.csv",
    log:
        log_of(f"{OF_BLOCK}/evaluate_initial"),
    benchmark:
        benchmark_of(f"{OF_BLOCK}/evaluate_initial")
    conda:
        "../../envs/cpu.yaml"
    resources:
        **needs("evaluate", mem_mb=1000, machine=1),
    params:
        job=jobs.job(STUDY, "evaluate"),
    shell:
        command("evaluate", SEEDS)


rule prune:
    input:
        **so_far("patches"),
        machine=previous(".npz"),
        statistics=previous("_statistics.npz"),
    output:
        machine=f"{CHAIN}/pruned.npz",
        record=f"{CHAIN}/record.csv",
    log:
        log_of(f"{OF_CHAIN}/prune"),
    benchmark:
        benchmark_of(f"{OF_CHAIN}/prune")
    conda:
        "../../envs/cpu.yaml"
    resources:
        **needs("prune", mem_mb=1000),
    params:
        **({"files": listed} if jobs.stops(STUDY, "patches") else {}),
        job=lambda wildcards: jobs.prune_job(STUDY, CRITERIA[wildcards.criterion], int(wildcards.iteration)),
    shell:
        pruning_command("prune", "patches", SEEDS)


rule retrain:
    input:
        **before_pruning("patches", PATCHES),
        machine=rules.prune.output.machine,
        patterns=f"{PATCHES}/patterns.npz",
    output:
        machine=f"{CHAIN}/retrained.npz",
    log:
        log_of(f"{OF_CHAIN}/retrain"),
    benchmark:
        benchmark_of(f"{OF_CHAIN}/retrain")
    conda:
        ENVIRONMENT
    resources:
        **needs("retrain", mem_mb=1000),
    params:
        job=lambda wildcards: jobs.job(STUDY, "retrain", iteration=int(wildcards.iteration)),
    shell:
        retraining_command("retrain", "patches")


rule train_anew:
    input:
        machine=rules.retrain.output.machine,
        patterns=f"{PATCHES}/patterns.npz",
    output:
        machine=f"{CHAIN}/{{phase}}.npz",
    log:
        log_of(f"{OF_CHAIN}/train_{{phase}}"),
    benchmark:
        benchmark_of(f"{OF_CHAIN}/train_{{phase}}")
    wildcard_constraints:
        phase=CONTROL,
    conda:
        ENVIRONMENT
    resources:
        **needs("train_anew", mem_mb=1000),
    params:
        job=lambda wildcards: jobs.job(STUDY, "train_anew", iteration=int(wildcards.iteration), phase=wildcards.phase),
    shell:
        command("train_anew", SEEDS, THREADS)


use rule sample_initial as sample with:
    input:
        machine=f"{CHAIN}/{{phase}}.npz",
        patterns=f"{PATCHES}/patterns.npz",
    output:
        statistics=f"{CHAIN}/{{phase}}_statistics.npz",
    log:
        log_of(f"{OF_CHAIN}/sample_{{phase}}"),
    benchmark:
        benchmark_of(f"{OF_CHAIN}/sample_{{phase}}")
    wildcard_constraints:
        criterion="|".join(map(re.escape, CHAINS)),
    threads: 1
    resources:
        **needs("sample", mem_mb=1000),
    params:
        job=lambda wildcards: jobs.sample_job(
            STUDY, CHAINS[wildcards.criterion], int(wildcards.iteration), wildcards.phase
        ),


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
        log_of(f"{OF_CHAIN}/evaluate"),
    benchmark:
        benchmark_of(f"{OF_CHAIN}/evaluate")
    conda:
        "../../envs/cpu.yaml"
    resources:
        **needs("evaluate", mem_mb=1000, machine=2),
    params:
        job=jobs.job(STUDY, "evaluate"),
    shell:
        command("evaluate", SEEDS, machine=2, statistics=2)


use rule retrain as retrain_unpruned with:
    input:
        **before_pruning("patches", PATCHES),
        machine=previous(".npz"),
        patterns=f"{PATCHES}/patterns.npz",
    output:
        machine=f"{CHAIN}/retrained.npz",
    log:
        log_of(f"{OF_CHAIN}/retrain_unpruned"),
    benchmark:
        benchmark_of(f"{OF_CHAIN}/retrain_unpruned")
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
        log_of(f"{OF_CHAIN}/evaluate_unpruned"),
    benchmark:
        benchmark_of(f"{OF_CHAIN}/evaluate_unpruned")
    wildcard_constraints:
        criterion="unpruned",


use rule evaluate_initial as evaluate_anew with:
    input:
        patterns=f"{PATCHES}/patterns.npz",
        machine=rules.train_anew.output.machine,
        statistics=f"{CHAIN}/{{phase}}_statistics.npz",
    output:
        metrics=f"{CHAIN}/{{phase}}_metrics.csv",
    log:
        log_of(f"{OF_CHAIN}/evaluate_{{phase}}"),
    benchmark:
        benchmark_of(f"{OF_CHAIN}/evaluate_{{phase}}")
    wildcard_constraints:
        phase=CONTROL,
