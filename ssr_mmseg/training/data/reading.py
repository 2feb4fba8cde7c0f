"""Reading of images and labels that were changed after they were verified: an error names the file."""

from pathlib import Path
from typing import Any

from mmengine.dataset import Compose
from PIL import Image

from ssr_mmseg.datasets.image_files import decode, orientation, read_image_file
from ssr_mmseg.datasets.importing.orientation import upright_size
from ssr_mmseg.datasets.preparation.verify import LABEL_MODES
from ssr_mmseg.utils.errors import UserError

REMEDY = "restore it, or run prepare again"


class DataError(UserError):
    """An image or a label that cannot be read, or that does not fit the other; also if a loader process found it."""

    def __init__(self, message: str) -> None:
        if message.startswith("Caught "):  # torch puts the traceback of a loader process before the message
            message = message.splitlines()[-1].partition(f"{type(self).__name__}: ")[2]
        super().__init__(message)


class CheckedPipeline(Compose):
    """The pipeline of a dataset; where it fails because of a file, the error names that file.

    Decoders return None for one damaged file, raise their own errors for another, and a label of another size than its
    image goes unnoticed until it is compared with a prediction.

    Args:
        pipeline: The pipeline.

    Raises:
        DataError: When called for a sample whose files cannot be read or do not fit each other.
    """

    def __init__(self, pipeline: Compose) -> None:
        self.transforms = pipeline.transforms

    def __call__(self, data: dict) -> dict | None:
        image, label = data.get("img_path"), data.get("seg_map_path")
        compared = False
        try:
            for transform in self.transforms:
                data = transform(data)
                if data is None:  # the dataset would take another sample
                    check_files(image, label)
                    return None
                if not compared and "gt_seg_map" in data and "ori_shape" in data:
                    compared = True
                    if data["gt_seg_map"].shape != tuple(data["ori_shape"]):
                        check_files(image, label)
            return data
        except UserError:
            raise
        except Exception as error:  # decoders raise all kinds of errors on damaged bytes
            check_files(image, label)
            if isinstance(error, OSError):
                raise DataError(
                    f"could not read {error.filename or image}: {error.strerror or error}; put it back, then run again "
                    "to resume"
                ) from error
            raise


def check_reading(dataset: Any) -> Any:
    """Give a dataset, and those within it, pipelines whose errors name the file; return the dataset."""
    for inner in (*getattr(dataset, "datasets", ()), getattr(dataset, "dataset", None)):
        if inner is not None:
            check_reading(inner)
    pipeline = getattr(dataset, "pipeline", None)
    if isinstance(pipeline, Compose) and not isinstance(pipeline, CheckedPipeline):
        dataset.pipeline = CheckedPipeline(pipeline)
    return dataset


def check_files(image: str | None, label: str | None) -> None:
    """Read the files of a sample as `prepare` did.

    Raises:
        DataError: One is missing or damaged, or they do not fit each other.
    """
    photo = _decoded("image", image, ("PNG", "JPEG")) if image else None
    values = _decoded("label", label, ("PNG",)) if label else None
    if values is None:
        return
    if values.mode not in LABEL_MODES:
        raise DataError(
            f"label {label} has pixels of mode {values.mode}, expected one 8-bit channel as when the data were "
            f"prepared; {REMEDY}"
        )
    if photo is None:
        return
    height, width = upright_size((photo.height, photo.width), orientation(photo))
    if (values.height, values.width) != (height, width):
        raise DataError(
            f"image {image} is {height}x{width} but its label {label} is {values.height}x{values.width}; they had one "
            f"size when the data were prepared; {REMEDY}"
        )


def _decoded(kind: str, path: str, formats: tuple[str, ...]) -> Image.Image:
    """Decode a file of a sample."""
    if not Path(path).is_file():
        raise DataError(f"could not read {kind} {path}: no such file; put it back, then run again to resume")
    try:
        return decode(Path(path), read_image_file(Path(path)), formats)
    except UserError as error:
        raise DataError(
            f"{kind} {path} cannot be decoded; it was sound when the data were prepared; {REMEDY}"
        ) from error
