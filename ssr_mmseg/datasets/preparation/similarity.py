"""Images that show the same picture in several splits, and sequences of which several splits have frames.

Either makes scores look better than they are. Both are found by small gray thumbnails, so that they are found in files
that differ: another format, size, quality or brightness, or a watermark.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from PIL import Image

from ssr_mmseg.datasets.importing.sequences import sequence_of

SHAPE = (32, 36)  # height and width of a fingerprint
GRID = (8, 9)  # blocks of 4x4 cells; the signs of their 8x8 differences are the difference hash (dHash)

# Two images show the same picture if they are this close by each of three measures. The last tells an image that was
# saved again from the next frame of a standing camera, where only something small has moved.
HASH_BITS = 10  # of 64
MEAN_DIFFERENCE = 0.12  # of cells, in standard deviations of the image
LOCAL_DIFFERENCE = 0.22  # largest of any cell, in standard deviations of the image
NEAREST = 16  # candidates that are compared with an image, at most
FLAT = 4.0  # gray levels; images of a smaller standard deviation are compared with nothing

# Frames of nearest numbers in two splits are those of one video if their median difference is less than these shares of
# that of random pairs: of images of different sequences, and of images far apart in the sequence, unless the camera is
# fixed, so that these are alike, too.
UNRELATED_SHARE = 0.65
FAR_APART_SHARE = 0.8
FIXED_SHARE = 0.3  # of images of different sequences
NEAREST_FRAMES = 15  # pairs of frames that are compared, at most
FEW_FRAMES = 5  # fewer pairs may be alike by chance
RANDOM_PAIRS = 2000


@dataclass(frozen=True)
class SamePictures:
    """Images of two splits that show the same picture; each of `pairs` is the names of an image of either split."""

    splits: tuple[str, str]
    pairs: tuple[tuple[str, str], ...]

    @property
    def message(self) -> str:
        """Return the finding in one line."""
        (first, second), more = self.pairs[0], len(self.pairs) - 1
        others = f", and {more} more pair{'s' if more > 1 else ''}" if more else ""
        one = "one of each" if more else "one of them"
        return (
            f"{self.splits[0]} and {self.splits[1]} show the same picture: {first} and {second}{others}; "
            f"remove {one}, or scores look better than they are"
        )


@dataclass(frozen=True)
class SharedSequence:
    """A sequence of which several splits have frames.

    Attributes:
        sequence: Its name.
        frames: Number of its frames in each of these splits.
        example: Keys of two frames that follow one another, in different splits.
    """

    sequence: str
    frames: dict[str, int]
    example: tuple[str, str]

    @property
    def message(self) -> str:
        """Return the finding in one line."""
        *first, last = [f"{split} ({count})" for split, count in self.frames.items()]
        return (
            f"{', '.join(first)} and {last} have frames of the same sequence {self.sequence}, such as "
            f"{self.example[0]} and {self.example[1]}; keep it in one split, or scores look better than they are"
        )


def fingerprint(photo: Image.Image) -> np.ndarray:
    """Return a gray thumbnail of an image, (32, 36), uint8, whatever its size and shape."""
    if photo.mode.startswith("I"):  # 16 bits, which `convert` would clip to 8
        photo = Image.fromarray((np.asarray(photo) >> 8).clip(0, 255).astype(np.uint8))
    # Pillow's BOX takes whole pixels only, so that another size of the image would give other thumbnails.
    small = photo.convert("L").resize(SHAPE[::-1], Image.Resampling.HAMMING, reducing_gap=3.0)
    return np.array(small)


def near_duplicates(fingerprints: Mapping[str, np.ndarray], names: Mapping[str, Sequence[str]]) -> list[SamePictures]:
    """Return the pairs of images in different splits that show the same picture, for every two splits that have some.

    Recompressed, resized or slightly brightened images and those with a watermark in a corner show the same picture;
    frames of a standing camera in which something moved do not. Nearly flat images are left out. Of more than 16 images
    that resemble an image, only the 16 most similar are compared with it.

    Args:
        fingerprints: Fingerprints of each split's images, (N, 32, 36).
        names: Names of each split's images, in the same order.
    """
    blocks = {split: _blocks(prints) for split, prints in fingerprints.items()}
    usable = {split: np.flatnonzero(_contrast(grid) >= FLAT) for split, grid in blocks.items()}
    hashes = {split: _hashes(grid[usable[split]]) for split, grid in blocks.items()}
    findings = []
    for first, second in combinations(fingerprints, 2):
        few, many = sorted((first, second), key=lambda split: len(names[split]))
        pairs = []
        for row, rows in _candidates(hashes[few], hashes[many]):
            image, others = usable[few][row], usable[many][rows]
            same = _same_picture(fingerprints[few][image], fingerprints[many][others])
            pairs += [(names[few][image], names[many][other]) for other in others[same]]
        if pairs:
            pairs = pairs if few == first else [(other, image) for image, other in pairs]
            findings.append(SamePictures((first, second), tuple(sorted(pairs))))
    return findings


def shared_sequences(keys: Mapping[str, Sequence[str]], fingerprints: Mapping[str, np.ndarray]) -> list[SharedSequence]:
    """Return the sequences of which several splits have frames that follow one another.

    Names alone do not tell a video from numbered photographs. So the frames of nearest numbers in two splits are
    compared: in a video, they differ less than random pairs of images of different sequences and less than images far
    apart in the sequence. Nearly flat images are left out.

    Args:
        keys: Keys of each split's images, see `ssr_mmseg.datasets.importing.sequences`.
        fingerprints: Their fingerprints in the same order, (N, 32, 36).
    """
    grids = np.concatenate([_blocks(fingerprints[split]) for split in keys])
    images = [(split, key, *sequence_of(key)) for split in keys for key in keys[split]]
    usable = np.flatnonzero(_contrast(grids) >= FLAT)
    images = [images[index] for index in usable]
    grids = _normalize(grids[usable].reshape(len(usable), GRID[0] * GRID[1]))  # (N, 72)
    numbers = np.array([np.nan if number is None else float(number) for *_, number in images])
    members: dict[str, dict[str, list[int]]] = {}  # frames of each split, by sequence
    for index, (split, _, sequence, number) in enumerate(images):
        if number is not None:
            members.setdefault(sequence, {}).setdefault(split, []).append(index)

    pairs = {
        (sequence, first, second): _nearest_frames(np.array(frames[first]), np.array(frames[second]), numbers)
        for sequence, frames in sorted(members.items())
        for first, second in combinations(frames, 2)
    }
    near = {place: _differences(grids, frames) for place, frames in pairs.items()}
    # Sequences with few pairs are judged together, too.
    few = np.concatenate([[], *(values for values in near.values() if len(values) < FEW_FRAMES)])
    together = np.median(few) if len(few) >= FEW_FRAMES else np.inf
    unrelated = _median_unrelated(grids, [sequence for _, _, sequence, _ in images])
    findings: dict[str, SharedSequence] = {}
    for place, values in near.items():
        sequence, *splits = place
        median = np.median(values) if len(values) >= FEW_FRAMES else max(np.median(values), together)
        frames = np.concatenate(list(members[sequence].values()))
        if _is_video(median, unrelated, _median_far_apart(grids, frames, numbers)):
            first, second = (images[index][1] for index in pairs[place][0])
            finding = findings.setdefault(sequence, SharedSequence(sequence, {}, (first, second)))
            finding.frames.update({split: len(members[sequence][split]) for split in splits})
    return list(findings.values())


def _is_video(near: float, unrelated: float, far_apart: float) -> bool:
    """Return whether images are frames of a video, by median differences; NaN if there are no such pairs."""
    usual = far_apart if np.isnan(unrelated) else unrelated
    if np.isnan(usual) or near >= UNRELATED_SHARE * usual:
        return False
    return np.isnan(far_apart) or near < max(FAR_APART_SHARE * far_apart, FIXED_SHARE * usual)


def _nearest_frames(first: np.ndarray, second: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Return the pairs of images of two splits with the nearest frame numbers, the nearest first, (pairs, 2).

    Each image of the split with fewer is in one pair at most.
    """
    if len(first) > len(second):
        return _nearest_frames(second, first, numbers)[:, ::-1]
    second = second[np.argsort(numbers[second], kind="stable")]
    middles = (numbers[second][1:] + numbers[second][:-1]) / 2
    partners = second[np.searchsorted(middles, numbers[first])]
    nearest = np.argsort(np.abs(numbers[first] - numbers[partners]), kind="stable")[:NEAREST_FRAMES]
    return np.stack([first[nearest], partners[nearest]], axis=1)


