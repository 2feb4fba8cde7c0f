# Input functions of the rules.


def manifest(wildcards) -> str:
    """Return the manifest of the data that a scenario reads."""
    return str(settings.manifest_path(CONFIG, wildcards.dataset))


def shrink_stages(dataset: str) -> int:
    """Return the number K of shrinking stages of a scenario's search."""
    return settings.for_dataset(CONFIG, dataset)["search"]["shrink_stages"]


def previous_state(wildcards) -> str:
    """Return the state that a shrinking stage starts from."""
    return str(paths.state_path(CONFIG, wildcards.dataset, wildcards.seed, int(wildcards.stage) - 1))


def latency_table(wildcards) -> list[str]:
    """Return the latency table that a search reads, if its cost is latency."""
    path = settings.latency_table_path(CONFIG, wildcards.dataset)
    return [] if path is None else [str(path)]


def last_state(wildcards) -> str:
    """Return the state at the end of a search."""
    return str(paths.state_path(CONFIG, wildcards.dataset, wildcards.seed, shrink_stages(wildcards.dataset)))


def genotype(wildcards) -> list[str]:
    """Return the genotype of a network, if the workflow makes it; other networks are defined by files."""
    if not follows_search(wildcards.network):
        return []
    return [result(paths.SELECTED if selection(wildcards.network) else paths.GENOTYPE)]


def selector_supernet(wildcards) -> list[str]:
    """Return the state and the metrics of the supernet that a selector needs, if it does."""
    kind = supernet_of(wildcards.network)
    if kind is None:
        return []
    scenario = supernet_scenario(wildcards.dataset, kind)
    return [str(path(CONFIG, scenario, wildcards.seed, 0)) for path in (paths.state_path, paths.stage_metrics_path)]


def searched_metrics(wildcards) -> list[str]:
    """Return the metrics of all stages of the search that a selected network is compared with."""
    return stage_metrics(wildcards.dataset, wildcards.seed)


def selector_computes(wildcards) -> bool:
    """Return whether a selector computes on the device: it trains candidates or scores them by a supernet."""
    name, _ = selection(wildcards.network)
    return bool(class_literal("selector", name, "trains") or supernet_of(wildcards.network))


def earlier_weights(wildcards) -> list[str]:
    """Return the weights that a network's training needs: those that it starts from, and those of its teacher."""
    training = wildcards.dataset, int(wildcards.seed), wildcards.network
    start, teacher = settings.start_weights(CONFIG, *training), teacher_training(CONFIG, *training)
    weights = [] if start is None else [str(start)]
    if teacher is not None:
        scenario, seed, network = teacher
        weights.append(result(paths.WEIGHTS).format(dataset=scenario, seed=seed, network=network))
    return weights


def profiled_weights(wildcards) -> list[str]:
    """Return the weights of a profiled network, if it is configured to use trained ones."""
    trained = settings.for_dataset(CONFIG, wildcards.dataset)["profile"]["weights"] == "trained"
    return evaluated_weights(wildcards) if trained else []


def evaluated_weights(wildcards) -> list[str]:
    """Return the weights of an evaluated network; none for a rival, whose file has them."""
    return [] if rival_entry(CONFIG, wildcards.network) else [result(paths.WEIGHTS)]


def stage_metrics(dataset: str, seed: int) -> list[str]:
    """Return the metrics of all stages of a search, in order."""
    return [str(paths.stage_metrics_path(CONFIG, dataset, seed, stage)) for stage in range(shrink_stages(dataset) + 1)]


def searched_scenarios() -> list[str]:
    """Return the scenarios of all searches of the table."""
    return [scenario for dataset in settings.dataset_names(CONFIG) for scenario in searches(CONFIG, dataset)]


def table_inputs(_) -> list[str]:
    """Return all results that the table joins."""
    datasets, seeds = settings.dataset_names(CONFIG), CONFIG["seeds"]
    inputs = expand(result(paths.MANIFEST), dataset=datasets)
    for pattern in (paths.TRAINING, paths.EVALUATION, paths.PROFILE):
        inputs += [
            result(pattern).format(dataset=network.scenario, seed=seed, network=network.name)
            for dataset, seed in itertools.product(datasets, seeds)
            for network in table_networks(CONFIG, dataset)
            if pattern != paths.TRAINING or rival_entry(CONFIG, network.name) is None
        ]
    if "searched" in configured_networks(CONFIG):
        inputs += expand(result(paths.GAP), dataset=searched_scenarios(), seed=seeds)
    return inputs


