"""The changes that the workflow makes to an mmengine config."""

import pytest
from mmengine.config import Config

from ssr_mmseg.architecture.genotype import Genotype
from ssr_mmseg.experiment import register  # noqa: F401  # fills the registries
from ssr_mmseg.experiment.mmseg_config import (
    Hooks,
    fit_schedulers,
    lay_over,
    read_mmseg_config,
    set_data,
    set_genotype,
    share_loss,
)
from ssr_mmseg.settings.paths import PROJECT
from ssr_mmseg.utils.errors import UserError


def fitted(schedulers, epochs: int, planned: int = 300, steps: int = 5):
    """Return `schedulers` of a training of `planned` epochs, fitted to one of `epochs` epochs."""
    config = Config({"train_cfg": {"max_epochs": planned}, "param_scheduler": schedulers})
    fit_schedulers(config, epochs, steps)
    return config.to_dict()["param_scheduler"]


POLY, WARM_UP = {"type": "PolyLR", "power": 0.9}, {"type": "LinearLR", "start_factor": 0.1}
BY_STEP = {"by_epoch": True, "convert_to_iter_based": True}


@pytest.mark.parametrize(
    ("scheduler", "end"),
    [
        ({**POLY, "end": 300}, 8),  # mmengine's polynomial is 0 one epoch before its end
        ({**POLY, "end": 301, "by_epoch": True}, 8),
        (POLY, 8),
        ({**POLY, "end": 300, **BY_STEP}, 7),
        ({**POLY, **BY_STEP}, 7),
        ({**POLY, "by_epoch": False, "end": 20_000}, 35),
        ({**POLY, "by_epoch": False}, 35),
        ({**WARM_UP, "end": 3, **BY_STEP}, 3),
        ({**WARM_UP, "end": 3, "by_epoch": True}, 3),
        ({**WARM_UP, "by_epoch": False, "end": 20}, 20),
    ],
)
@pytest.mark.parametrize("form", ["one", "list", "by optimizer"])
def test_schedulers_that_last_to_the_end_last_to_the_new_end(scheduler, end, form):
    forms = {"one": scheduler, "list": [scheduler], "by optimizer": {"weights": [scheduler], "architecture": []}}
    result = fitted(forms[form], epochs=7)
    expected = {**scheduler, "end": end}
    assert (
        result
        == {"one": expected, "list": [expected], "by optimizer": {"weights": [expected], "architecture": []}}[form]
    )


def test_a_longer_training_stretches_the_decay_and_keeps_the_warm_up():
    warm_up, decay = {**WARM_UP, "end": 10, **BY_STEP}, {**POLY, "begin": 10, "end": 300, **BY_STEP}
    assert fitted([warm_up, decay], epochs=1000) == [warm_up, {**decay, "end": 1000}]


def test_schedulers_of_mmseg_end_with_the_training():
    config = read_mmseg_config("config/mmseg/_base_/schedules/retrain.py")
    theirs = [
        {"type": "LinearLR", "start_factor": 1e-6, "by_epoch": False, "begin": 0, "end": 30},
        {"type": "PolyLR", "eta_min": 1e-4, "power": 0.9, "begin": 30, "end": 20_000, "by_epoch": False},
    ]
    config["param_scheduler"] = theirs
    fit_schedulers(config, 7, 5)
    assert [scheduler["end"] for scheduler in config["param_scheduler"]] == [30, 35]


@pytest.mark.parametrize("scheduler", [{**POLY, "begin": 10, "end": 300}, {**POLY, "begin": 50, "by_epoch": False}])
def test_a_training_that_ends_within_the_warm_up_is_one_line(scheduler):
    with pytest.raises(UserError, match=r"7 epochs end within the schedule's warm-up: PolyLR begins at \d+; train lon"):
        fitted([scheduler], epochs=7)


def test_a_training_without_schedulers_is_left_alone():
    assert fitted(None, epochs=7) is None
    assert fitted([], epochs=7) == []


def test_changes_replace_values_by_their_dotted_key():
    config = Config({"a": {"b": {"c": 1, "d": 2}, "e": "name", "f": [1, 2]}, "g": None})
    changes = {
        "a.b": {"c": 3},
        "a.e": {"type": "name", "scale": 1},
        "a.f": [4],
        "a.h.i": 5,
        "g": {"j": 6},
        "k": {"l": 7},
    }
    lay_over(config, changes)
    assert config.to_dict() == {
        "a": {"b": {"c": 3}, "e": {"type": "name", "scale": 1}, "f": [4], "h": {"i": 5}},
        "g": {"j": 6},
        "k": {"l": 7},
    }


