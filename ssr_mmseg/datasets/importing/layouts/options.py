"""What a configuration may say about the layout of a source, instead of leaving it to detection."""

from dataclasses import dataclass

from ssr_mmseg.utils.errors import UserError


@dataclass(frozen=True)
class LayoutOptions:
    """Options of a layout.

    Attributes:
        type: Name of a layout; None to detect it.
        images: Folder of the images below the source, for example `photos`; None to detect it.
        labels: Folder of the labels.
        image_suffix: End of the images' names before the dot that labels do not have, such as `_leftImg8bit`.
        label_suffix: End of the labels' names before the dot that images do not have, such as `_mask`.
    """

    type: str | None = None
    images: str | None = None
    labels: str | None = None
    image_suffix: str | None = None
    label_suffix: str | None = None

    def __post_init__(self) -> None:
        for name in (self.images, self.labels):
            if name is not None and (name.startswith(("/", "~")) or ".." in name.split("/")):
                raise UserError(f"layout names the folder {name}, expected one below the source, such as photos")
