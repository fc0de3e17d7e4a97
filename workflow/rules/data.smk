# Raw images -> binary patterns, for both experiments.


rule fetch:
    input:
        raw_files("patches", PATCHES),
    output:
        manifest=f"{PATCHES}/source.json",
    log:
        f"{LOGS}/fetch.log",
    benchmark:
        f"{BENCHMARKS}/fetch.tsv"
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=minutes("fetch"),
    params:
        job=lambda wildcards: jobs.fetch_job(STUDY, "patches", PATCHES),
    shell:
        "python -m boltzprune fetch --out manifest={output.manifest:q} --spec {params.job[spec]:q} --log {log:q}"


rule prepare:
    input:
        manifest=rules.fetch.output.manifest,
    output:
        patterns=f"{PATCHES}/patterns.npz",
    log:
        f"{LOGS}/prepare.log",
    benchmark:
        f"{BENCHMARKS}/prepare.tsv"
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=minutes("prepare"),
    params:
        job=jobs.prepare_job(STUDY),
    shell:
        "python -m boltzprune prepare --in manifest={input.manifest:q} --out patterns={output.patterns:q} "
        "--spec {params.job[spec]:q} --log {log:q}"


rule fetch_digits:
    input:
        raw_files("digits", DIGITS),
    output:
        manifest=f"{DIGITS}/source.json",
    log:
        f"{LOGS}/fetch_digits.log",
    benchmark:
        f"{BENCHMARKS}/fetch_digits.tsv"
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=growing(500),
        runtime=minutes("fetch_digits"),
    params:
        job=lambda wildcards: jobs.fetch_job(STUDY, "digits", DIGITS),
    shell:
        "python -m boltzprune fetch_digits --out manifest={output.manifest:q} --spec {params.job[spec]:q} --log {log:q}"


rule prepare_digits:
    input:
        manifest=rules.fetch_digits.output.manifest,
    output:
        digits=f"{DIGITS}/digits.npz",
    log:
        f"{LOGS}/prepare_digits.log",
    benchmark:
        f"{BENCHMARKS}/prepare_digits.tsv"
    conda:
        "../../envs/cpu.yaml"
    resources:
        mem_mb=growing(1500),
        runtime=minutes("prepare_digits"),
    params:
        job=jobs.prepare_job(STUDY, "digits"),
    shell:
        "python -m boltzprune prepare_digits --in manifest={input.manifest:q} --out digits={output.digits:q} "
        "--spec {params.job[spec]:q} --log {log:q}"