def test_a_dict_is_replaced_by_a_name():
    config = Config({"train_cfg": {"regularizer": {"type": "ssr", "scale": 2}, "split": "halves"}})
    lay_over(config, {"train_cfg.regularizer": "entropy"})
    assert config.to_dict() == {"train_cfg": {"regularizer": "entropy", "split": "halves"}}


CROSS_ENTROPY = {"type": "CrossEntropyLoss"}
HARD = {"type": "HardPixelCrossEntropy", "label_smoothing": 0.05, "keep": 0.25}


def segmentor(*losses) -> dict:
    """Return the config of a segmentor, with one head per loss."""
    main, *auxiliary = [{"loss_decode": loss} for loss in losses]
    model = {"data_preprocessor": {"type": "BatchPreProcessor"}, "decode_head": main}
    return {**model, "auxiliary_head": auxiliary} if auxiliary else model


def test_every_cross_entropy_gets_the_shared_loss_and_keeps_its_weight_and_name():
    boundary = {"type": "BoundaryLoss", "loss_weight": 20.0}
    own = {**CROSS_ENTROPY, "loss_weight": 0.4, "loss_name": "loss_second"}
    model = segmentor([dict(own), dict(boundary)], dict(own))
    share_loss(model, segmentor(dict(HARD, loss_weight=3.0, loss_name="loss_first")))
    expected = {**HARD, "loss_weight": 0.4, "loss_name": "loss_second"}
    assert model == segmentor([expected, boundary], expected)


def test_a_plain_cross_entropy_replaces_no_other_type():
    model = segmentor(dict(HARD))
    share_loss(model, segmentor({**CROSS_ENTROPY, "class_weight": [1.0, 2.0]}))
    assert model == segmentor({**HARD, "class_weight": [1.0, 2.0]})


def test_a_single_auxiliary_head_need_not_be_a_list():
    model = {**segmentor(dict(CROSS_ENTROPY)), "auxiliary_head": {"loss_decode": dict(CROSS_ENTROPY)}}
    share_loss(model, segmentor(dict(HARD)))
    assert model["auxiliary_head"] == {"loss_decode": HARD}


def test_the_data_set_sizes_classes_and_the_weights_that_are_not_set():
    model = segmentor(
        dict(CROSS_ENTROPY), {**CROSS_ENTROPY, "class_weight": None}, {**CROSS_ENTROPY, "class_weight": [5.0]}
    )
    set_data(model, (32, 64), 2, [1.0, 3.0])
    heads = [model["decode_head"], *model["auxiliary_head"]]
    assert model["data_preprocessor"]["size"] == (32, 64)
    assert [head["num_classes"] for head in heads] == [2, 2, 2]
    assert [head["loss_decode"]["class_weight"] for head in heads] == [[1.0, 3.0], None, [5.0]]


def test_a_size_divisor_is_kept():
    model = segmentor(dict(CROSS_ENTROPY))
    model["data_preprocessor"]["size_divisor"] = 32
    set_data(model, (32, 64), 2, [1.0, 3.0])
    assert "size" not in model["data_preprocessor"]


def test_hooks_are_found_set_and_dropped():
    hooks = Hooks([{"type": "A", "x": 1}, {"type": "B"}, {"type": "B", "y": 2}])
    assert hooks.find("B") == {"type": "B"}
    assert hooks.find("C") is None
    hooks.set("A", x=3, z=4)
    hooks.set("C", w=5)
    assert list(hooks) == [{"type": "A", "x": 3, "z": 4}, {"type": "B"}, {"type": "B", "y": 2}, {"type": "C", "w": 5}]
    hooks.drop("B")
    hooks.drop("D")
    assert [hook["type"] for hook in hooks] == ["A", "C"]


@pytest.mark.parametrize(
    ("heads", "expected"),
    [
        ({"type": "FCNHead"}, [124]),  # the last feature
        ({"in_index": 1}, [48]),
        ([{"in_index": -3}, {"in_index": [0, 2]}], [16, [16, 124]]),
    ],
)
def test_auxiliary_heads_have_the_widths_of_the_network(heads, expected):
    model = {"backbone": {}, "decode_head": {}, "auxiliary_head": heads}
    set_genotype(model, Genotype.read(PROJECT / "config/genotypes/paper_cityscapes.json"))
    found = heads if isinstance(heads, list) else [heads]
    assert [head["in_channels"] for head in found] == expected
    assert model["decode_head"]["in_channels"] == [16, 48, 124]


@pytest.mark.parametrize("index", [3, -4, "last", [0, 9], None])
def test_an_auxiliary_head_of_a_missing_feature_is_refused(index):
    model = {"backbone": {}, "decode_head": {}, "auxiliary_head": {"in_index": index}}
    with pytest.raises(UserError, match=r"auxiliary_head: in_index is .*, expected 0, 1 or 2"):
        set_genotype(model, Genotype.read(PROJECT / "config/genotypes/paper_cityscapes.json"))
