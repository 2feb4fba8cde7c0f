# Training of every network of the table, all by the same recipe: from scratch, or from the weights of another result.


rule retrain:
    input:
        manifest,
        genotype,
        start_weights,
    output:
        **STAGES["retrain"].outputs,
    log:
        STAGES["retrain"].log,
    benchmark:
        STAGES["retrain"].benchmark
    conda:
        "../../environment.yaml"
    threads: CONFIG["threads"]["retrain"]
    resources:
        gpu=GPU,
        mem_mb=16000,
        runtime="3d",
    params:
        cfg=cfg("retrain"),
    shell:
        command("retrain")
