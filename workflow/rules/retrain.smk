# Every network of the table is trained from scratch by the same recipe.


rule retrain:
    input:
        manifest,
        genotype_of,
    output:
        weights=paths.WEIGHTS,
        training=paths.TRAINING,
    log:
        "results/logs/retrain/{dataset}-seed{seed}-{network}.log",
    benchmark:
        "results/benchmarks/retrain/{dataset}-seed{seed}-{network}.tsv"
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
        f'OMP_NUM_THREADS={{threads}} {LAUNCH} -m ssr_mmseg retrain --config "$SSR_MMSEG_CONFIG"'
        " --dataset {wildcards.dataset} --seed {wildcards.seed} --network {wildcards.network} > {log} 2>&1"
