"""Base class of the project's own mmseg datasets."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from mmseg.datasets import BaseSegDataset

from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import walk_files

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")


class PairedDataset(BaseSegDataset):
    """PNG or JPEG images, possibly mixed, each with a PNG label of the same stem in another folder.

    Args:
        ignore: Label values that training and evaluation ignore; they are mapped to 255.
        kwargs: Arguments of mmseg's `BaseSegDataset`.
    """

    def __init__(self, ignore: Iterable[int] = (255,), **kwargs) -> None:
        self.ignore = tuple(ignore)
        super().__init__(**kwargs)

    def get_label_map(self, new_classes: Sequence[str] | None = None) -> dict[int, int] | None:
        """Return mmseg's map from label values in files to the network's, with every ignored value mapped to 255."""
        label_map = dict(super().get_label_map(new_classes) or {})
        label_map |= {value: self.ignore_index for value in self.ignore if value != self.ignore_index}
        return label_map or None

    def load_data_list(self) -> list[dict]:
        """Return the pairs of image and label paths, sorted by the image's path.

        Raises:
            UserError: Two images have the same stem and would share one label.
        """
        images = Path(self.data_prefix["img_path"])
        labels = Path(self.data_prefix["seg_map_path"])
        pairs: dict[Path, dict] = {}
        for image in sorted(images / name for name in walk_files(images)) if images.is_dir() else ():
            if image.suffix.lower() not in IMAGE_SUFFIXES or not image.is_file():
                continue
            label = (labels / image.relative_to(images)).with_suffix(self.seg_map_suffix)
            if label in pairs:
                raise UserError(f"{pairs[label]['img_path']} and {image} share the label {label.name}; remove one")
            pairs[label] = {
                "img_path": str(image),
                "seg_map_path": str(label),
                "label_map": self.label_map,
                "reduce_zero_label": self.reduce_zero_label,
                "seg_fields": [],
            }
        return list(pairs.values())
