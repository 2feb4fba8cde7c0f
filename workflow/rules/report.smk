# The report as a page, and its figures as files, both made from results only. The command `ssr-mmseg report` also works
# for an unfinished experiment, whereas the rule waits for all results.


rule report:
    input:
        report_inputs,
        result(paths.SUMMARY),
    output:
        report(result(paths.REPORT), caption="../report/page.rst", category="Results"),
        report(result(paths.PREDICTION_SHEET), caption="../report/predictions.rst", category="Predictions"),
    log:
        log_file("report"),
    conda:
        "../../environment.yaml"
    resources:
        mem_mb=4000,
        runtime="30m",
    params:
        cfg=settings.joined_identity(CONFIG, "report"),
    shell:
        command("report")


rule figures:
    input:
        report_inputs,
    output:
        directory(result(paths.FIGURES)),  # the stage writes a temporary folder and then moves it here
    log:
        log_file("figures"),
    conda:
        "../../environment.yaml"
    resources:
        mem_mb=4000,
        runtime="30m",
    params:
        cfg=settings.joined_identity(CONFIG, "figures"),
    shell:
        command("figures")
