"""Record of the checkpoints that mmengine initializes a model from: which tensors were taken, found while they load.

mmengine and mmseg only warn if a checkpoint does not fit. All their ways to load one (`init_cfg` of type Pretrained,
`load_from`, an `init_weights` of the model's own) end in torch's `_load_from_state_dict`, whose hooks are used here.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.runner import CheckpointLoader
from torch import Tensor, nn

from ssr_mmseg.training.checkpoint.fitting import is_finite
from ssr_mmseg.utils.errors import UserError, one_line
from ssr_mmseg.utils.files import sha256

WHOLE = "whole network"
RECORDED = {"file": str, "sha256": str, "part": str, "tensors": int, "taken": int, "left": list}  # of one file
SHOWN = 3  # names in a message, or files in a text


class LoadRecorder:
    """Names of the tensors that a model takes from state dictionaries, until `close` is called.

    Attributes:
        calls: For each loading, the name of the module that is loaded into, and the names of the tensors that fit.
    """

    def __init__(self, model: nn.Module) -> None:
        self.calls: list[tuple[str, set[str]]] = []
        self._names = {module: name for name, module in model.named_modules()}
        self._handles = [module.register_load_state_dict_pre_hook(self._note) for module in self._names]

    def close(self) -> None:
        """Stop recording."""
        for handle in self._handles:
            handle.remove()

    def _note(self, module: nn.Module, state: Mapping[str, Any], prefix: str, *_: Any) -> None:
        name = self._names[module]
        if not prefix:  # the outermost module of this loading
            self.calls.append((name, set()))
        for key, tensor in (*module._parameters.items(), *module._buffers.items()):
            given = state.get(prefix + key)
            if tensor is not None and isinstance(given, Tensor) and given.shape == tensor.shape:
                self.calls[-1][1].add(f"{name}.{key}" if name else key)


def pretrained_parts(model: nn.Module) -> Iterator[tuple[str, str, str]]:
    """Yield the modules that `init_weights` loads a checkpoint into: name, checkpoint, and prefix of its tensors."""
    for name, module in model.named_modules():
        configs = getattr(module, "init_cfg", None) or []
        for config in [configs] if isinstance(configs, dict) else configs:
            if isinstance(config, dict) and config.get("checkpoint"):
                yield name, config["checkpoint"], config.get("prefix") or ""


def named_checkpoints(model: Any) -> Iterator[str]:
    """Yield the checkpoints that the config of a model names, as `checkpoint` or `pretrained` at any depth."""
    for key, value in model.items() if isinstance(model, dict) else enumerate(model):
        if key in ("checkpoint", "pretrained") and isinstance(value, str) and value:
            yield value
        elif isinstance(value, dict | list | tuple):
            yield from named_checkpoints(value)


def checkpoint_tensors(checkpoint: Any, file: str | Path, keys: Sequence[str] = ("state_dict",)) -> dict[str, Tensor]:
    """Return the tensors of a loaded checkpoint by name.

    Args:
        checkpoint: The content of the file.
        file: Its path, for the message.
        keys: Where they may be, other than at the top level; mmengine looks into `state_dict` alone.

    Raises:
        UserError: It has none.
    """
    inner = next((checkpoint[key] for key in keys if key in checkpoint), checkpoint)
    pairs = inner.items() if isinstance(inner, dict) else ()
    tensors = {name: value for name, value in pairs if isinstance(value, Tensor)}
    if not tensors or not all(isinstance(name, str) for name, _ in pairs):
        raise UserError(f"{file} has no weights by name, expected tensors in {' or '.join(keys)} or at the top level")
    return tensors


def check_checkpoint(file: str, prefix: str = "") -> None:
    """Read a checkpoint that mmengine is going to load.

    Raises:
        UserError: It is remote, missing or damaged, contains more than data, has no tensors of that prefix, or one that
            is not finite.
    """
    tensors = checkpoint_tensors(CheckpointLoader.load_checkpoint(file, map_location="cpu"), file)
    if bad := next((name for name, value in tensors.items() if not is_finite(value)), None):
        raise UserError(f"{file}: {one_line(bad, 100)} has a value that is not finite; name another checkpoint")
    if prefix and not any(name.startswith(prefix.rstrip(".") + ".") for name in tensors):
        raise UserError(f"{file} has no names with the prefix {prefix}, found names like {listed(tensors)}")


def weight_names(tensors: Iterable[str]) -> list[str]:
    """Return the names but those of batch normalization's counters, which torch adds where they are missing."""
    return [name for name in tensors if not name.endswith("num_batches_tracked")]


