# Raw images -> binary patterns, for both experiments.


rule fetch:
    input:
        raw_files("patches", PATCHES),
    output:
        manifest=f"{PATCHES}/source.json",
    log:
        log_of("fetch"),
    benchmark:
        benchmark_of("fetch")
    conda:
        "../../envs/cpu.yaml"
    resources:
        **needs("fetch", mem_mb=1000),
    params:
        job=lambda wildcards: jobs.fetch_job(STUDY, "patches", PATCHES),
    shell:
        command("fetch")


rule prepare:
    input:
        manifest=rules.fetch.output.manifest,
    output:
        patterns=f"{PATCHES}/patterns.npz",
    log:
        log_of("prepare"),
    benchmark:
        benchmark_of("prepare")
    conda:
        "../../envs/cpu.yaml"
    resources:
        **needs("prepare", mem_mb=2000),
    params:
        job=jobs.prepare_job(STUDY),
    shell:
        command("prepare")


rule fetch_digits:
    input:
        raw_files("digits", DIGITS),
    output:
        manifest=f"{DIGITS}/source.json",
    log:
        log_of("fetch_digits"),
    benchmark:
        benchmark_of("fetch_digits")
    conda:
        "../../envs/cpu.yaml"
    resources:
        **needs("fetch_digits", mem_mb=500),
    params:
        job=lambda wildcards: jobs.fetch_job(STUDY, "digits", DIGITS),
    shell:
        command("fetch_digits")


rule prepare_digits:
    input:
        manifest=rules.fetch_digits.output.manifest,
    output:
        digits=f"{DIGITS}/digits.npz",
    log:
        log_of("prepare_digits"),
    benchmark:
        benchmark_of("prepare_digits")
    conda:
        "../../envs/cpu.yaml"
    resources:
        **needs("prepare_digits", mem_mb=1500),
    params:
        job=jobs.prepare_job(STUDY, "digits"),
    shell:
        command("prepare_digits")
