# What was found, to look at: the page, and its figures as files. Both read results only. `ssr-mmseg report` makes the
# page of an unfinished experiment; here it waits for everything.


rule report:
    input:
        report_inputs,
        paths.SUMMARY,
    output:
        report(paths.REPORT, caption="../report/page.rst", category="Results"),
        report(paths.PREDICTION_SHEET, caption="../report/predictions.rst", category="Predictions"),
    log:
        "results/logs/report.log",
    conda:
        "../../environment.yaml"
    resources:
        mem_mb=4000,
        runtime="30m",
    params:
        cfg=settings.identity({"recipe": settings.RECIPES["report"]}),
    shell:
        'python -m ssr_mmseg report --config "$SSR_MMSEG_CONFIG" > {log} 2>&1'


rule figures:
    input:
        report_inputs,
    output:
        directory(paths.FIGURES),  # the stage writes it elsewhere and moves it here whole
    log:
        "results/logs/figures.log",
    conda:
        "../../environment.yaml"
    resources:
        mem_mb=4000,
        runtime="30m",
    params:
        cfg=settings.identity({"recipe": settings.RECIPES["figures"]}),
    shell:
        'python -m ssr_mmseg figures --config "$SSR_MMSEG_CONFIG" > {log} 2>&1'