def _median_unrelated(grids: np.ndarray, sequences: Sequence[str]) -> float:
    """Return the median difference of random pairs of images of different sequences; NaN if they hardly exist."""
    ids = np.unique(np.array(sequences, dtype=str), return_inverse=True)[1]
    pairs = np.random.default_rng(0).integers(max(len(ids), 1), size=(10 * RANDOM_PAIRS, 2))
    pairs = pairs[ids[pairs[:, 0]] != ids[pairs[:, 1]]] if len(ids) else pairs[:0]
    return float(np.median(_differences(grids, pairs[:RANDOM_PAIRS]))) if len(pairs) > RANDOM_PAIRS / 10 else np.nan


def _median_far_apart(grids: np.ndarray, frames: np.ndarray, numbers: np.ndarray) -> float:
    """Return the median difference of random pairs of frames that are more than a third of their sequence apart.

    NaN if there are few frames.
    """
    if len(frames) < 2 * FEW_FRAMES:
        return np.nan
    pairs = frames[np.random.default_rng(0).integers(len(frames), size=(RANDOM_PAIRS, 2))]
    far = np.abs(numbers[pairs[:, 0]] - numbers[pairs[:, 1]]) > np.ptp(numbers[frames]) / 3
    return float(np.median(_differences(grids, pairs[far]))) if far.any() else np.nan


