"""Checkpoint files that mmengine configs name, found in the text of a config without running it.

A checkpoint counts if it is plain text that is given to one of `KEYS`, as in `init_cfg=dict(type='Pretrained',
checkpoint='weights/resnet18.pth')` or `load_from = 'weights/whole.pth'`, if need be by a name that the same file
assigns, and so does every other text that ends in one of `SUFFIXES` and is the path of a file. Paths are relative to
the working directory, as in mmengine.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import sha256

KEYS = ("checkpoint", "load_from", "pretrained")
SUFFIXES = (".pth", ".pt", ".ckpt")


def checkpoint_digests(tree: ast.Module, config: Path, required: bool) -> list[str]:
    """Return the SHA-256 of every checkpoint file that a config names, ordered by their names in the config.

    Args:
        tree: The parsed config.
        config: Its path, for `{{ fileDirname }}` and for messages.
        required: Whether a checkpoint of `KEYS` must be a file. Not for a base, whose values the config may replace.

    Raises:
        UserError: A required checkpoint is remote or missing, or a file cannot be read.
    """
    keyed = set(_keyed_texts(tree))
    digests = []
    for name in sorted(keyed | {text for text in _texts(tree) if text.endswith(SUFFIXES)}):
        if "{{" in name.replace("{{ fileDirname }}", ""):
            continue  # mmengine replaces it by a value of a base, which is searched for its own checkpoints
        try:
            path = Path(name.replace("{{ fileDirname }}", str(config.parent))).expanduser()
            if path.is_file():
                digests.append(sha256(path))
                continue
        except (OSError, RuntimeError) as error:  # RuntimeError: the home folder of an unknown user
            reason = error.strerror if isinstance(error, OSError) else error
            raise UserError(
                f"could not read the checkpoint {name:.200} of {config}: {reason}; check its path"
            ) from error
        if required and name in keyed:
            raise UserError(f"{config}: {missing_checkpoint(name)}")
    return digests


def missing_checkpoint(name: str) -> str:
    """Return what is wrong with a checkpoint that is not a local file, and what to do."""
    if "://" in name:
        return f"the checkpoint {name} is not a file; download it, compare its SHA-256, and give its path"
    return f"the checkpoint {name} does not exist; download it (docs/pretrained.md), or correct its path"


def _keyed_texts(tree: ast.Module) -> Iterator[str]:
    assigned = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    values: list[ast.expr] = [value for name, value in assigned.items() if name in KEYS]
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg in KEYS:
            values.append(node.value)
        elif isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value in KEYS:
                    values.append(value)
    for value in values:
        text = assigned.get(value.id, value) if isinstance(value, ast.Name) else value
        if isinstance(text, ast.Constant) and isinstance(text.value, str) and text.value:
            yield text.value


def _texts(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
