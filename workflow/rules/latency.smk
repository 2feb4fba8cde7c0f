# Latency of the operators of a search space on this device, measured when a search's cost is latency. Like a profile it
# takes every core, because a job that ran at the same time would disturb the timing.


rule latency_table:
    input:
        inputs("latency_table", manifest),
    output:
        **outputs("latency_table"),
    log:
        log_file("latency_table"),
    priority: 1  # start the longest chain of jobs early; independent trainings fill the gaps
    conda:
        "../../environment.yaml"
    threads: ALL_CORES
    resources:
        gpu=GPU,
        mem_mb=8000,
        runtime="4h",
    params:
        cfg=cfg("latency_table"),
    shell:
        command("latency_table", threads=True)
