"""A supernet's state on disk: weights, α, survivors and structure are restored to the last bit."""

import pytest
import torch
from spaces import SEARCH, SPACE, random_supernet, random_survivors

from ssr_mmseg.architecture.structure import structure_to_json, surviving_structure
from ssr_mmseg.models.supernet import SSRSupernet
from ssr_mmseg.search.compaction import compact_weights
from ssr_mmseg.training.checkpoint.state_file import load_state, save_state


def compacted(supernet: SSRSupernet) -> SSRSupernet:
    alive = {gate: value.numpy() for gate, value in supernet.architecture.alive.items()}
    small = SSRSupernet(**SEARCH, structure=structure_to_json(surviving_structure(SPACE, alive))).double().eval()
    small.load_state_dict(compact_weights(supernet.state_dict(), small))
    return small


@pytest.mark.parametrize("cut", [False, True], ids=["whole", "compacted"])
@pytest.mark.parametrize("seed", range(3))
def test_a_supernet_is_restored_from_its_file(tmp_path, seed, cut):
    supernet = random_supernet(seed)
    random_survivors(supernet, seed)
    if cut:
        supernet = compacted(supernet)
    path = tmp_path / "state.pth"
    save_state(path, {"model": supernet.state_dict(), "structure": structure_to_json(supernet.structure)})

    state = load_state(path)
    restored = SSRSupernet(**SEARCH, structure=state["structure"]).double().eval()
    restored.load_state_dict(state["model"])
    assert restored.structure == supernet.structure
    images = torch.randn(2, 3, 48, 64, dtype=torch.double)
    with torch.no_grad():
        for ours, theirs in zip(restored(images), supernet(images), strict=True):
            assert torch.equal(ours, theirs)
    before, after = supernet.architecture, restored.architecture
    for gate, alive in before.alive.items():
        assert torch.equal(after.alive[gate], alive)
        assert torch.equal(after.alpha[gate], before.alpha[gate])
    assert (after.groups(), after.entropy()) == (before.groups(), before.entropy())


def test_a_state_without_the_survivors_is_refused():
    """Survivors are part of the state: a resumed search must not revive dead options."""
    supernet = random_supernet(0)
    state = {name: value for name, value in supernet.state_dict().items() if "alive" not in name}
    with pytest.raises(RuntimeError, match="alive_depth"):
        supernet.load_state_dict(state)
