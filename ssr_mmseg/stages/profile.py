"""The stage `profile`: what a network costs on the device at hand; it needs no trained weights."""

from pathlib import Path

from mmseg.models import EncoderDecoder
from torch import Tensor, nn

from ssr_mmseg import layout
from ssr_mmseg.experiment import Experiment
from ssr_mmseg.files import write_json
from ssr_mmseg.profiling import profile_model
from ssr_mmseg.provenance import provenance
from ssr_mmseg.stages.networks import genotype_for


class Logits(nn.Module):
    """A segmentor from normalised images (B, 3, H, W) to logits (B, classes, H, W): what is counted and timed.

    Heads that only serve training are left out.
    """

    def __init__(self, segmentor: EncoderDecoder) -> None:
        super().__init__()
        self.backbone = segmentor.backbone
        self.head = segmentor.decode_head

    def forward(self, images: Tensor) -> Tensor:
        logits = self.head(self.backbone(images))
        return nn.functional.interpolate(logits, size=images.shape[2:], mode="bilinear", align_corners=False)


def profile(config: dict, dataset: str, seed: int, network: str) -> None:
    """Count parameters and multiply-adds and time a network at the dataset's size and the configured ones."""
    experiment = Experiment(config, dataset, seed)
    options = experiment.settings["profile"]
    sizes = dict.fromkeys([experiment.size, *(tuple(size) for size in options["sizes"])])  # ordered, each once
    model = Logits(experiment.build(experiment.network(network, genotype_for(network, dataset, seed))))
    records = profile_model(
        model,
        list(sizes),
        experiment.settings["device"],
        min_runs=options["runs"],
        min_seconds=options["seconds"],
        seed=seed,
    )
    path = Path(layout.PROFILE.format(dataset=dataset, seed=seed, network=network))
    write_json(path, {"network": network, "records": records, "provenance": provenance()})
