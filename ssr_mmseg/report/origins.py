"""Origins of the results that the report shows: commits, versions, machines, hours and weights."""

from ssr_mmseg.report.collect import Results


def provenance(results: Results) -> dict:
    """Return the commits, versions, machines, hours and evaluated weights of all results."""
    trainings = [n.training for d in results.datasets for n in d.networks if n.training]
    profiles = [n.profile for d in results.datasets for n in d.networks if n.profile]
    stages = [stage for d in results.datasets for search in d.searches for stage in search.stages]
    origins = [entry["provenance"] for entry in (*stages, *trainings, *profiles)]
    versions = sorted({pair for origin in origins for pair in origin["versions"].items()})
    devices = {t["device"] for t in trainings} | {r["device"] for p in profiles for r in p["records"]}
    weights = [
        {"dataset": dataset.name, "network": network.label, "seed": network.seed, **network.evaluation["weights"]}
        for dataset in results.datasets
        for network in dataset.networks
        if network.evaluation and network.evaluation["weights"]
    ]
    return {
        "weights": weights,
        "commits": sorted({origin["commit"] or "not under git" for origin in origins}),
        "versions": versions,
        "pythons": sorted({origin["python"] for origin in origins if origin["python"]}),
        "machines": sorted({origin["machine"] for origin in origins if origin["machine"]}),
        "devices": sorted(devices),
        "search_hours": sum(stage["hours"] or 0 for stage in stages),
        "train_hours": sum(training["hours"] or 0 for training in trainings),
    }
