# How discrete the searches become: one search's report, and the ablation over many. The ablation's cells are searched
# by the same rules as a dataset.


rule gap:
    input:
        lambda wildcards: stage_metrics(wildcards.dataset, wildcards.seed),
        expand(paths.EVALUATION, network="searched", allow_missing=True),
    output:
        paths.GAP,
    log:
        "results/logs/gap/{dataset}-seed{seed}.log",
    conda:
        "../../environment.yaml"
    resources:
        mem_mb=2000,
        runtime="10m",
    params:
        cfg=cfg("gap"),
    shell:
        'python -m ssr_mmseg gap --config "$SSR_MMSEG_CONFIG"'
        " --dataset {wildcards.dataset} --seed {wildcards.seed} > {log} 2>&1"


rule ablation:
    input:
        ablation_inputs,
    output:
        report(paths.ABLATION, caption="../report/ablation.rst", category="Ablation"),
        paths.ABLATION_REPORT,
    log:
        "results/logs/ablation.log",
    conda:
        "../../environment.yaml"
    resources:
        mem_mb=2000,
        runtime="10m",
    params:
        cfg=settings.identity({"recipe": settings.RECIPES["ablation"], "ablation": CONFIG.get("ablation")}),
    shell:
        'python -m ssr_mmseg ablation --config "$SSR_MMSEG_CONFIG" > {log} 2>&1'
