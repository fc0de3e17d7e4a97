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
        log_of("reference"),
    benchmark:
        benchmark_of("reference")
    conda:
        ENVIRONMENT
    resources:
        **needs("reference", mem_mb=2000),
    params:
        job=jobs.job(STUDY, "reference"),
    shell:
        command("reference")


rule pretrain:
    input:
        digits=f"{DIGITS}/digits.npz",
    output:
        machine=f"{DIGIT_BLOCK}/initial/pretrained.npz",
    log:
        log_of(f"digits/{OF_BLOCK}/pretrain"),
    benchmark:
        benchmark_of(f"digits/{OF_BLOCK}/pretrain")
    conda:
        ENVIRONMENT
    threads: cores
    resources:
        **needs("pretrain", mem_mb=1500, at_once=AT_ONCE),
    params:
        job=jobs.job(STUDY, "pretrain"),
    shell:
        command("pretrain", SEEDS, THREADS)


rule train_jointly:
    input:
        machine=rules.pretrain.output.machine,
        digits=f"{DIGITS}/digits.npz",
    output:
        machine=f"{DIGIT_BLOCK}/initial/initial.npz",
    log:
        log_of(f"digits/{OF_BLOCK}/train_jointly"),
    benchmark:
        benchmark_of(f"digits/{OF_BLOCK}/train_jointly")
    conda:
        ENVIRONMENT
    threads: cores_for_machines
    resources:
        **needs("train_jointly", mem_mb=1500, at_once=AT_ONCE),
    params:
        job=jobs.job(STUDY, "train_jointly"),
    shell:
        command("train_jointly", SEEDS, THREADS)


rule sample_initial_deep:
    input:
        machine=rules.train_jointly.output.machine,
        digits=f"{DIGITS}/digits.npz",
    output:
        statistics=f"{DIGIT_BLOCK}/initial/initial_statistics.npz",
        samples=f"{DIGIT_BLOCK}/initial/initial_samples.npz",
    log:
        log_of(f"digits/{OF_BLOCK}/sample_initial"),
    benchmark:
        benchmark_of(f"digits/{OF_BLOCK}/sample_initial")
    conda:
        ENVIRONMENT
    threads: cores_for_machines
    resources:
        **needs("sample_deep", mem_mb=1500, at_once=AT_ONCE),
    params:
        job=jobs.job(STUDY, "sample_deep", criterion=jobs.NO_CRITERION, iteration=0, phase="initial"),
    shell:
        command("sample_deep", SEEDS, THREADS)


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
        log_of(f"digits/{OF_BLOCK}/evaluate_initial"),
    benchmark:
        benchmark_of(f"digits/{OF_BLOCK}/evaluate_initial")
    conda:
        ENVIRONMENT
    threads: cores
    resources:
        **needs("evaluate_digits", mem_mb=2000, at_once=AT_ONCE),
    params:
        job=jobs.job(STUDY, "evaluate_digits"),
    shell:
        command("evaluate_digits", SEEDS, THREADS)


rule prune_deep:
    input:
        **so_far("digits", DIGITS),
        **first_machines("digits", DIGITS),
        machine=previous(".npz", DIGITS),
        statistics=previous("_statistics.npz", DIGITS),
    output:
        machine=f"{DIGIT_CHAIN}/pruned.npz",
        record=f"{DIGIT_CHAIN}/record.csv",
    log:
        log_of(f"digits/{OF_CHAIN}/prune"),
    benchmark:
        benchmark_of(f"digits/{OF_CHAIN}/prune")
    conda:
        "../../envs/cpu.yaml"
    resources:
        **needs("prune_deep", mem_mb=1500),
    params:
        **({"files": listed} if jobs.stops(STUDY, "digits") else {}),
        job=lambda wildcards: jobs.prune_job(
            STUDY, DIGIT_CRITERIA[wildcards.criterion], int(wildcards.iteration), "prune_deep"
        ),
    shell:
        pruning_command("prune_deep", "digits", SEEDS, THREADS)


rule retrain_jointly:
    input:
        **before_pruning("digits", DIGITS),
        machine=rules.prune_deep.output.machine,
        digits=f"{DIGITS}/digits.npz",
    output:
        machine=f"{DIGIT_CHAIN}/retrained.npz",
    log:
        log_of(f"digits/{OF_CHAIN}/retrain"),
    benchmark:
        benchmark_of(f"digits/{OF_CHAIN}/retrain")
    conda:
        ENVIRONMENT
    resources:
        **needs("retrain_jointly", mem_mb=1500),
    params:
        job=lambda wildcards: jobs.job(STUDY, "retrain_jointly", iteration=int(wildcards.iteration)),
    shell:
        retraining_command("retrain_jointly", "digits")


