# Discretization gap of one search, and the ablation over many. The same rules run the searches of its cells as those of
# a dataset.


rule gap:
    input:
        inputs("gap", searched_metrics),
        expand(result(paths.EVALUATION), network="searched", allow_missing=True),
    output:
        **outputs("gap"),
    log:
        log_file("gap"),
    conda:
        "../../environment.yaml"
    resources:
        mem_mb=2000,
        runtime="10m",
    params:
        cfg=cfg("gap"),
    shell:
        command("gap")


rule ablation:
    input:
        ablation_inputs,
    output:
        report(result(paths.ABLATION), caption="../report/ablation.rst", category="Ablation"),
        result(paths.ABLATION_REPORT),
    log:
        log_file("ablation"),
    conda:
        "../../environment.yaml"
    resources:
        mem_mb=2000,
        runtime="10m",
    params:
        cfg=settings.joined_identity(CONFIG, "ablation"),
    shell:
        command("ablation")