def pretrained_records(
    model: nn.Module, parts: Sequence[tuple[str, str]], calls: Iterable[tuple[str, set[str]]]
) -> list[dict[str, Any]]:
    """Return a record of each checkpoint that was loaded.

    Args:
        model: The model.
        parts: Names of the modules that checkpoints were loaded into, and the checkpoints.
        calls: What a `LoadRecorder` saw.

    Raises:
        UserError: A checkpoint fits no tensor.
    """
    files = dict(parts)
    taken: dict[str, set[str]] = defaultdict(set)
    for root, fitting in calls:
        owner = next((name for name in _with_ancestors(root) if name in files), None)
        if owner is not None:
            taken[files[owner]] |= fitting
    records = []
    for file in dict.fromkeys(files.values()):
        own = {name for name, other in files.items() if other == file}
        tops = [name for name in own if not own & set(_with_ancestors(name)[1:])]
        names = [name for name in weight_names(model.state_dict()) if own & set(_with_ancestors(name))]
        part = ", ".join(sorted(tops)) if all(tops) else WHOLE
        records.append(record_of(file, part, names, taken[file]))
        if not records[-1]["taken"]:
            found = checkpoint_tensors(CheckpointLoader.load_checkpoint(file, map_location="cpu"), file)
            raise UserError(no_match(file, part, [name.removeprefix(f"{part}.") for name in names], found))
    return records


def record_of(file: str, part: str, names: Sequence[str], taken: Iterable[str]) -> dict[str, Any]:
    """Return the record of one file: its checksum, and which of the tensors `names` of a part were taken from it."""
    left = [name for name in names if name not in set(taken)]
    return {
        "file": file,
        "sha256": sha256(Path(file).expanduser()),
        "part": part,
        "tensors": len(names),
        "taken": len(names) - len(left),
        "left": left,
    }


def is_record(value: Any) -> bool:
    """Return whether a value is a record of one file."""
    return (
        isinstance(value, dict)
        and value.keys() == RECORDED.keys()
        and all(type(value[key]) is kind for key, kind in RECORDED.items())
        and all(isinstance(name, str) for name in value["left"])
    )


def no_match(file: str | Path, part: str, names: Sequence[str], found: Mapping[str, Tensor]) -> str:
    """Return the message about a checkpoint that fits no tensor."""
    reason = "of other shapes" if set(names) & set(found) else f"found names like {listed(found)}"
    return (
        f"{file} fits no tensor of the {part if part == WHOLE else f'part {part}'}: "
        f"expected names like {listed(names)}, {reason}; name another checkpoint"
    )


def listed(names: Iterable[str]) -> str:
    """Return the first few names, for a message."""
    names = weight_names(names)
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} others" if len(names) > SHOWN else "")


def pretrained_text(records: Sequence[Mapping[str, Any]]) -> str:
    """Return what the tables say about the weights that a training started from: `no`, or `yes: ` and the files."""
    if not records:
        return "no"
    texts = []
    for record in records[:SHOWN]:
        path = Path(record["file"])
        name = one_line(path.name if path.is_absolute() or "~" in path.parts else path, 200)
        texts.append(f"{name} {record['sha256'][:12]} ({record['part'][:60]})")
    return "yes: " + "; ".join(texts) + (" …" if len(records) > SHOWN else "")


def _with_ancestors(name: str) -> list[str]:
    """Return the name of a module, of the one that contains it, and so on, up to the model's, which is empty."""
    parts = name.split(".") if name else []
    return [".".join(parts[:count]) for count in range(len(parts), -1, -1)]
