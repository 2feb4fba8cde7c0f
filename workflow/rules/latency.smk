# What the operators of a search space take on this device: made when a search's cost is latency. Like a profile it takes
# every core, because whatever ran beside it would be timed with it.


rule latency_table:
    input:
        manifest,
    output:
        paths.LATENCY_TABLE,
    log:
        "results/logs/latency_table/{dataset}.log",
    priority: 1  # the longest chain of the graph: trainings that wait for nothing fill the gaps
    conda:
        "../../environment.yaml"
    threads: workflow.cores
    resources:
        gpu=GPU,
        mem_mb=8000,
        runtime="4h",
    params:
        cfg=cfg("latency_table"),
    shell:
        'OMP_NUM_THREADS={threads} python -m ssr_mmseg latency-table --config "$SSR_MMSEG_CONFIG"'
        " --dataset {wildcards.dataset} > {log} 2>&1"
