# Comparison of searched networks with those of selectors, and the ranks that supernets give to random networks. The
# rules of the table make the networks.


rule rank:
    input:
        inputs("rank", manifest, ranked_inputs),
    output:
        **outputs("rank"),
    log:
        log_file("rank"),
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
        report(result(paths.CONTEST), caption="../report/contest.rst", category="Contest"),
        result(paths.CONTEST_REPORT),
    log:
        log_file("contest"),
    conda:
        "../../environment.yaml"
    resources:
        mem_mb=2000,
        runtime="10m",
    params:
        cfg=settings.joined_identity(CONFIG, "contest"),
    shell:
        command("contest")
