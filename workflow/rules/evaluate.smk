# Accuracy on val and test. The predictions beside evaluation.json are not declared: Snakemake would have to own the
# whole folder, and empty it, to know them.


rule evaluate:
    input:
        manifest,
        genotype_of,
        weights=paths.WEIGHTS,
    output:
        paths.EVALUATION,
    log:
        "results/logs/evaluate/{dataset}-seed{seed}-{network}.log",
    priority: 1  # before the profiles, which take all cores one by one
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
        'OMP_NUM_THREADS={threads} python -m ssr_mmseg evaluate --config "$SSR_MMSEG_CONFIG"'
        " --dataset {wildcards.dataset} --seed {wildcards.seed} --network {wildcards.network} > {log} 2>&1"
