# The network to ship. It takes every core, because a job that ran at the same time would disturb the timing. The files of
# the network are not declared as outputs, because there are none if no network is fast enough.


rule recommend:
    input:
        recommended_inputs,
    output:
        **outputs("recommend"),
    log:
        log_file("recommend"),
    conda:
        "../../environment.yaml"
    threads: ALL_CORES
    resources:
        gpu=GPU,
        mem_mb=8000,
        runtime="1h",
    params:
        cfg=settings.joined_identity(CONFIG, "recommend"),
    shell:
        command("recommend", threads=True)
