# Comparison of searched networks with those of selectors, and the ranks that supernets give to random networks. The
# rules of the table make the networks.


rule rank:
    input:
        manifest,
        ranked_inputs,
    output:
        **STAGES["rank"].outputs,
    log:
        STAGES["rank"].log,
    conda:
        "../../environment.yaml"
    threads: CONFIG["threads"]["search"]
    resources:
        gpu=GPU,
        mem_mb=8000,
        runtime="4h",
    params:
        cfg=cfg("rank"),
    shell:
        command("rank", threads=True)


rule contest:
    input:
        contest_inputs,
    output:
        report(paths.CONTEST, caption="../report/contest.rst", category="Contest"),
        paths.CONTEST_REPORT,
    log:
        STAGES["contest"].log,
    conda:
        "../../environment.yaml"
    resources:
        mem_mb=2000,
        runtime="10m",
    params:
        cfg=settings.joined_identity(CONFIG, "contest"),
    shell:
        command("contest")