use rule retrain_jointly as retrain_unpruned_deep with:
    input:
        **before_pruning("digits", DIGITS),
        machine=previous(".npz", DIGITS),
        digits=f"{DIGITS}/digits.npz",
    output:
        machine=f"{DIGIT_CHAIN}/retrained.npz",
    log:
        log_of(f"digits/{OF_CHAIN}/retrain_unpruned"),
    benchmark:
        benchmark_of(f"digits/{OF_CHAIN}/retrain_unpruned")
    wildcard_constraints:
        criterion="unpruned",


rule train_deep_anew:
    input:
        machine=rules.retrain_jointly.output.machine,
        digits=f"{DIGITS}/digits.npz",
    output:
        machine=f"{DIGIT_CHAIN}/{{phase}}.npz",
    log:
        log_of(f"digits/{OF_CHAIN}/train_{{phase}}"),
    benchmark:
        benchmark_of(f"digits/{OF_CHAIN}/train_{{phase}}")
    wildcard_constraints:
        phase=CONTROL,
    conda:
        ENVIRONMENT
    resources:
        **needs("train_deep_anew", mem_mb=1500),
    params:
        job=lambda wildcards: jobs.job(
            STUDY, "train_deep_anew", iteration=int(wildcards.iteration), phase=wildcards.phase
        ),
    shell:
        command("train_deep_anew", SEEDS, THREADS)


use rule sample_initial_deep as sample_deep with:
    input:
        machine=f"{DIGIT_CHAIN}/{{phase}}.npz",
        digits=f"{DIGITS}/digits.npz",
    output:
        statistics=f"{DIGIT_CHAIN}/{{phase}}_statistics.npz",
        samples=f"{DIGIT_CHAIN}/{{phase}}_samples.npz",
    log:
        log_of(f"digits/{OF_CHAIN}/sample_{{phase}}"),
    benchmark:
        benchmark_of(f"digits/{OF_CHAIN}/sample_{{phase}}")
    wildcard_constraints:
        criterion="|".join(map(re.escape, DIGIT_CHAINS)),
    threads: 1
    resources:
        **needs("sample_deep", mem_mb=1500),
    params:
        job=lambda wildcards: jobs.job(
            STUDY,
            "sample_deep",
            criterion=DIGIT_CHAINS[wildcards.criterion],
            iteration=int(wildcards.iteration),
            phase=wildcards.phase,
        ),


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
        log_of(f"digits/{OF_CHAIN}/evaluate"),
    benchmark:
        benchmark_of(f"digits/{OF_CHAIN}/evaluate")
    conda:
        ENVIRONMENT
    resources:
        **needs("evaluate_digits", mem_mb=2000),
    params:
        job=jobs.job(STUDY, "evaluate_digits"),
        files=listed,
    shell:
        command("evaluate_digits", SEEDS, THREADS, LISTED)


use rule evaluate_initial_deep as evaluate_unpruned_deep with:
    input:
        digits=f"{DIGITS}/digits.npz",
        classifier=rules.reference.output.classifier,
        machine=rules.retrain_unpruned_deep.output.machine,
        statistics=f"{DIGIT_CHAIN}/retrained_statistics.npz",
        samples=f"{DIGIT_CHAIN}/retrained_samples.npz",
    output:
        metrics=f"{DIGIT_CHAIN}/metrics.csv",
        classes=f"{DIGIT_CHAIN}/classes.csv",
    log:
        log_of(f"digits/{OF_CHAIN}/evaluate_unpruned"),
    benchmark:
        benchmark_of(f"digits/{OF_CHAIN}/evaluate_unpruned")
    wildcard_constraints:
        criterion="unpruned",
    threads: 1
    resources:
        **needs("evaluate_digits", mem_mb=2000),


use rule evaluate_initial_deep as evaluate_deep_anew with:
    input:
        digits=f"{DIGITS}/digits.npz",
        classifier=rules.reference.output.classifier,
        machine=rules.train_deep_anew.output.machine,
        statistics=f"{DIGIT_CHAIN}/{{phase}}_statistics.npz",
        samples=f"{DIGIT_CHAIN}/{{phase}}_samples.npz",
    output:
        metrics=f"{DIGIT_CHAIN}/{{phase}}_metrics.csv",
        classes=f"{DIGIT_CHAIN}/{{phase}}_classes.csv",
    log:
        log_of(f"digits/{OF_CHAIN}/evaluate_{{phase}}"),
    benchmark:
        benchmark_of(f"digits/{OF_CHAIN}/evaluate_{{phase}}")
    wildcard_constraints:
        phase=CONTROL,
    threads: 1
    resources:
        **needs("evaluate_digits", mem_mb=2000),
