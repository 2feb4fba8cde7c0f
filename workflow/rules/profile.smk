# Cost and latency. It needs the network's form and not its weights, so it does not wait for training unless the
# configuration asks for trained weights; it takes every core, because whatever ran beside it would be timed with it.


rule profile:
    input:
        manifest,
        genotype_of,
        profiled_weights,
    output:
        paths.PROFILE,
    log:
        "results/logs/profile/{dataset}-seed{seed}-{network}.log",
    conda:
        "../../environment.yaml"
    threads: workflow.cores
    resources:
        gpu=GPU,
        mem_mb=8000,
        runtime="1h",
    params:
        cfg=cfg("profile"),
    shell:
        'OMP_NUM_THREADS={threads} python -m ssr_mmseg profile --config "$SSR_MMSEG_CONFIG"'
        " --dataset {wildcards.dataset} --seed {wildcards.seed} --network {wildcards.network} > {log} 2>&1"
