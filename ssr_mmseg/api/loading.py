"""`ssr_mmseg.load`: a network from the files of a result, of a genotype or of an export."""

from pathlib import Path

from ssr_mmseg.api.base import Network
from ssr_mmseg.utils.errors import UserError


def load(
    source: str | Path,
    weights: str | Path | None = None,
    *,
    size: tuple[int, int] | None = None,
    device: str = "auto",
) -> Network:
    """Load a trained network.

    An exported file and a genotype are data. A `config.py` is Python and runs when it is loaded: load your own.

    Args:
        source: Folder of a retraining with `config.py` and `weights.pth`, such as
            `results/streets/seed0/retrain/searched`; a genotype (`.json`) or a config (`.py`), with `weights`; or a
            file (`.onnx`) of `ssr-mmseg export`, which runs without torch.
        weights: The weights of a genotype or config: `weights.pth` of its retraining.
        size: Height and width of the input of a genotype whose weights do not give it.
        device: `auto` (a GPU if PyTorch can use one, otherwise the CPU), `cpu` or `cuda`. An exported file uses a GPU
            only if asked, by `cuda`.

    Raises:
        UserError: A file is missing, of another kind, damaged or does not fit the others.

    Example:
        >>> net = ssr_mmseg.load("results/streets/seed0/retrain/searched")
        >>> labels = net.predict("photo.jpg")
    """
    path = Path(source)
    pair = path.suffix in (".json", ".py")
    if (weights is None) == pair or (size is not None and path.suffix != ".json"):
        problem = "needs its weights too" if pair else "takes no weights; size is for a genotype only"
        raise UserError(f"{path} {problem}; see the docstring of ssr_mmseg.load")
    if path.is_dir():
        config, weights = path / "config.py", path / "weights.pth"
        missing = [file.name for file in (config, weights) if not file.is_file()]
        if missing:
            raise UserError(
                f"{path} has no {' and no '.join(missing)}; expected the folder of a retrained network, such as "
                "results/streets/seed0/retrain/searched"
            )
        from ssr_mmseg.api.trained import load_config

        return load_config(config, weights, device, path)
    if not path.is_file():
        raise UserError(f"{path} not found; expected the folder of a retrained network, a genotype or an exported file")
    if path.suffix == ".onnx":
        from ssr_mmseg.api.exported import OnnxNetwork

        if device not in ("auto", "cpu", "cuda"):
            raise UserError(f"expected device auto, cpu or cuda, found {device!r}; correct it")
        return OnnxNetwork(path, "cuda" if device == "cuda" else "cpu")
    if weights is not None:
        from ssr_mmseg.api.trained import load_config, load_pair

        if path.suffix == ".py":
            return load_config(path, Path(weights), device, path)
        return load_pair(path, Path(weights), size, device)
    raise UserError(
        f"{path} is of no known type; expected a folder, a genotype (.json), a config (.py) or an exported file (.onnx)"
    )