def _differences(grids: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Return the mean difference of the blocks of each pair of images, (pairs,)."""
    return np.abs(grids[pairs[:, 0]] - grids[pairs[:, 1]]).mean(1)


def _candidates(few: np.ndarray, many: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the index of each hash of `few` that has similar ones in `many`, and their indices, (1 to 16,)."""
    for start in range(0, len(few), 256):
        bits = (few.shape[1] - few[start : start + 256] @ many.T) / 2  # that differ, (256, M)
        for row in np.flatnonzero((bits <= HASH_BITS).any(1)).tolist():
            similar = np.flatnonzero(bits[row] <= HASH_BITS)
            yield start + row, similar[np.argsort(bits[row, similar], kind="stable")[:NEAREST]]


def _same_picture(image: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return whether each of some fingerprints, (k, 32, 36), shows the same picture as another, (32, 36): (k,)."""
    same = np.zeros(len(others), bool)
    for region in _regions(SHAPE):
        one, several = _normalize(image[region]), _normalize(others[:, region])  # (n,), (k, n)
        close = np.abs(several - one).mean(1) < MEAN_DIFFERENCE
        for index in np.flatnonzero(close & ~same):
            local = min(_curve_error(one, several[index]), _curve_error(several[index], one))
            same[index] = local < LOCAL_DIFFERENCE
    return same


def _curve_error(first: np.ndarray, second: np.ndarray) -> float:
    """Return the largest difference of images, (n,), after the brightness of the first is mapped by a cubic curve.

    The curve fits any change of brightness and contrast, also one that cuts off bright or dark parts.
    """
    powers = np.vander(first, 4)  # (n, 4)
    return float(np.abs(powers @ np.linalg.lstsq(powers, second)[0] - second).max())


def _regions(shape: tuple[int, int]) -> Iterator[np.ndarray]:
    """Yield the masks of a picture without each of its corners, where watermarks are: four of (height, width)."""
    height, width = shape[0] // 4, shape[1] // 3
    for rows in slice(height), slice(-height, None):
        for columns in slice(width), slice(-width, None):
            region = np.ones(shape, bool)
            region[rows, columns] = False
            yield region


def _blocks(fingerprints: np.ndarray) -> np.ndarray:
    """Return the mean gray levels of the blocks of fingerprints, (N, 8, 9)."""
    rows, columns = GRID
    cells = fingerprints.reshape(len(fingerprints), rows, SHAPE[0] // rows, columns, SHAPE[1] // columns)
    return cells.mean((2, 4), dtype=np.float32)


def _hashes(grids: np.ndarray) -> np.ndarray:
    """Return difference hashes, (N, 64): 1 where a block is brighter than its left neighbor, otherwise -1."""
    brighter = grids[:, :, 1:] > grids[:, :, :-1]  # (N, 8, 8)
    return np.where(brighter, np.float32(1), np.float32(-1)).reshape(len(grids), 64)


def _contrast(grids: np.ndarray) -> np.ndarray:
    """Return the standard deviation of the blocks of images in gray levels, (N,), without the corner that has most."""
    return np.min([grids[:, region].std(1) for region in _regions(GRID)], axis=0)


def _normalize(values: np.ndarray) -> np.ndarray:
    """Return values at a mean of 0 and a standard deviation of 1 over the last axis."""
    centered = values - values.mean(-1, keepdims=True, dtype=np.float32)
    return centered / np.maximum(centered.std(-1, keepdims=True), 1e-6)
