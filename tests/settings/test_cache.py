"""The cache of configuration look-ups, which must be enabled and never mixes up configurations."""

import pytest

from ssr_mmseg import settings
from ssr_mmseg.settings import scenario
from ssr_mmseg.settings.cache import cached, caching, disable_cache, enable_cache
from ssr_mmseg.utils.errors import UserError


@pytest.fixture
def cache():
    enable_cache()
    yield
    disable_cache()


def counted():
    """Return a cached function, and the list of names that it has been computed for."""
    computed = []

    @cached
    def seeds(config, name="", extra=0):
        computed.append(name)
        return [*config["seeds"], name, extra]

    return seeds, computed


def test_every_call_is_computed_while_the_cache_is_disabled():
    seeds, computed = counted()
    assert seeds({"seeds": [1]}, "a") == seeds({"seeds": [1]}, "a") == [1, "a", 0]
    assert computed == ["a", "a"]


def test_a_repeated_call_is_computed_once(cache):
    seeds, computed = counted()
    config = {"seeds": [1]}
    assert seeds(config, "a", extra=2) is seeds(config, "a", extra=2)
    assert seeds(config, "b") == [1, "b", 0]
    assert seeds(config, "a", extra=3) == [1, "a", 3]
    assert computed == ["a", "b", "a"]


def test_nothing_is_cached_after_a_block():
    seeds, computed = counted()
    config = {"seeds": [1]}
    with caching():
        assert seeds(config) is seeds(config)
    config["seeds"] = [2]
    assert seeds(config) == [2, "", 0]
    assert computed == ["", ""]


def test_a_block_keeps_a_cache_that_was_enabled_before(cache):
    seeds, computed = counted()
    config = {"seeds": [1]}
    before = seeds(config)
    with caching():
        assert seeds(config) is before
    assert seeds(config) is before
    assert computed == [""]


def test_a_check_reads_each_cell_of_the_ablation_once(monkeypatch):
    """Every job checks its configuration, and each cell of an ablation is looked up many times in it."""
    read = []
    original = scenario._cell
    monkeypatch.setattr(scenario, "_cell", lambda *arguments: read.append(1) or original(*arguments))
    thresholds = {f"t{number}": {"threshold": number / 20} for number in range(1, 13)}
    block = {"regularizer": ["ssr"], "shrink": [True], "dimensions": ["joint"], "variants": [*thresholds]}
    ablation = {"dataset": "town", "seeds": [0, 1], "search": {}, "retrain": True, "variants": thresholds}
    ablation |= {"dimensions": {"joint": ["depth"]}, "blocks": [block]}
    settings.complete({"datasets": {"town": {"type": "streets", "size": [64, 64]}}, "ablation": ablation})
    assert len(read) == 12


def test_a_deleted_configuration_is_not_mistaken_for_another(cache):
    seeds, _ = counted()
    assert [seeds({"seeds": [number]}) for number in range(50)] == [[number, "", 0] for number in range(50)]


def test_errors_are_raised_again(cache):
    config = settings.complete({"datasets": {"town": {"type": "streets", "size": [64, 64]}}})
    for _ in range(2):
        with pytest.raises(UserError, match="dataset mars is not configured"):
            settings.for_dataset(config, "mars")


def test_identities_are_the_same_with_and_without_the_cache():
    user = {"datasets": {name: {"type": "streets", "size": [64, 64]} for name in ("town", "village")}}
    user["datasets"]["village"]["search"] = {"epochs": 9}

    def identities():
        config = settings.complete(user)
        return {
            (stage, dataset, seed, network): settings.stage_identity(config, stage, dataset, seed, network)
            for stage in settings.STAGES
            if stage not in ("table", "summary", "ablation", "contest", "report", "figures")
            for dataset in config["datasets"]
            for seed in (0, 1)
            for network in ("searched", "random", "paper_cityscapes", "erfnet")
        }

    plain = identities()
    enable_cache()
    try:
        assert identities() == plain
    finally:
        disable_cache()
