"""Stage `retrain`: train a network by the mmengine config that all networks of the table share."""

from mmengine import dist

from ssr_mmseg import settings
from ssr_mmseg.architecture.genotype import Genotype
from ssr_mmseg.experiment.earlier_results import weights_origin
from ssr_mmseg.experiment.experiment import Experiment
from ssr_mmseg.experiment.genotypes import genotype_for
from ssr_mmseg.experiment.standalone_config import write_config
from ssr_mmseg.experiment.training_hooks import teacher_text
from ssr_mmseg.jobs.progress import progress_path
from ssr_mmseg.jobs.provenance import provenance
from ssr_mmseg.profiling import environment
from ssr_mmseg.settings import paths, project_files
from ssr_mmseg.settings.stage_table import STAGES
from ssr_mmseg.training.checkpoint.weights import save_weights
from ssr_mmseg.training.checkpoint.work_lock import claim
from ssr_mmseg.training.initial_weights import initial_weights
from ssr_mmseg.training.pretrained import pretrained_text
from ssr_mmseg.utils import distributed
from ssr_mmseg.utils.devices import peak_memory_gb
from ssr_mmseg.utils.files import write_json


def retrain(config: dict, dataset: str, seed: int, network: str) -> None:
    """Train one network, and write its mmseg config, its weights and a record of the training.

    Raises:
        UserError: The dataset or the genotype has not been made yet, or the configuration does not fit them.
    """
    experiment = Experiment(config, dataset, seed)
    genotype = genotype_for(config, network, dataset, seed)
    experiment.network(network, genotype)  # a mistake in the mmengine config is reported before anything is written
    experiment.limit_threads("retrain")
    with distributed.process_group(experiment.device):
        _retrain(experiment, config, network, genotype)


def _retrain(experiment: Experiment, config: dict, network: str, genotype: Genotype | None) -> None:
    dataset, seed = experiment.dataset, experiment.seed
    made_from = settings.made_from(
        config, "retrain", dataset, seed, network
    )  # at the start: a file may change meanwhile
    work = experiment.work_folder(f"retrain-{network}", made_from["identity"])
    if dist.is_main_process():
        claim(work)
    progress = progress_path(config, STAGES["retrain"].job_name(dataset=dataset, seed=seed, network=network))
    network_config = experiment.retrain_config(network, genotype)
    runner = experiment.retrain_runner(network, genotype, work, progress)
    if experiment.training_length.note():
        runner.logger.info(f"the training has {experiment.training_length.note()}")
    runner.train()
    if not dist.is_main_process():
        return
    loop = runner.train_loop
    record = {
        "network": network,
        "kind": project_files.network_kind(network),
        "seed": seed,
        "train_split": experiment.settings["dataset"]["train_split"],
        "pretrained": pretrained_text(initial_weights(runner)),
        "initial_weights": initial_weights(runner),
        "teacher": teacher_text(config, dataset, seed, network),
        "epochs": loop.epoch,
        "iterations": loop.iter,
        "hours": loop.seconds / 3600,
        "peak_gb": peak_memory_gb(),
        "data_wait_share": loop.data_wait_share,
        "processes": dist.get_world_size(),
        "device": environment(experiment.device)["device"],
        "history": runner.message_hub.get_info("history", []),
        "made_from": made_from,
        "provenance": provenance(),
    }
    outputs = STAGES["retrain"].outputs
    files = {
        name: paths.result_path(config, pattern, dataset=dataset, seed=seed, network=network)
        for name, pattern in outputs.items()
    }
    weights = files["weights"]
    write_config(files["config"], network_config)
    origin = weights_origin(made_from["identity"], dataset, seed, network)
    save_weights(weights, runner.model.state_dict(), experiment.manifest, experiment.size, origin)
    write_json(files["training"], record)
    experiment.close_work(work, weights.parent)
