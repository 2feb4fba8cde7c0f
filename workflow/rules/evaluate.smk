# Accuracy on val and test. The pictures of predictions next to evaluation.json are not declared as outputs, because
# Snakemake could only declare their folder, and would empty it before the job.


rule evaluate:
    input:
        inputs("evaluate", manifest, genotype, evaluated_weights),
    output:
        **outputs("evaluate"),
    log:
        log_file("evaluate"),
    priority: 1  # before the profiles, each of which takes all cores
    conda:
        "../../environment.yaml"
    threads: CONFIG["threads"]["retrain"]
    resources:
        gpu=GPU,
        mem_mb=8000,
        runtime="4h",
    params:
        cfg=cfg("evaluate"),
    shell:
        command("evaluate", threads=True)
