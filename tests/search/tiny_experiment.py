"""A tiny experiment on the embedded scenes: 2 steps an epoch, every stage in seconds."""

from ssr_mmseg import settings

DATASET = "town"
EXPERIMENT = {
    "device": "cpu",
    "networks": ["searched"],
    "datasets": {
        DATASET: {"type": "streets", "size": [32, 64], "options": {"train": 16, "val": 2, "test": 2, "seed": 1}}
    },
    "search": {
        "space": {
            "stages": [{"blocks": 2, "channels": 20, "width_step": 2}, {"blocks": 2, "channels": 24, "width_step": 2}],
            "dilations": [1, 2],
            "resolutions": [1, 2],
            "width_options": 3,
        },
        "epochs": 2,
        "shrink_stages": 1,
        "shrink_epochs": 1,
        "batch_size": 4,
        "threshold": 0.8,  # some options die in the first epoch, so that the second stage is cut
    },
    "retrain": {"epochs": 1, "batch_size": 4},
    "evaluate": {"frames": 0},
}


def experiment(**search) -> dict:
    """The completed configuration, with some keys of `search` changed."""
    return settings.complete(settings.merge(EXPERIMENT, {"search": search}))
