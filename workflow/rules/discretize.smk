# Genotypes: the one that survived the search, and a random one of about its cost.


rule discretize:
    input:
        last_state,
        latency_table,
    output:
        genotype=paths.GENOTYPE,
        report=paths.DISCRETIZATION,
    log:
        "results/logs/discretize/{dataset}-seed{seed}.log",
    priority: 1  # the longest chain of the graph: trainings that wait for nothing fill the gaps
    conda:
        "../../environment.yaml"
    resources:
        mem_mb=4000,
        runtime="30m",
    params:
        cfg=cfg("discretize"),
    shell:
        'python -m ssr_mmseg discretize --config "$SSR_MMSEG_CONFIG"'
        " --dataset {wildcards.dataset} --seed {wildcards.seed} > {log} 2>&1"


rule sample:
    input:
        manifest,
        latency_table,
        paths.GENOTYPE,
    output:
        paths.RANDOM_GENOTYPE,
    log:
        "results/logs/sample/{dataset}-seed{seed}.log",
    priority: 1  # the longest chain of the graph: trainings that wait for nothing fill the gaps
    conda:
        "../../environment.yaml"
    resources:
        mem_mb=4000,
        runtime="30m",
    params:
        cfg=cfg("sample"),
    shell:
        'python -m ssr_mmseg sample --config "$SSR_MMSEG_CONFIG"'
        " --dataset {wildcards.dataset} --seed {wildcards.seed} > {log} 2>&1"
