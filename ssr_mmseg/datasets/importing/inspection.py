"""Inspection of labeled images: what there is in each split, what is doubtful, and settings to begin with."""

import math
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from ssr_mmseg.datasets.contact_sheet import Sample, spread
from ssr_mmseg.datasets.image_files import decode, read_image_file
from ssr_mmseg.datasets.importing.orientation import turn_upright
from ssr_mmseg.datasets.importing.plan import SPLITS, ImportPlan
from ssr_mmseg.datasets.importing.survey import IMAGE_FORMATS, Surveyed
from ssr_mmseg.datasets.preparation.data_warnings import check_usable, data_warnings, similar_images
from ssr_mmseg.datasets.preparation.similarity import fingerprint
from ssr_mmseg.datasets.preparation.split_summary import split_summary
from ssr_mmseg.datasets.preparation.verify import CheckedPair, hashed

MOST_PIXELS = 512 * 1024  # of a suggested input size
STEP, LEAST_STEP = 32, 8  # suggested sides are multiples of it: of images that are scaled down, and of others
SEARCH_STEPS, RETRAIN_STEPS = 9000, 22000  # of the full experiment on CamVid, config/camvid.yaml
SHRINK_STAGES = 3
RARE = 0.001  # share of the labeled pixels of train, below which a class is noted as rare


def inspect_plan(plan: ImportPlan, name: str) -> dict[str, Any]:
    """Return counts, warnings and suggested settings of the data that a plan reads.

    Raises:
        UserError: An image is damaged, or the data cannot be learned from.
    """
    by_split = checked_pairs(plan)
    classes = plan.label_map.classes
    check_usable(name, classes, by_split)
    warnings = [*data_warnings(classes, by_split, _image_folders(by_split)), *rare_classes(classes, by_split)]
    splits = {split: split_summary(by_split[split]) for split in (*SPLITS, "all") if split in by_split}
    if "all" in splits:
        warnings.append(
            "the images are in no splits; add split: {val: 0.15, test: 0.15, seed: 0} to the dataset's entry"
        )
    return {
        "source": str(plan.source),
        "layout": plan.layout,
        "classes": list(classes),
        "splits": splits,
        "notes": plan.notes,
        "warnings": warnings,
        "suggested": suggestion(splits),
    }


def checked_pairs(plan: ImportPlan) -> dict[str, list[CheckedPair]]:
    """Decode the images of a plan, and return what verification would find, by split; `all` if there are none."""
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        pairs = list(pool.map(lambda one: checked_pair(one, plan), plan.surveyed))
    by_split: dict[str, list[CheckedPair]] = {}
    for one, pair in zip(plan.surveyed, pairs, strict=True):
        by_split.setdefault(one.pair.split or "all", []).append(pair)
    return by_split


def similar_whole_images(plan: ImportPlan) -> list[str]:
    """Return warnings about similar images in different splits of a plan."""
    pairs = checked_pairs(plan)
    return list(similar_images(pairs, _image_folders(pairs)))


def _image_folders(pairs: Mapping[str, Sequence[CheckedPair]]) -> dict[str, Path]:
    return {split: Path(os.path.commonpath([pair.image.parent for pair in found])) for split, found in pairs.items()}


def checked_pair(one: Surveyed, plan: ImportPlan) -> CheckedPair:
    """Decode an image of a plan, and return what verification would find; counts at 1/8 are left at 0."""
    pair = one.pair
    data = read_image_file(pair.image)
    photo = decode(pair.image, data, IMAGE_FORMATS)
    pixels = plan.label_map.class_pixels(one.codes, one.counts, pair.label.path)
    upright = ImageOps.exif_transpose(photo) if one.orientation != 1 else photo
    return CheckedPair(
        image=pair.image,
        label=pair.label.path,
        image_sha256=hashed(data),
        label_sha256="",
        size=(upright.height, upright.width),
        orientation=one.orientation,
        pixels=pixels,
        pixels_eighth=np.zeros_like(pixels),
        ignored=int(one.counts.sum() - pixels.sum()),
        fingerprint=fingerprint(upright),
    )


def rare_classes(classes: Sequence[str], checked: Mapping[str, Sequence[CheckedPair]]) -> list[str]:
    """Return a line about classes that are rare in training."""
    pairs = checked.get("train") or checked.get("all") or ()
    pixels = np.sum([pair.pixels for pair in pairs], axis=0)
    shares = pixels / max(1, pixels.sum())
    rare = [f"{name} ({100 * share:.2g} %)" for name, share in zip(classes, shares, strict=True) if 0 < share < RARE]
    return [f"rare classes, under {100 * RARE:g} % of the labeled pixels: {', '.join(rare[:5])}"] if rare else []


def suggestion(splits: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return an input size, a batch size and lengths to begin with."""
    sizes: Counter[tuple[int, int]] = Counter()
    for split in splits.values():
        for entry in split["sizes"]:
            sizes[tuple(entry["size"])] += entry["images"]
    height, width = sizes.most_common(1)[0][0]
    scale = min(1.0, math.sqrt(MOST_PIXELS / (height * width)))
    step = STEP if scale < 1 else LEAST_STEP
    images = splits["train" if "train" in splits else "all"]["images"]
    batch = min(8, max(2, images // 8))
    steps = max(1, images // batch)  # per epoch
    search = math.ceil(SEARCH_STEPS / steps / (1 + SHRINK_STAGES))
    return {
        "size": [max(STEP, round(side * scale / step) * step) for side in (height, width)],
        "search": {"epochs": search, "shrink_epochs": search, "shrink_stages": SHRINK_STAGES, "batch_size": batch},
        "retrain": {"epochs": math.ceil(RETRAIN_STEPS / steps), "batch_size": batch},
    }


def samples(plan: ImportPlan, per_split: int) -> list[Sample]:
    """Return evenly spaced images of each split with their class ids."""
    chosen = []
    for split in (*SPLITS, None):
        found = [one for one in plan.surveyed if one.pair.split == split]
        chosen += [found[position] for position in spread(len(found), per_split)] if found else []
    return [_sample(one, plan) for one in chosen]


def _sample(one: Surveyed, plan: ImportPlan) -> Sample:
    pair = one.pair
    photo: Image.Image = decode(pair.image, read_image_file(pair.image), IMAGE_FORMATS)
    photo = ImageOps.exif_transpose(photo) if one.orientation != 1 else photo
    ids = plan.label_map.apply(pair.label.read(), pair.label.path)
    return Sample(f"{pair.split or 'all'}: {pair.key}", photo, turn_upright(ids, one.orientation) if one.raw else ids)
