# Training of every network of the table and of teachers, all by the same recipe: from scratch, or from the weights of
# another result.


rule retrain:
    input:
        inputs("retrain", manifest, genotype, earlier_weights),
    output:
        **outputs("retrain"),
    log:
        log_file("retrain"),
    benchmark:
        benchmark_file("retrain")
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
