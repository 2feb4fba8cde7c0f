"""Random splits of labeled images that keep groups whole and give every split its share of every class.

A greedy stratification that serves the rarest class first, as by Sechidis, Tsoumakas & Vlahavas (On the stratification
of multi-label data, 2011), but of groups of images; then groups move until every split has what it must have.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path

import numpy as np

from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import read_bytes, write_text

SPLITS = ("train", "val", "test")
COLUMNS = ("image", "split", "group")


def draw_split(
    groups: Mapping[str, Sequence[str]], pixels: Mapping[str, np.ndarray], shares: Mapping[str, float], seed: int
) -> dict[str, str]:
    """Return the split of each image, drawn at random; all images of a group are in the same split.

    Every split gets at least one image, and train gets every class. A class of at least as many groups as there are
    splits is in every split, as far as moves and exchanges of single groups reach that. Each split's number of images
    differs from its share by at most the size of the largest group, unless that would take a class away.

    Args:
        groups: Keys of the images of each group.
        pixels: Number of pixels of each class in each image, (classes,), by key.
        shares: Share of the images of `val` and of `test`, or of one of them, each between 0 and 1; the rest is train.
        seed: Seed of the draw. The order of `groups` and its keys does not matter.

    Raises:
        UserError: The shares are invalid, or there are fewer groups than splits.
    """
    fractions = _fractions(shares)
    names = sorted(name for name, keys in groups.items() if keys)
    if len(names) < len(fractions):
        raise UserError(
            f"split: expected at least {len(fractions)} groups of images (folders or sequences), one for each of "
            f"{', '.join(fractions)}, found {len(names)}; split single images with split: {{by: image}}, or add images"
        )
    # Images that contain each class, and the number of all images as the last column: (groups, classes + 1).
    images = np.array([[*np.sum([pixels[key] > 0 for key in groups[name]], 0), len(groups[name])] for name in names])
    draw = _Draw(images, np.array(list(fractions.values())))
    draw.stratify(np.random.default_rng(seed))
    draw.balance()
    while draw.cover():
        draw.balance()
    splits = list(fractions)
    return {key: splits[split] for name, split in zip(names, draw.split, strict=True) for key in sorted(groups[name])}


class _Draw:
    """A split that is being drawn.

    Attributes:
        images: Images that contain each class, (groups, classes + 1); the last column counts all images.
        split: Split of each group, (groups,), -1 before it has one.
        lack: Images of each class that each split lacks of its share, (splits, classes + 1); negative if it has more.
        required: Whether a split must have the class, (splits, classes + 1).
        weight: How bad it is if a split misses the class, (classes + 1,).
    """

    def __init__(self, images: np.ndarray, fractions: np.ndarray) -> None:
        self.images = images
        self.split = np.full(len(images), -1)
        self.lack = fractions[:, None] * images.sum(0)
        groups = (images > 0).sum(0)  # that contain each class, (classes + 1,)
        self.required = np.broadcast_to(groups >= len(fractions), self.lack.shape).copy()
        self.required[0] = groups > 0  # train
        self.weight = np.ones(len(groups), int)
        self.weight[-1] = self.required.size  # an empty split is worse than all missing classes

    def stratify(self, random: np.random.Generator) -> None:
        """Give every group to a split: class by class, the rarest first, large groups first."""
        preference = random.permutation(len(self.lack))  # among splits that lack the same
        order = random.permutation(len(self.images))
        while (free := order[self.split[order] < 0]).size:
            remaining = self.images[free].sum(0)
            rarest = np.where(remaining > 0, remaining, remaining.max() + 1).argmin()
            having = free[self.images[free, rarest] > 0]
            for group in having[np.argsort(-self.images[having, rarest], kind="stable")]:
                # A split with its number of images takes no more. One lacks images while a group is free.
                takers = np.flatnonzero(self.lack[:, -1] > 0)
                best = np.lexsort((preference[takers], self.lack[takers, -1], self.lack[takers, rarest]))[-1]
                self._move(group, takers[best])

    def cover(self) -> bool:
        """Bring one of the classes that splits must have and miss to its split; return False if that is impossible."""
        missing = np.argwhere(self.required & (self._groups() == 0))
        missing = missing[np.argsort(-self.weight[missing[:, 1]], kind="stable")]  # empty splits first
        return any(self._supply(split, column) for split, column in missing)

    def balance(self) -> None:
        """Move groups from splits with too many images to splits with too few, but no class that is required."""
        while np.abs(self.lack[:, -1]).max() > self.images[:, -1].max():
            moves = []
            over, under = self.lack[:, -1] < 0, self.lack[:, -1] > 0  # (splits,)
            for source, target in product(np.flatnonzero(over).tolist(), np.flatnonzero(under).tolist()):
                groups = np.flatnonzero(self.split == source)
                missing, error = self._changes(source, target, self.images[groups], self.images[groups] > 0)
                moves += [(error[k], groups[k], target) for k in np.flatnonzero(missing <= 0)]
            if not moves:
                return
            _, group, target = min(moves)
            self._move(group, target)

    def _supply(self, split: int, column: int) -> bool:
        """Bring a class to a split by the best move or exchange of a group; return False if none is an improvement."""
        best: tuple = (0,)
        partners = np.flatnonzero(self.split == split)
        # What the split gives in return: nothing, or one of its groups, (1 + partners, classes + 1).
        returned = np.vstack([np.zeros_like(self.images[:1]), self.images[partners]])
        for group in np.flatnonzero((self.images[:, column] > 0) & (self.split != split)):
            gained = (self.images[group] > 0).astype(int) - (returned > 0)
            missing, error = self._changes(self.split[group], split, self.images[group] - returned, gained)
            row = np.lexsort((error, missing))[0]
            best = min(best, (missing[row], error[row], group, row))
        if best[0] >= 0:
            return False
        _, _, group, row = best
        if row > 0:
            self._move(partners[row - 1], self.split[group])
        self._move(group, split)
        return True

    def _groups(self) -> np.ndarray:
        """Return the number of groups of each split that contain each class, (splits, classes + 1)."""
        return np.array([(self.images[self.split == split] > 0).sum(0) for split in range(len(self.lack))])

    def _changes(
        self, source: int, target: int, images: np.ndarray, groups: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return what changes if `source` gives `target` images and groups of each class, (changes, classes + 1).

        Returns:
            The change in weighted missing classes, and in the distance from the shares, relative to the number of
            images of each class: both (changes,).
        """
        missing = np.zeros(len(images))
        error = np.zeros(len(images))
        total = np.maximum(self.images.sum(0), 1)
        present = self._groups()
        for split, sign in ((source, -1), (target, 1)):
            lost = (present[split] + sign * groups.astype(int) == 0).astype(int) - (present[split] == 0)
            missing += (lost * self.required[split]) @ self.weight
            error += ((np.abs(self.lack[split] - sign * images) - np.abs(self.lack[split])) / total).sum(1)
        return missing, error

    def _move(self, group: int, split: int) -> None:
        if self.split[group] >= 0:
            self.lack[self.split[group]] += self.images[group]
        self.split[group] = split
        self.lack[split] -= self.images[group]


