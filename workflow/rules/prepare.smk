# Fetch or render a dataset, verify it and measure its classes.


rule prepare:
    output:
        paths.MANIFEST,
    log:
        "results/logs/prepare/{dataset}.log",
    conda:
        "../../environment.yaml"
    resources:
        mem_mb=4000,
        runtime="4h",
    params:
        cfg=cfg("prepare"),
    shell:
        'python -m ssr_mmseg prepare --config "$SSR_MMSEG_CONFIG" --dataset {wildcards.dataset} > {log} 2>&1'
