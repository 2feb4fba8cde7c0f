# The supernet: first with every option alive, then stage by stage on what survived.


rule search:
    input:
        manifest,
        latency_table,
    output:
        state=paths.SEARCH_STATE,
        metrics=paths.SEARCH_METRICS,
    log:
        "results/logs/search/{dataset}-seed{seed}.log",
    benchmark:
        "results/benchmarks/search/{dataset}-seed{seed}.tsv"
    priority: 1  # the longest chain of the graph: trainings that wait for nothing fill the gaps
    conda:
        "../../environment.yaml"
    threads: CONFIG["threads"]["search"]
    resources:
        gpu=GPU,
        mem_mb=24000,
        runtime="3d",
    params:
        cfg=cfg("search"),
    shell:
        f'OMP_NUM_THREADS={{threads}} {LAUNCH} -m ssr_mmseg search --config "$SSR_MMSEG_CONFIG"'
        " --dataset {wildcards.dataset} --seed {wildcards.seed} > {log} 2>&1"


rule shrink:
    input:
        manifest,
        latency_table,
        previous=previous_state,
    output:
        state=paths.SHRINK_STATE,
        metrics=paths.SHRINK_METRICS,
    log:
        "results/logs/shrink/{dataset}-seed{seed}-{stage}.log",
    benchmark:
        "results/benchmarks/shrink/{dataset}-seed{seed}-{stage}.tsv"
    priority: 1  # the longest chain of the graph: trainings that wait for nothing fill the gaps
    conda:
        "../../environment.yaml"
    threads: CONFIG["threads"]["search"]
    resources:
        gpu=GPU,
        mem_mb=24000,
        runtime="3d",
    params:
        cfg=cfg("search"),
    shell:
        f'OMP_NUM_THREADS={{threads}} {LAUNCH} -m ssr_mmseg shrink --config "$SSR_MMSEG_CONFIG"'
        " --dataset {wildcards.dataset} --seed {wildcards.seed} --stage {wildcards.stage} > {log} 2>&1"