def write_split(path: Path, assignment: Mapping[str, str], groups: Mapping[str, str]) -> None:
    """Write a split to a CSV file with the columns image, split and group, sorted by image.

    Args:
        path: The file.
        assignment: Split of each image, by key.
        groups: Group of each image, by key.

    Raises:
        UserError: The file cannot be written, or a name of an image is not UTF-8.
    """
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows((key, assignment[key], groups[key]) for key in sorted(assignment))
    try:
        write_text(Path(path), table.getvalue())
    except UnicodeEncodeError as error:
        raise UserError(f"could not write {path}: the name of an image is not UTF-8 ({error}); rename it") from error


def read_split(path: Path) -> dict[str, str]:
    """Return the split of each image, by key, from a CSV file with the columns image and split, and others or none.

    Raises:
        UserError: The file is missing, not such a table, or names an image twice or an unknown split.
    """
    try:
        text = read_bytes(Path(path)).decode("utf-8-sig")  # spreadsheets write a byte order mark
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except OSError as error:
        raise UserError(f"could not read {path}: {error.strerror}; check the path") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} is not a CSV file in UTF-8 ({error}); repair it or create it again") from error
    header = rows[0] if rows else []
    if not {"image", "split"} <= set(header):
        found = ",".join(header) or "nothing"
        raise UserError(f"{path}: expected the columns {','.join(COLUMNS)} in the first line, found {found:.200}")
    assignment: dict[str, str] = {}
    for number, row in enumerate(rows[1:], 2):
        if not row:
            continue
        if len(row) != len(header):
            raise UserError(f"{path}: row {number} has {len(row)} columns, expected {len(header)}; repair it")
        entry = dict(zip(header, row, strict=True))
        key, split = entry["image"], entry["split"]
        if split not in SPLITS:
            raise UserError(f"{path}: row {number} has the split {split!r:.100}, expected one of: {', '.join(SPLITS)}")
        if not key or key in assignment:
            problem = f"names the image {key!r:.200} again" if key else "has no image"
            raise UserError(f"{path}: row {number} {problem}, expected each image once; remove the row")
        assignment[key] = split
    return assignment


def _fractions(shares: Mapping[str, float]) -> dict[str, float]:
    """Return the share of each split, train first.

    Raises:
        UserError: A share is of another split or not between 0 and 1, or nothing is left for train.
    """
    for name, share in shares.items():
        if name not in SPLITS[1:]:
            raise UserError(f"split: found a share of {name!r}, expected shares of val and test; train gets the rest")
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share < 1:
            raise UserError(f"split: {name} is {share!r}, expected a share of the images, such as 0.15")
    rest = 1 - sum(shares.values())
    if rest <= 1e-9:  # 0.7 + 0.3 is not exactly 1
        raise UserError(f"split: the shares sum to {1 - rest:g}, expected less than 1, so that train gets the rest")
    return {"train": rest, **{name: shares[name] for name in SPLITS if name in shares}}
