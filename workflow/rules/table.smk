# One row per dataset, network, seed and input size; and the seeds taken together.


rule table:
    input:
        table_inputs,
    output:
        report(paths.TABLE, caption="../report/table.rst", category="Results"),
    log:
        "results/logs/table.log",
    conda:
        "../../environment.yaml"
    resources:
        mem_mb=2000,
        runtime="10m",
    params:
        cfg=settings.identity({"recipe": settings.RECIPES["table"]}),
    shell:
        'python -m ssr_mmseg table --config "$SSR_MMSEG_CONFIG" > {log} 2>&1'


rule summary:
    input:
        table_inputs,
    output:
        report(paths.SUMMARY, caption="../report/summary.rst", category="Results"),
    log:
        "results/logs/summary.log",
    conda:
        "../../environment.yaml"
    resources:
        mem_mb=2000,
        runtime="10m",
    params:
        cfg=settings.identity({"recipe": settings.RECIPES["summary"]}),
    shell:
        'python -m ssr_mmseg summary --config "$SSR_MMSEG_CONFIG" > {log} 2>&1'
