# Discretization gap of one search, and the ablation over many. The same rules run the searches of its cells as those of
# a dataset.


rule gap:
    input:
        lambda wildcards: stage_metrics(wildcards.dataset, wildcards.seed),
        expand(paths.EVALUATION, network="searched", allow_missing=True),
    output:
        **STAGES["gap"].outputs,
    log:
        STAGES["gap"].log,
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
        report(paths.ABLATION, caption="../report/ablation.rst", category="Ablation"),
        paths.ABLATION_REPORT,
    log:
        STAGES["ablation"].log,
    conda:
        "../../environment.yaml"
    resources:
        mem_mb=2000,
        runtime="10m",
    params:
        cfg=settings.joined_identity(CONFIG, "ablation"),
    shell:
        command("ablation")
