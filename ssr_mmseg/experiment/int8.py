"""Int8 form of a network of an experiment: calibration images, accuracy lost, and the layers that stay in float32."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from mmengine.model import BaseModel
from mmseg.models import EncoderDecoder
from torch import Tensor, nn

from ssr_mmseg.deploy import onnx_export
from ssr_mmseg.deploy.float_layers import choose_float_layers
from ssr_mmseg.deploy.quantize import CalibratedGraph
from ssr_mmseg.evaluation.miou import evaluate_model
from ssr_mmseg.experiment.experiment import Experiment
from ssr_mmseg.experiment.sample_images import sample_images
from ssr_mmseg.utils.extras import require

if TYPE_CHECKING:
    import onnx


@dataclass(frozen=True)
class Int8Plan:
    """Quantization of a network that loses no more accuracy on its calibration images than is accepted.

    Attributes:
        graph: The quantized network at the dataset's size, for one image.
        float_layers: Names of the weights of the layers that stay in float32, the most sensitive first.
        loss_all_int8: Points of mIoU lost on the calibration images with every layer in int8.
        loss: Points lost with the layers above in float32.
    """

    graph: "onnx.ModelProto"
    float_layers: tuple[str, ...]
    loss_all_int8: float
    loss: float


class GraphSegmentor(nn.Module):
    """A segmentor whose logits are computed by an ONNX graph; accepted by `evaluate_model`.

    Args:
        segmentor: Normalizes the images and resizes the logits to the labels' size.
        graph: From one image of the segmentor's input size to logits.
    """

    def __init__(self, segmentor: BaseModel, graph: "onnx.ModelProto") -> None:
        super().__init__()
        runtime = require("onnxruntime", "int8")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3
        providers = ["CPUExecutionProvider"]
        self.segmentor = segmentor
        self.session = runtime.InferenceSession(graph.SerializeToString(), options, providers=providers)

    def test_step(self, batch: dict) -> list:
        data = self.segmentor.data_preprocessor(batch, False)
        (logits,) = self.session.run(None, {onnx_export.INPUT: data["inputs"].cpu().numpy()})
        return self.segmentor.postprocess_result(torch.from_numpy(logits), data["data_samples"])


def calibration_images(experiment: Experiment, segmentor: BaseModel, least: int = 1) -> Tensor:
    """Load the configured number of images of train, but `least` or more, evenly spaced: (K, 3, H, W), normalized."""
    return sample_images(experiment, segmentor, "train", max(experiment.settings["profile"]["calibration"], least))


def plan_int8(experiment: Experiment, segmentor: EncoderDecoder, network: nn.Module) -> Int8Plan:
    """Choose the layers that stay in float32 so that mIoU on images of train falls by `profile.tolerance` at most.

    Neither the ranges nor the choice depend on val.

    Args:
        experiment: The experiment, whose section `profile` has the number of images and the tolerance.
        segmentor: The trained segmentor, on the CPU, in eval mode.
        network: Its form that is quantized, from images to logits.
    """
    options, classes = experiment.settings["profile"], experiment.manifest["classes"]
    exported = onnx_export.export(network, torch.zeros(1, 3, *experiment.size), user="int8")
    calibrated = CalibratedGraph(exported, calibration_images(experiment, segmentor))
    loader = experiment.evaluation_loader("train", images=options["calibration"])
    exact = evaluate_model(segmentor, loader, classes)["miou"]

    def loss(quantized: "onnx.ModelProto") -> float:
        miou: float = evaluate_model(GraphSegmentor(segmentor, quantized), loader, classes)["miou"]
        return round(exact - miou, 4)

    chosen = choose_float_layers(calibrated, loss, options["tolerance"])
    return Int8Plan(calibrated.quantize(chosen.names), chosen.names, chosen.loss_all_int8, chosen.loss)


def miou_before_and_after(experiment: Experiment, segmentor: EncoderDecoder, plan: Int8Plan) -> dict[str, float]:
    """Measure the mIoU on val, in percent, of a segmentor and of its int8 form: `miou_val_fp32` and `miou_val_int8`."""
    tested = {"miou_val_fp32": segmentor, "miou_val_int8": GraphSegmentor(segmentor, plan.graph)}
    loader, classes = experiment.evaluation_loader("val"), experiment.manifest["classes"]
    return {name: evaluate_model(model, loader, classes)["miou"] for name, model in tested.items()}
