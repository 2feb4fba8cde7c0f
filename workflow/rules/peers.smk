# Every network there is, by one timing protocol: profiles need no training. Accuracy stands beside those that have been
# trained. The figures beside the table are not declared: without a trained network there is none.


rule peers:
    input:
        peer_inputs,
    output:
        report(paths.PEERS, caption="../report/peers.rst", category="Results"),
    log:
        "results/logs/peers.log",
    conda:
        "../../environment.yaml"
    resources:
        mem_mb=2000,
        runtime="10m",
    params:
        cfg=settings.identity({"recipe": settings.RECIPES["peers"]}),
    shell:
        'python -m ssr_mmseg peers --config "$SSR_MMSEG_CONFIG" > {log} 2>&1'
