# One row per dataset, network, seed and input size, and a summary over the seeds.


rule table:
    input:
        table_inputs,
    output:
        report(result(paths.TABLE), caption="../report/table.rst", category="Results"),
    log:
        log_file("table"),
    conda:
        "../../environment.yaml"
    resources:
        mem_mb=2000,
        runtime="10m",
    params:
        cfg=settings.joined_identity(CONFIG, "table"),
    shell:
        command("table")


rule summary:
    input:
        table_inputs,
    output:
        report(result(paths.SUMMARY), caption="../report/summary.rst", category="Results"),
    log:
        log_file("summary"),
    conda:
        "../../environment.yaml"
    resources:
        mem_mb=2000,
        runtime="10m",
    params:
        cfg=settings.joined_identity(CONFIG, "summary"),
    shell:
        command("summary")
