"""The splits of a prepared dataset, as mmseg dataset configs with a pipeline."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from mmseg.registry import DATASETS

from ssr_mmseg.datasets.importing.clean_copy import WHOLE
from ssr_mmseg.experiment.mmseg_config import RESIZES, resized
from ssr_mmseg.settings.prepared_files import FileRecord, again, changed_files, read_records, summary
from ssr_mmseg.utils.errors import UserError


@dataclass(frozen=True)
class PreparedData:
    """The splits of a prepared dataset.

    Attributes:
        dataset: Name of the dataset, for messages.
        splits: Dataset config without pipeline of each split, or None for a split without labels.
        manifest: Its manifest.
        manifest_path: The file with the manifest.
        size: Height and width of the network's input.
    """

    dataset: str
    splits: Mapping[str, dict | None]
    manifest: Mapping[str, Any]
    manifest_path: Path
    size: tuple[int, int]
    _checked: set[str] = field(default_factory=set, init=False, repr=False, compare=False)  # splits

    def __post_init__(self) -> None:
        for split, config in self.splits.items():
            if config is None and self.manifest["splits"][split]:  # a stage would skip it silently
                raise UserError(f"dataset {self.dataset}: the folders of {split} are missing; {self._remedy}")
            if config is not None and not self.manifest["splits"][split]:
                raise UserError(
                    f"dataset {self.dataset}: it had no {split} when it was prepared, and has one now; remove it, or "
                    f"{again(self.manifest_path)}"
                )

    def image_count(self, splits: Sequence[str]) -> int:
        """Return the number of images in the given splits."""
        return sum(self.manifest["splits"][split]["images"] for split in splits)

    def configs(self, config: Mapping[str, Any], splits: Sequence[str]) -> dict[str, Any]:
        """Return what the data decide about the loaders of an mmengine config, by dotted key.

        Args:
            config: The mmengine config.
            splits: The splits to train on.

        Raises:
            UserError: A split has no labels or other images than were prepared, or a loader has no pipeline.
        """
        parts = [self.split(split, config, "train_dataloader") for split in splits]
        data = parts[0] if len(parts) == 1 else {"type": "ConcatDataset", "datasets": parts}
        return {
            "train_dataloader.dataset": data,
            "val_dataloader.dataset": self.split("val", config, "val_dataloader"),
        }

    def split(self, split: str, config: Mapping[str, Any], loader: str) -> dict:
        """Return the dataset config of a split, with the pipeline of a loader of `config`.

        Raises:
            UserError: See `configs`.
        """
        try:
            pipeline = config[loader]["dataset"]["pipeline"]
        except (KeyError, TypeError):
            raise UserError(
                f"the mmengine config {getattr(config, 'filename', '')} has no {loader}.dataset.pipeline; add it"
            ) from None
        return {**self._prepared(split), "pipeline": resized(pipeline, self.size)}

    def whole(self, split: str, config: Mapping[str, Any]) -> dict:
        """Return the dataset config of a split's whole images, where the split itself has tiles of them.

        The pipeline is that of `val_dataloader`, without its resizes: a window slides over each image.

        Raises:
            UserError: See `configs`.
        """
        tiled = self.split(split, config, "val_dataloader")
        prefix = {key: f"{split}{WHOLE}/{Path(path).name}" for key, path in tiled["data_prefix"].items()}
        steps = [step for step in tiled["pipeline"] if step["type"] not in RESIZES]
        return {**tiled, "data_prefix": prefix, "pipeline": steps}

    @property
    def _remedy(self) -> str:
        return f"restore them, or {again(self.manifest_path)}"

    @cached_property
    def _records(self) -> list[FileRecord]:
        return read_records(self.manifest_path, self.manifest)

    def _prepared(self, split: str) -> dict:
        """Return the dataset config of a split, after checking that its files are those that were prepared.

        Raises:
            UserError: The split has no labels, or files are missing, new or changed.
        """
        config = self.splits[split]
        if config is None:
            raise UserError(f"dataset {self.dataset} has no labels for {split}; use train and val")
        if split in self._checked:
            return config
        records = [record for record in self._records if record.split == split]
        if changed := changed_files(Path(self.manifest["root"]), records):
            raise UserError(f"dataset {self.dataset}: {summary(changed, len(records))}; {self._remedy}")
        if not all(_is_folder(config, prefix) for prefix in config["data_prefix"].values()):
            raise UserError(f"dataset {self.dataset}: the folders of {split} are missing; {self._remedy}")
        # mmseg lists the folder: it would continue with other images. Without serialization it accepts an empty one.
        count = len(DATASETS.build({**config, "pipeline": [], "serialize_data": False}))
        prepared = self.image_count([split])
        if count != prepared:
            raise UserError(
                f"dataset {self.dataset}: {split} has {count} images, expected the {prepared} that were prepared; "
                f"{self._remedy}"
            )
        self._checked.add(split)
        return config


def _is_folder(config: Mapping[str, Any], prefix: str) -> bool:
    return (Path(config.get("data_root") or "") / prefix).is_dir()
