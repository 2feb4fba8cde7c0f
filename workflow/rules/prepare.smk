# Fetch or render a dataset, verify it and count its classes.


rule prepare:
    input:
        inputs("prepare"),
    output:
        **outputs("prepare"),
    log:
        log_file("prepare"),
    conda:
        "../../environment.yaml"
    resources:
        mem_mb=4000,
        runtime="4h",
    params:
        cfg=cfg("prepare"),
        source=source_digest,
    shell:
        command("prepare")
