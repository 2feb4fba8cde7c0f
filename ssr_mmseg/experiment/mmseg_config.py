"""Read an mmengine config, and lay over it what the data and the scenario decide."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ssr_mmseg.architecture.genotype import Genotype
from ssr_mmseg.settings import paths
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.mmengine_config import read_mmengine_config

RESIZES = ("AlignedResize", "Resize")

CROSS_ENTROPIES = ("CrossEntropyLoss", "HardPixelCrossEntropy")


def read_mmseg_config(path: str | Path) -> Config:
    """Read an mmengine config from the working directory or the project, and import the modules that it names.

    Raises:
        UserError: It is missing, not a valid config, or a module cannot be imported.
    """
    return read_mmengine_config(paths.project_file(path), str(path))


def lay_over(config: Config, changes: Mapping[str, Any]) -> None:
    """Merge `changes` into a config as `--cfg-options` of mmseg's tools does, except that a dict replaces any value.

    Args:
        config: Changed in place.
        changes: Values by dotted key.
    """
    for key, value in changes.items():
        *parents, last = key.split(".")
        place = config
        for parent in parents:
            place = place.get(parent, {})
        replaces = isinstance(value, dict) and last in place
        config.merge_from_dict({key: {**value, "_delete_": True} if replaces else value})


def resized(pipeline: Sequence[dict], size: tuple[int, int]) -> list[dict]:
    """Return a pipeline whose resizes are to `size` (height, width)."""
    return [
        {**step, "scale": size[::-1], "keep_ratio": False} if step["type"] in RESIZES else dict(step)
        for step in pipeline
    ]


def heads_of(model: dict) -> list[dict]:
    """Return the configs of the decode head and the auxiliary heads of a segmentor."""
    auxiliary = model.get("auxiliary_head") or []
    return [model["decode_head"], *(auxiliary if isinstance(auxiliary, list | tuple) else [auxiliary])]


def set_genotype(model: dict, genotype: Genotype) -> None:
    """Set the network that the backbone `SSRNet` builds, and the widths of the features that the heads read.

    Raises:
        UserError: An auxiliary head reads a feature that the network does not have.
    """
    widths = genotype.widths
    model["backbone"]["genotype"] = genotype.to_dict()
    model["decode_head"]["in_channels"] = list(widths)
    for head in heads_of(model)[1:]:
        index = head.get("in_index", -1)
        for one in index if isinstance(index, list | tuple) else [index]:
            if one not in range(-len(widths), len(widths)):
                raise UserError(f"auxiliary_head: in_index is {index!r:.100}, expected 0, 1 or 2 (1/2, 1/4 or 1/8)")
        head["in_channels"] = [widths[one] for one in index] if isinstance(index, list | tuple) else widths[index]


def cross_entropies(head: dict) -> Iterator[dict]:
    """Yield the configs of the cross-entropy losses of a head."""
    losses = head["loss_decode"]
    for loss in losses if isinstance(losses, list | tuple) else [losses]:
        if loss["type"] in CROSS_ENTROPIES:
            yield loss


def share_loss(model: dict, source: dict) -> None:
    """Give every cross-entropy of `model` the settings of the first one of `source`, except for its weight and name.

    mmseg's plain cross-entropy has none, and replaces no other type.
    """
    loss = next(cross_entropies(source["decode_head"]), {})
    own_keys = ("loss_weight", "loss_name", *(["type"] if loss.get("type") == "CrossEntropyLoss" else []))
    shared = {key: value for key, value in loss.items() if key not in own_keys}
    for head in heads_of(model):
        for own in cross_entropies(head):
            own |= shared


def set_data(model: dict, size: tuple[int, int], classes: int, weights: list[float]) -> None:
    """Set the input size of a segmentor, and in every head the number of classes and the class weights of the data."""
    if not model["data_preprocessor"].get("size_divisor"):
        model["data_preprocessor"]["size"] = size
    for head in heads_of(model):
        head["num_classes"] = classes
        for loss in cross_entropies(head):
            loss.setdefault("class_weight", weights)


def fit_schedulers(config: Config, epochs: int, steps_per_epoch: int) -> None:
    """Move the ends of the schedulers that last to the end of the config's own training to that of `epochs` epochs.

    Raises:
        UserError: A scheduler would begin after the end.
    """
    planned = config["train_cfg"].get("max_epochs", 0)
    for scheduler in _schedulers(config.get("param_scheduler") or []):
        if scheduler.get("by_epoch", True):
            # mmengine's polynomial reaches its minimum one step before `end`; the last epoch should still learn
            last, long = epochs if scheduler.get("convert_to_iter_based") else epochs + 1, planned
        else:
            last, long = epochs * steps_per_epoch, epochs * steps_per_epoch
        end = scheduler.get("end")
        if end is None or end >= long:
            scheduler["end"] = last
        if scheduler.get("begin", 0) >= scheduler["end"]:
            raise UserError(
                f"{epochs} epochs end within the schedule's warm-up: {scheduler['type']} begins at "
                f"{scheduler['begin']}; train longer, or change param_scheduler in the mmengine config"
            )


def _schedulers(value: Any) -> Iterator[dict]:
    """Yield the configs in `param_scheduler`: one, a list, or a mapping of those by optimizer."""
    for entry in value.values() if isinstance(value, dict) and "type" not in value else [value]:
        yield from entry if isinstance(entry, list) else [entry]


def collecting_tensors(evaluator: Any) -> Any:
    """Return one or several metrics that collect results as tensors: mmengine's other way pickles them into files."""
    if isinstance(evaluator, list | tuple):
        return [collecting_tensors(metric) for metric in evaluator]
    return {**evaluator, "collect_device": "gpu"}


class Hooks(list[dict]):
    """Configs of hooks, in their order."""

    def find(self, kind: str) -> dict | None:
        """Return the config of the first hook of a type, or None."""
        return next((hook for hook in self if hook["type"] == kind), None)

    def set(self, kind: str, **arguments: Any) -> None:
        """Set arguments of a hook, which is added if there is none."""
        hook = self.find(kind)
        if hook is None:
            self.append({"type": kind, **arguments})
        else:
            hook |= arguments

    def drop(self, kind: str) -> None:
        """Remove all hooks of a type."""
        self[:] = [hook for hook in self if hook["type"] != kind]
