"""The project files that names in a configuration stand for: networks, dataset types, mmengine configs."""

import ast
import hashlib
from collections.abc import Iterable
from pathlib import Path

from ssr_mmseg.settings import paths
from ssr_mmseg.settings.cache import remembered
from ssr_mmseg.utils.errors import UserError

DATASET_TYPES = "config/mmseg/datasets"


def network_kind(network: str) -> str:
    """What stands behind a network's name: searched, random, published (a genotype) or baseline (an mmseg model).

    Raises:
        UserError: there is neither a genotype nor a baseline of that name.
    """
    if network in ("searched", "random"):
        return network
    folders = {"published": ("config/genotypes", ".json"), "baseline": ("config/mmseg/baselines", ".py")}
    for kind, (folder, suffix) in folders.items():
        if any((root / folder / f"{network}{suffix}").is_file() for root in (Path(), paths.PROJECT)):
            return kind
    known = {
        path.stem
        for root in (Path(), paths.PROJECT)
        for folder, suffix in folders.values()
        for path in (root / folder).glob(f"*{suffix}")
    }
    raise UserError(f"unknown network {network}; known are: searched, random, {', '.join(sorted(known))}")


def peers(networks: Iterable[str]) -> list[str]:
    """`networks`, and after them every genotype and baseline that has a file and is not among them."""
    folders = (("config/genotypes", ".json"), ("config/mmseg/baselines", ".py"))
    files = (
        path
        for root in (Path(), paths.PROJECT)
        for folder, suffix in folders
        for path in (root / folder).glob(f"*{suffix}")
    )
    return list(dict.fromkeys([*networks, *sorted(path.stem for path in files)]))


@remembered
def network_file(network: str) -> Path | None:
    """The genotype or mmengine file that defines a network, or None for one that a search or a draw yields."""
    kind = network_kind(network)
    if kind == "published":
        return paths.project_file(f"config/genotypes/{network}.json")
    if kind == "baseline":
        return paths.project_file(f"config/mmseg/baselines/{network}.py")
    return None


@remembered
def dataset_file(dataset_type: str) -> Path:
    """The mmengine file that says how a type of dataset is read.

    Raises:
        UserError: there is no such type.
    """
    try:
        return paths.project_file(f"{DATASET_TYPES}/{dataset_type}.py")
    except UserError:
        known = {path.stem for root in (Path(), paths.PROJECT) for path in (root / DATASET_TYPES).glob("*.py")}
        raise UserError(f"unknown dataset type {dataset_type}; known are: {', '.join(sorted(known))}") from None


def defining_file(network: str) -> Path:
    """The file that defines a published network or a baseline.

    Raises:
        UserError: the network is defined by a search or a draw.
    """
    file = network_file(network)
    if file is None:
        raise UserError(f"network {network} is not defined by a file; it comes from the search")
    return file


@remembered
def mmengine_digest(path: Path) -> str:
    """Digest of what an mmengine config file says, with its `_base_` files: comments and layout do not count.

    A base inside an installed package (`mmseg::…`) counts by its name.
    """
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        parts = [ast.dump(tree)]
        for node in tree.body:
            if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "_base_" for t in node.targets):
                bases = ast.literal_eval(node.value)
                for base in [bases] if isinstance(bases, str) else bases:
                    if "::" in base:
                        continue
                    if not (path.parent / base).is_file():
                        raise UserError(f"{path} has the base {base}, which is not there; check its _base_")
                    parts.append(mmengine_digest(path.parent / base))
    except UserError:
        raise
    except (SyntaxError, ValueError, RecursionError, OSError) as error:
        raise UserError(f"{path} is not a valid mmengine config: {error}") from error
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
