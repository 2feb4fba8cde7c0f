import numpy as np

from ssr_mmseg.datasets.transforms import RandomShift


def test_image_and_labels_move_together_and_uncovered_labels_are_ignored():
    image = np.arange(1, 1 + 6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3)
    label = np.arange(6 * 8, dtype=np.uint8).reshape(6, 8)
    seen = set()
    for seed in range(40):
        np.random.seed(seed)
        results = {"img": image.copy(), "gt_seg_map": label.copy(), "seg_fields": ["gt_seg_map"]}
        moved = RandomShift(pixels=2)(results)
        covered = moved["gt_seg_map"] != 255
        down, right = int((~covered[:, -1]).sum()), int((~covered[-1]).sum())
        seen.add((down, right))
        np.testing.assert_array_equal(moved["gt_seg_map"][down:, right:], label[: 6 - down, : 8 - right])
        np.testing.assert_array_equal(moved["img"][down:, right:], image[: 6 - down, : 8 - right])
        assert not moved["img"][~covered].any()
    assert seen == {(down, right) for down in range(3) for right in range(3)}
