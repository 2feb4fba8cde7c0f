# Latency of all networks by one timing protocol, which needs no training, and the accuracy of trained ones. The figures
# next to the table are not declared as outputs, because there are none without a trained network.


rule peers:
    input:
        peer_inputs,
    output:
        report(result(paths.PEERS), caption="../report/peers.rst", category="Results"),
    log:
        log_file("peers"),
    conda:
        "../../environment.yaml"
    resources:
        mem_mb=2000,
        runtime="10m",
    params:
        cfg=settings.joined_identity(CONFIG, "peers"),
    shell:
        command("peers")
