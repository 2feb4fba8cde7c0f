"""The supernets of selectors differ from the search in what their kinds say, and in nothing else."""

import pytest

from ssr_mmseg import settings
from ssr_mmseg.experiment.cfg_options import read_named_config
from ssr_mmseg.settings.named_configs import search_config
from ssr_mmseg.settings.scenario import supernet_scenario
from ssr_mmseg.settings.selector_supernets import KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_operators_have_their_own_weights_and_options_of_the_search_stay(kind):
    options = {"optim_wrapper.weights.optimizer.lr": 1e-3}
    networks = ["searched", "evolution", "darts_pt"]
    config = settings.complete({"networks": networks, "search": {"cfg_options": options}})
    search = settings.for_dataset(config, "streets")["search"]
    supernet = settings.for_dataset(config, supernet_scenario("streets", kind))["search"]
    ours, theirs = (read_named_config(search_config(section)).to_dict() for section in (search, supernet))
    assert ours["train_cfg"]["share_operators"]
    assert theirs == {**ours, "train_cfg": {**ours["train_cfg"], "share_operators": False}}
    assert theirs["optim_wrapper"]["weights"]["optimizer"]["lr"] == 1e-3
    assert supernet["epochs"] == search["epochs"] + search["shrink_stages"] * search["shrink_epochs"]
    assert (supernet["regularizer"], supernet["shrink"], supernet["shrink_stages"]) == ("none", False, 0)
