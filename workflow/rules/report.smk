# The report as a page, and its figures as files, both made from results only. The command `ssr-mmseg report` also works
# for an unfinished experiment, whereas the rule waits for all results.


rule report:
    input:
        report_inputs,
        paths.SUMMARY,
    output:
        report(paths.REPORT, caption="../report/page.rst", category="Results"),
        report(paths.PREDICTION_SHEET, caption="../report/predictions.rst", category="Predictions"),
    log:
        STAGES["report"].log,
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
        directory(paths.FIGURES),  # the stage writes a temporary folder and then moves it here
    log:
        STAGES["figures"].log,
    conda:
        "../../environment.yaml"
    resources:
        mem_mb=4000,
        runtime="30m",
    params:
        cfg=settings.joined_identity(CONFIG, "figures"),
    shell:
        command("figures")
