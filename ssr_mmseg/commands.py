"""What each subcommand does, one function of its arguments and the configuration each.

Modules that compute are imported by the command that needs them: `ssr-mmseg --help` must not wait for torch.
"""

import argparse
import json

from ssr_mmseg import settings
from ssr_mmseg.utils.errors import UserError


def prepare(arguments: argparse.Namespace, config: dict) -> None:
    from ssr_mmseg.datasets.preparation.prepare import prepare

    manifest = settings.manifest_path(config, arguments.dataset)
    prepare(settings.for_dataset(config, arguments.dataset)["dataset"], manifest.parent)


def search(arguments: argparse.Namespace, config: dict) -> None:
    from ssr_mmseg.stages.search import search

    search(config, arguments.dataset, arguments.seed, stage=getattr(arguments, "stage", 0))


def discretize(arguments: argparse.Namespace, config: dict) -> None:
    from ssr_mmseg.stages.discretize import discretize

    discretize(config, arguments.dataset, arguments.seed)


def sample(arguments: argparse.Namespace, config: dict) -> None:
    from ssr_mmseg.stages.discretize import sample

    sample(config, arguments.dataset, arguments.seed)


def retrain(arguments: argparse.Namespace, config: dict) -> None:
    from ssr_mmseg.stages.retrain import retrain

    retrain(config, arguments.dataset, arguments.seed, arguments.network)


def evaluate(arguments: argparse.Namespace, config: dict) -> None:
    from ssr_mmseg.stages.evaluate import evaluate

    evaluate(config, arguments.dataset, arguments.seed, arguments.network)


def profile(arguments: argparse.Namespace, config: dict) -> None:
    from ssr_mmseg.stages.profile import profile

    profile(config, arguments.dataset, arguments.seed, arguments.network)


def latency_table(arguments: argparse.Namespace, config: dict) -> None:
    from ssr_mmseg.stages.latency_table import latency_table

    config = latency_settings(arguments, config)
    latency_table(config, arguments.dataset, arguments.out, arguments.classes, arguments.size)


def latency_settings(arguments: argparse.Namespace, config: dict) -> dict:
    """The configuration with the options of `latency-table` laid over it."""
    given = {key: getattr(arguments, key) for key in ("backend", "precision", "threads", "points", "rounds")}
    options = {key: value for key, value in given.items() if value is not None}
    device = {"device": arguments.device} if arguments.device else {}
    settings.for_dataset(config, arguments.dataset)  # refuses an unknown name
    return settings.complete(settings.merge(config, {"latency": options, **device}), "options of latency-table")


def peers(arguments: argparse.Namespace, config: dict) -> None:
    from ssr_mmseg.stages.peers import write_peers

    write_peers(config)


def gap(arguments: argparse.Namespace, config: dict) -> None:
    from ssr_mmseg.stages.gap import write_gap

    write_gap(config, arguments.dataset, arguments.seed)


def table(arguments: argparse.Namespace, config: dict) -> None:
    from ssr_mmseg.stages.table import write_table

    write_table(config)


def summary(arguments: argparse.Namespace, config: dict) -> None:
    from ssr_mmseg.stages.summary import write_summary

    write_summary(config)


def ablation(arguments: argparse.Namespace, config: dict) -> None:
    from ssr_mmseg.stages.ablation import write_ablation

    write_ablation(config)


def report(arguments: argparse.Namespace, config: dict) -> None:
    from ssr_mmseg.report import write_report

    write_report(config, arguments.config)


def figures(arguments: argparse.Namespace, config: dict) -> None:
    from ssr_mmseg.report import write_figures

    write_figures(config)


def status(arguments: argparse.Namespace, config: dict) -> None:
    from ssr_mmseg.jobs.status import show

    show(config, arguments.watch)


def doctor(_: argparse.Namespace, config: dict) -> None:
    from ssr_mmseg.stages.doctor import show

    if not show(config):
        raise SystemExit(1)


def space(arguments: argparse.Namespace, config: dict) -> None:
    from ssr_mmseg.architecture.search_space import SearchSpace
    from ssr_mmseg.stages.describe import describe_space

    own = settings.for_dataset(config, arguments.dataset)
    space = SearchSpace.from_settings(own["search"])
    size = arguments.size or tuple(own["dataset"]["size"])
    print(json.dumps(describe_space(space, arguments.classes, size), indent=2))


def cost(arguments: argparse.Namespace, _: dict) -> None:
    from ssr_mmseg.architecture.genotype import Genotype
    from ssr_mmseg.stages.describe import network_cost

    print(json.dumps(network_cost(Genotype.read(arguments.genotype), arguments.classes, arguments.size), indent=2))


def forecast(arguments: argparse.Namespace, config: dict) -> None:
    from ssr_mmseg.stages.forecast import forecast, table

    found = forecast(config, arguments.dataset, arguments.seed, arguments.steps)
    print(json.dumps(found, indent=2) if arguments.json else table(found))


def export(arguments: argparse.Namespace, config: dict) -> None:
    from ssr_mmseg.deploy.export import ExportOptions
    from ssr_mmseg.stages.export import export_network, export_pair

    options = ExportOptions(arguments.head, arguments.size, arguments.dynamic, arguments.batch)
    if arguments.genotype or arguments.weights:
        if not (arguments.genotype and arguments.weights) or arguments.network:
            raise UserError("expected --genotype and --weights together and no --network; see ssr-mmseg export --help")
        names = arguments.classes.split(",") if arguments.classes else None
        found = export_pair(config, arguments.genotype, arguments.weights, arguments.out, options, names)
    elif arguments.network and arguments.dataset:
        found = export_network(config, arguments.dataset, arguments.seed, arguments.network, arguments.out, options)
    else:
        raise UserError("expected --dataset and --network, or --genotype and --weights; see ssr-mmseg export --help")
    print(f"{arguments.out}: relative error of the logits {found['logits_error']:.1e}")


def predict(arguments: argparse.Namespace, _: dict) -> None:
    from ssr_mmseg.deploy.predict import predict

    options = (arguments.provider, arguments.opacity, arguments.threads)
    predict(arguments.model, arguments.inputs, arguments.out, *options)
