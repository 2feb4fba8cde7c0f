# Latency of the operators of a search space on this device, measured when a search's cost is latency. Like a profile it
# takes every core, because a job that ran at the same time would disturb the timing.


rule latency_table:
    input:
        manifest,
    output:
        **STAGES["latency_table"].outputs,
    log:
        STAGES["latency_table"].log,
    priority: 1  # start the longest chain of jobs early; independent trainings fill the gaps
    conda:
        "../../environment.yaml"
    threads: workflow.cores
    resources:
        gpu=GPU,
        mem_mb=8000,
        runtime="4h",
    params:
        cfg=cfg("latency_table"),
    shell:
        command("latency_table", threads=True)
