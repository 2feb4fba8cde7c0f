"""Summary of the pairs of a split: counts of images, sizes and pixels."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from ssr_mmseg.datasets.preparation.verify import CheckedPair

MOST_SIZES = 5  # different sizes that are listed


def split_summary(pairs: Sequence[CheckedPair]) -> dict[str, Any]:
    """Return the entry of a split in the manifest."""
    sizes = [pair.size for pair in pairs]
    by_area = sorted(sizes, key=lambda size: (size[0] * size[1], size))
    return {
        "images": len(pairs),
        "sizes": [{"size": list(size), "images": n} for size, n in Counter(sizes).most_common(MOST_SIZES)],
        "smallest": list(by_area[0]),
        "largest": list(by_area[-1]),
        "pixels": np.sum([pair.pixels for pair in pairs], axis=0).tolist(),
        "pixels_eighth": np.sum([pair.pixels_eighth for pair in pairs], axis=0).tolist(),
        "class_images": np.sum([pair.pixels > 0 for pair in pairs], axis=0).tolist(),
        "ignored": sum(pair.ignored for pair in pairs),
    }
