# Genotypes: that of the options that survived the search, and others of about the same cost to compare it with.


rule discretize:
    input:
        inputs("discretize", last_state, latency_table),
    output:
        **outputs("discretize"),
    log:
        log_file("discretize"),
    priority: 1  # start the longest chain of jobs early; independent trainings fill the gaps
    conda:
        "../../environment.yaml"
    resources:
        mem_mb=4000,
        runtime="30m",
    params:
        cfg=cfg("discretize"),
    shell:
        command("discretize")


rule select:
    input:
        inputs("select", manifest, latency_table, selector_supernet, searched_metrics),
        result(paths.GENOTYPE),
    output:
        **outputs("select"),
    log:
        log_file("select"),
    benchmark:
        benchmark_file("select")
    priority: 1  # start the longest chain of jobs early; independent trainings fill the gaps
    conda:
        "../../environment.yaml"
    threads: lambda wildcards: CONFIG["threads"]["retrain"] if selector_computes(wildcards) else 1
    resources:
        gpu=lambda wildcards: GPU * selector_computes(wildcards),
        mem_mb=lambda wildcards: 16000 if selector_computes(wildcards) else 4000,
        runtime=lambda wildcards: "3d" if selector_computes(wildcards) else "30m",
    params:
        cfg=cfg("select"),
    shell:
        command("select")
