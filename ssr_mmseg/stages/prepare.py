"""Stage `prepare`: fetch or render a dataset, verify it and count its classes."""

from ssr_mmseg import settings
from ssr_mmseg.datasets.preparation.prepare import prepare as prepare_dataset


def prepare(config: dict, dataset: str) -> None:
    """Prepare the data of a scenario; its manifest is written last.

    Raises:
        UserError: The settings, the source or a file of the dataset is malformed.
    """
    manifest = settings.manifest_path(config, dataset)
    made_from = settings.made_from(config, "prepare", dataset)
    prepare_dataset(settings.for_dataset(config, dataset)["dataset"], manifest.parent, made_from)
