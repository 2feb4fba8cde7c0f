# Training of the supernet: first with every option alive, then stage by stage on the surviving options.


rule search:
    input:
        inputs("search", manifest, latency_table),
    output:
        **outputs("search"),
    log:
        log_file("search"),
    benchmark:
        benchmark_file("search")
    priority: 1  # start the longest chain of jobs early; independent trainings fill the gaps
    conda:
        "../../environment.yaml"
    threads: CONFIG["threads"]["search"]
    resources:
        gpu=GPU,
        mem_mb=24000,
        runtime="3d",
    params:
        cfg=cfg("search"),
    shell:
        command("search")


rule shrink:
    input:
        inputs("shrink", manifest, latency_table, previous_state),
    output:
        **outputs("shrink"),
    log:
        log_file("shrink"),
    benchmark:
        benchmark_file("shrink")
    priority: 1  # start the longest chain of jobs early; independent trainings fill the gaps
    conda:
        "../../environment.yaml"
    threads: CONFIG["threads"]["search"]
    resources:
        gpu=GPU,
        mem_mb=24000,
        runtime="3d",
    params:
        cfg=cfg("search"),
    shell:
        command("shrink")
