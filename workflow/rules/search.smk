# Training of the supernet: first with every option alive, then stage by stage on the surviving options.


rule search:
    input:
        manifest,
        latency_table,
    output:
        **STAGES["search"].outputs,
    log:
        STAGES["search"].log,
    benchmark:
        STAGES["search"].benchmark
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
        manifest,
        latency_table,
        previous=previous_state,
    output:
        **STAGES["shrink"].outputs,
    log:
        STAGES["shrink"].log,
    benchmark:
        STAGES["shrink"].benchmark
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
