"""Files of weights given with a genotype that are not those of its network."""

import pytest
import torch
from deployed_networks import randomize, small_genotype

from ssr_mmseg import settings
from ssr_mmseg.experiment.pairs import build_derived, build_pair
from ssr_mmseg.settings.paths import PROJECT
from ssr_mmseg.utils.errors import UserError

CONFIG = settings.read_config(PROJECT / settings.DEFAULTS)["retrain"]["config"]
CLASSIFIER = "decode_head.conv_seg.weight"
SKIP = "decode_head.skip.0.weight"


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    segmentor = build_derived(CONFIG, small_genotype(), 5).eval()
    randomize(segmentor, 2)
    return dict(segmentor.state_dict())


HUGE = "is not a readable state file"
FILES = {
    "a huge number of classes": ({CLASSIFIER: torch.zeros(10**9, 0, 1, 1)}, HUGE),
    "too many classes": ({CLASSIFIER: torch.zeros(257, 32, 1, 1)}, "has 257 classes, expected 1 to 256"),
    "no classes": ({CLASSIFIER: torch.zeros(0, 32, 1, 1)}, "has 0 classes, expected 1 to 256"),
    "a huge number of channels": (
        {CLASSIFIER: torch.zeros(5, 10**6, 1, 1)},
        "a head of 1000000 channels, expected 1 to",
    ),
    "a huge skip": ({SKIP: torch.zeros(10**6, 1, 1, 1)}, "a head of 1000000 channels, expected 1 to"),
    "no channels": ({CLASSIFIER: torch.zeros(5, 0, 1, 1)}, "a head of 0 channels, expected 1 to"),
    "a classifier of two axes": ({CLASSIFIER: torch.zeros(5, 32)}, "is not a tensor of 4 axes"),
    "a classifier of words": ({CLASSIFIER: "x"}, "is not a tensor of 4 axes"),
    "complex weights": ({SKIP: torch.zeros(1, dtype=torch.complex64)}, "it refers to torch.ComplexFloatStorage"),
    "sparse weights": ({SKIP: torch.eye(3).to_sparse()}, HUGE),
    "weights without data": ({SKIP: torch.zeros(3, device="meta")}, HUGE),
    "a number for a name": ({3: torch.zeros(1)}, "the network has no 3; give files of the same network"),
    "a skip of words": ({SKIP: "x"}, f"{SKIP} is of type str, expected a tensor"),
}


@pytest.mark.parametrize("kind", FILES)
def test_other_weights_are_refused_before_much_is_allocated(tmp_path, state, kind):
    change, match = FILES[kind]
    small_genotype().write(tmp_path / "g.json")
    torch.save({"state_dict": {**state, **change}}, tmp_path / "w.pth")
    with pytest.raises(UserError, match=match) as caught:
        build_pair(tmp_path / "g.json", tmp_path / "w.pth", CONFIG)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [{}, {"model": [1]}, {"state_dict": 3}, {"state_dict": {}, "meta": 3}])
def test_what_are_no_weights_is_refused(tmp_path, content):
    small_genotype().write(tmp_path / "g.json")
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(UserError, match="has no weights of a network"):
        build_pair(tmp_path / "g.json", tmp_path / "w.pth", CONFIG)


def test_the_right_weights_are_loaded(tmp_path, state):
    small_genotype().write(tmp_path / "g.json")
    torch.save({"state_dict": state}, tmp_path / "w.pth")
    segmentor, _ = build_pair(tmp_path / "g.json", tmp_path / "w.pth", CONFIG)
    for name, value in segmentor.state_dict().items():
        assert torch.equal(value, state[name])
