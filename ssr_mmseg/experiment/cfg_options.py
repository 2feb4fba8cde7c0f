"""Values of `search.cfg_options`, laid over an mmengine config."""

import copy
import inspect
import math
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from mmengine.config import Config
from mmengine.runner import Runner

from ssr_mmseg.experiment.mmseg_config import read_mmseg_config
from ssr_mmseg.settings.named_configs import NamedConfig
from ssr_mmseg.utils.errors import UserError

ORIGIN = "search.cfg_options"
MANY = 20  # keys that are too many to list in a message
REPLACED = {  # keys of the config of a search whose values the workflow replaces, and the settings that decide them
    "model.backbone.space": "search.space",
    "model.backbone.dimensions": "search.dimensions",
    "model.backbone.gate": "search.gate",
    "model.backbone.structure": "search.shrink",
    "model.decode_head.in_channels": "search.space",
    "model.decode_head.num_classes": "datasets",
    "train_cfg.max_epochs": "search.epochs",
    "train_cfg.regularizer": "search.regularizer",
    "train_cfg.split": "search.split",
    "train_cfg.warmup": "search.warmup",
    "train_cfg.cost": "search.cost",
    "train_cfg.size": "datasets",
    "train_cfg.table": "latency.table",
    "train_dataloader.batch_size": "search.batch_size",
    "randomness": "seeds",
}


def read_named_config(named: NamedConfig) -> Config:
    """Read an mmengine config of an experiment, and lay its options over it.

    Raises:
        UserError: See `read_mmseg_config` and `lay_options`.
    """
    config = read_mmseg_config(named.name)
    lay_options(config, named.options, named.name)
    return config


def lay_options(config: Config, options: Mapping[str, Any], name: str) -> None:
    """Lay values over a config by dotted key, as `--cfg-options` of mmseg's tools does.

    Args:
        config: Changed in place.
        options: Values by dotted key; a mapping is merged into that of the config.
        name: The config's name, for messages.

    Raises:
        UserError: A part of a key other than the last does not exist, the last one cannot be set, the workflow would
            replace the value, or it is a number written as text.
    """
    for key, value in options.items():
        _check_key(config, key, name)
        for leaf, leaf_value in _leaves(key, value):
            if number := _number(leaf_value):
                raise UserError(
                    f"{ORIGIN}: {leaf}: expected a number, found the text {leaf_value!r}; write {number}, because in "
                    "YAML a number in quotes is a text, and so is one with an exponent but no decimal point"
                )
            for replaced, setting in REPLACED.items():
                if leaf == replaced or leaf.startswith(f"{replaced}."):
                    raise UserError(
                        f"{ORIGIN}: {leaf}: expected a value that the experiment leaves to the config, found one that "
                        f"it decides; set {setting} instead"
                    )
        try:
            config.merge_from_dict({key: copy.deepcopy(value)})
        except Exception as error:  # mmengine raises errors of several types
            raise UserError(
                f"{ORIGIN}: {key}: expected a value that fits {name}, found {value!r}; give the same kind of value as "
                "the config has"
            ) from error


def _check_key(config: Config, key: str, name: str) -> None:
    """Check that all parts of a dotted key but the last exist, and that the last one can be set."""
    *parents, last = key.split(".")
    place: Any = config
    for number, part in enumerate(parents):
        known = _known(place)
        if part not in known:
            missing = ".".join(parents[: number + 1])
            raise UserError(f"{ORIGIN}: {key}: expected a key of {name}, which has no {missing}; {_hint(part, known)}")
        place = place[int(part)] if isinstance(place, list | tuple) else place[part]
    if isinstance(place, Mapping | Config):
        known = [*_known(place), *(inspect.signature(Runner).parameters if place is config else ())]
        unread = place is config and last not in known  # nothing reads other keys of the top level
    else:
        known, unread = _known(place), last not in _known(place)
    if unread or not last:
        raise UserError(f"{ORIGIN}: {key}: expected a key of {name}, which cannot have it; {_hint(last, known)}")


def _known(place: Any) -> list[str]:
    """Return the keys of a mapping or the indices of a list; nothing for other values."""
    if isinstance(place, list | tuple):
        return [str(index) for index in range(len(place))]
    return list(place.keys()) if isinstance(place, Mapping | Config) else []


def _hint(part: str, known: list[str]) -> str:
    close = get_close_matches(part, known, n=1)
    if close:
        return f"did you mean {close[0]}?"
    return f"known are: {', '.join(known) or 'none'}" if len(known) <= MANY else "see the config for its keys"


def _number(value: Any) -> str:
    """Return the finite number that a text is as YAML 1.1 reads it as a number; nothing for another value."""
    try:
        number = float(value) if isinstance(value, str) else math.nan
    except ValueError:
        return ""
    mantissa, *exponent = str(number).split("e")
    return "e".join([mantissa if "." in mantissa else f"{mantissa}.0", *exponent]) if math.isfinite(number) else ""


def _leaves(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the values in nested mappings and lists with their dotted keys."""
    inner = dict(enumerate(value)) if isinstance(value, list | tuple) else value
    if isinstance(inner, Mapping) and inner:
        for part, inner_value in inner.items():
            yield from _leaves(f"{key}.{part}", inner_value)
    else:
        yield key, value
