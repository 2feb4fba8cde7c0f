"""Networks from normalized images to logits, without parts that only serve training."""

from collections.abc import Mapping
from typing import Any

from mmseg.models import EncoderDecoder
from torch import Tensor, nn

from ssr_mmseg.architecture.genotype import Genotype
from ssr_mmseg.deploy.deployed_network import DeployedNetwork
from ssr_mmseg.deploy.fold_batch_norm import fold_batch_norms
from ssr_mmseg.models.decode_heads import AggregationHead
from ssr_mmseg.models.derived_network import SSRNet


class LogitsNetwork(nn.Module):
    """Map normalized images (B, 3, H, W) to logits (B, classes, H, W) at the resolution of the images."""

    def __init__(self, backbone: nn.Module, head: nn.Module, neck: nn.Module | None = None) -> None:
        super().__init__()
        self.backbone: Any = backbone
        self.neck = nn.Identity() if neck is None else neck
        self.head: Any = head

    def forward(self, images: Tensor) -> Tensor:
        logits = self.head(self.neck(self.backbone(images)))
        return nn.functional.interpolate(logits, size=images.shape[2:], mode="bilinear", align_corners=False)


def build_network(genotype: Genotype, classes: int, head_widths: Mapping[str, int] | None = None) -> LogitsNetwork:
    """Build the network of a genotype, as it is profiled; see `AggregationHead` for the widths of its head."""
    backbone = SSRNet(genotype.to_dict())
    head = AggregationHead(list(genotype.widths), num_classes=classes, align_corners=False, **(head_widths or {}))
    return LogitsNetwork(backbone, head)


def logits_network(segmentor: EncoderDecoder) -> LogitsNetwork:
    """Extract the modules of a segmentor that its logits depend on; auxiliary heads are left out."""
    return LogitsNetwork(segmentor.backbone, segmentor.decode_head, segmentor.neck if segmentor.with_neck else None)


def deploy_network(model: LogitsNetwork, images: Tensor, align: int = 1) -> nn.Module:
    """Return a network rewritten for inference on batches of the shape of `images` (N, 3, H, W).

    A derived network becomes a `DeployedNetwork`; in any other one batch norms are folded into convolutions.
    """
    if isinstance(model.backbone, SSRNet) and isinstance(model.head, AggregationHead):
        return DeployedNetwork(model.backbone, model.head, align)
    return fold_batch_norms(model, images)


def rewrite_network(model: LogitsNetwork, graph: str, images: Tensor, align: int = 1) -> nn.Module:
    """Return a network in one of the forms that profiling backends run.

    Args:
        model: The network, on the CPU.
        graph: `trained` (as it is), `folded` (batch norms folded into convolutions) or `deployed` (see
            `deploy_network`).
        images: A batch (N, 3, H, W) of the shape to rewrite it for.
        align: Multiple of channels that a deployed network is padded to.
    """
    if graph == "deployed":
        return deploy_network(model, images, align)
    return fold_batch_norms(model, images) if graph == "folded" else model
