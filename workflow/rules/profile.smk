# Cost and latency. Both depend on the architecture and not on its weights, so the rule waits for training only if the
# configuration asks for trained weights. It takes every core, because a job that ran at the same time would disturb the
# timing.


rule profile:
    input:
        inputs("profile", manifest, genotype, profiled_weights),
    output:
        **outputs("profile"),
    log:
        log_file("profile"),
    conda:
        "../../environment.yaml"
    threads: ALL_CORES
    resources:
        gpu=GPU,
        mem_mb=8000,
        runtime="1h",
    params:
        cfg=cfg("profile"),
    shell:
        command("profile", threads=True)