def recommended_inputs(_) -> list[str]:
    """Return all results that the recommendation rests on: those of the first dataset."""
    dataset = settings.dataset_names(CONFIG)[0]
    inputs = expand(result(paths.MANIFEST), dataset=dataset)
    for pattern in (paths.EVALUATION, paths.PROFILE):
        inputs += [
            result(pattern).format(dataset=network.scenario, seed=seed, network=network.name)
            for seed in CONFIG["seeds"]
            for network in table_networks(CONFIG, dataset)
        ]
    return inputs


def report_inputs(_) -> list[str]:
    """Return all results that the page and the figures show."""
    seeds, networks = CONFIG["seeds"], configured_networks(CONFIG)
    inputs = table_inputs(_)
    if CONFIG["recommend"]["latency_ms"] is not None:
        inputs.append(result(paths.CARD))
    if any(map(follows_search, networks)):
        inputs += [path for dataset in searched_scenarios() for seed in seeds for path in stage_metrics(dataset, seed)]
        inputs += expand(
            [result(paths.GENOTYPE), result(paths.DISCRETIZATION)], dataset=searched_scenarios(), seed=seeds
        )
    selected = [network for network in networks if selection(network)]
    inputs += expand(result(paths.SELECTED), dataset=searched_scenarios(), seed=seeds, network=selected)
    return inputs


def ranked_inputs(wildcards) -> list[str]:
    """Return the random networks to rank, and the supernets that rank them."""
    dataset, seed = wildcards.dataset, wildcards.seed
    inputs = expand(result(paths.SELECTED), dataset=dataset, seed=seed, network=ranked_networks(CONFIG))
    for kind in KINDS:
        scenario = supernet_scenario(dataset, kind)
        inputs += [str(path(CONFIG, scenario, seed, 0)) for path in (paths.state_path, paths.stage_metrics_path)]
    return inputs


def contest_inputs(_) -> list[str]:
    """Return all results that the contest joins."""
    try:
        networks = contestants(CONFIG)
    except UserError as error:
        sys.exit(f"ssr-mmseg: {error}")
    inputs = []
    for dataset, seed in itertools.product(searched_scenarios(), CONFIG["seeds"]):
        ranked = ranked_networks(CONFIG) if seed == CONFIG["seeds"][0] else []
        names = {"dataset": dataset, "seed": seed, "network": list(dict.fromkeys([*networks, *ranked]))}
        inputs += expand([result(paths.TRAINING), result(paths.EVALUATION)], **names)
        inputs += expand(result(paths.SELECTION), **{**names, "network": [n for n in names["network"] if selection(n)]})
        inputs += [result(paths.GAP).format(dataset=dataset, seed=seed), *stage_metrics(dataset, seed)]
        inputs += [result(paths.RANK).format(dataset=dataset, seed=seed)] if ranked else []
    return inputs


def peer_inputs(_) -> list[str]:
    """Return all profiles that the table of peers joins, and the evaluations of the networks that have been trained."""
    inputs = []
    for dataset in settings.dataset_names(CONFIG):
        for network in all_networks(CONFIG, dataset):
            names = {"dataset": network.scenario, "seed": CONFIG["seeds"][0], "network": network.name}
            evaluation = result(paths.EVALUATION).format(**names)
            inputs += [result(paths.PROFILE).format(**names), *([evaluation] if os.path.exists(evaluation) else [])]
    return inputs


def ablation_inputs(_) -> list[str]:
    """Return all results that the ablation joins."""
    try:
        cells = itertools.product(ablation_cells(CONFIG), CONFIG["ablation"]["seeds"])
    except UserError as error:
        sys.exit(f"ssr-mmseg: {error}")
    inputs = []
    for cell, seed in cells:
        inputs += stage_metrics(cell, seed)
        if CONFIG["ablation"]["retrain"]:
            inputs.append(result(paths.EVALUATION).format(dataset=cell, seed=seed, network="searched"))
    return inputs
