"""Pretrained checkpoints and fine-tuning: trainings of a few steps on rendered streets and on a folder of images."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from dataset_files import SIZE, write_pair
from malicious import Payload
from spaces import SPACE
from tiny_experiment import EXPERIMENT as TINY
from tiny_experiment import assert_same_state
from training_folder import enter_copy, interrupt_third_step

from ssr_mmseg import settings
from ssr_mmseg.architecture.genotype import Genotype, build_genotype, random_choice
from ssr_mmseg.datasets.preparation.prepare import prepare
from ssr_mmseg.experiment.experiment import Experiment
from ssr_mmseg.experiment.genotypes import genotype_for
from ssr_mmseg.jobs import preemption
from ssr_mmseg.settings import paths
from ssr_mmseg.stages.retrain import retrain
from ssr_mmseg.training import initial_weights
from ssr_mmseg.training.checkpoint.state_file import load_state, save_state
from ssr_mmseg.training.checkpoint.weights import load_weights
from ssr_mmseg.training.loop import ResumableTrainLoop
from ssr_mmseg.training.pretrained import pretrained_text
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import read_json, sha256, write_json

CONFIG = f"_base_ = ['{paths.PROJECT}/config/mmseg/ssrnet_streets.py']\n"
BASELINE = f"_base_ = ['{paths.PROJECT}/config/mmseg/_base_/models/erfnet.py']\n"
INIT = "dict(type='Pretrained', checkpoint='start.pth'{more})"
TOWN_WEIGHTS = Path(paths.WEIGHTS.format(dataset="town", seed=0, network="tiny"))
HEAD = ["decode_head.conv_seg.weight", "decode_head.conv_seg.bias"]


def complete(**retraining) -> dict:
    """Return a configuration with the datasets `town` (11 classes) and `yard` (2), and keys of `retrain` for `yard`."""
    yard = {"type": "folder", "source": "data", "size": list(SIZE), "classes": ["road", "car"], "retrain": retraining}
    return settings.complete(
        {
            **TINY,
            "networks": ["tiny"],
            "datasets": {**TINY["datasets"], "yard": yard},
            "retrain": {"epochs": 2, "min_steps": 1, "batch_size": 4, "config": "retrain.py"},
            "monitor": {"validation": 0},
        }
    )


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> Path:
    """Folder with two prepared datasets and a network that has been trained on `town`."""
    folder = tmp_path_factory.mktemp("fine-tuning")
    for split, count in (("train", 8), ("val", 2)):
        for number in range(count):
            images, labels = folder / f"data/{split}/images", folder / f"data/{split}/labels"
            values = np.random.default_rng(number).integers(0, 2, SIZE)
            write_pair(images / f"{number}.png", labels / f"{number}.png", values, number)
    (folder / "config/genotypes").mkdir(parents=True)
    (folder / "config/mmseg/_base_/models").mkdir(parents=True)
    (folder / "retrain.py").write_text(CONFIG)
    genotype = build_genotype(SPACE, random_choice(SPACE, np.random.default_rng(0)), "tiny")
    genotype.write(folder / "config/genotypes/tiny.json")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(preemption, "GRACE", 3600.0)
        config = complete()
        for dataset in ("town", "yard"):
            entry = settings.for_dataset(config, dataset)["dataset"]
            prepare(entry, Path(paths.MANIFEST.format(dataset=dataset)).parent)
        retrain(config, "town", 0, "tiny")
    return folder


@pytest.fixture
def workplace(prepared, tmp_path, monkeypatch) -> Path:
    """A copy of that folder, as the working directory."""
    return enter_copy(prepared, tmp_path, monkeypatch)


def first_weights(config: dict, dataset: str = "yard", network: str = "tiny") -> dict[str, torch.Tensor]:
    """Train, and return the weights before the first step."""
    seen, iterate = [], ResumableTrainLoop.run_iter

    def run_iter(self, idx, data_batch):
        seen.append({name: value.clone() for name, value in self.runner.model.state_dict().items()})
        iterate(self, idx, data_batch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ResumableTrainLoop, "run_iter", run_iter)
        retrain(config, dataset, 0, network)
    return seen[0]


def record(dataset: str = "yard", network: str = "tiny") -> dict:
    return read_json(Path(paths.TRAINING.format(dataset=dataset, seed=0, network=network)))


def message(config: dict, network: str = "tiny") -> str:
    """Train in vain, and return the error message."""
    with pytest.raises(UserError) as caught:
        retrain(config, "yard", 0, network)
    assert "\n" not in str(caught.value)
    assert not Path(paths.WEIGHTS.format(dataset="yard", seed=0, network=network)).exists()
    return str(caught.value)


def write_start(prefix: str = "", key: str = "state_dict") -> dict[str, torch.Tensor]:
    """Write the backbone of the trained network, moved away from what initialization gives, as a checkpoint."""
    weights = load_weights(TOWN_WEIGHTS)
    own = {name: value for name, value in weights.items() if name.startswith("backbone.")}
    own = {name: value + 0.5 if value.is_floating_point() else value for name, value in own.items()}
    renamed = {prefix + name.removeprefix("backbone."): value for name, value in own.items()}
    torch.save({key: renamed} if key else renamed, "start.pth")
    return own


# --- checkpoints in an mmengine config -------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["", "encoder."])
def test_a_pretrained_backbone_is_loaded_and_recorded(workplace, prefix):
    start = write_start(prefix)
    init = INIT.format(more=f", prefix='{prefix}'" if prefix else "")
    (workplace / "retrain.py").write_text(f"{CONFIG}model = dict(backbone=dict(init_cfg={init}))\n")
    first = first_weights(complete())
    assert all(torch.equal(first[name], value) for name, value in start.items())
    training = record()
    digest = sha256(Path("start.pth"))
    assert training["pretrained"] == f"yes: start.pth {digest[:12]} (backbone)"
    (entry,) = training["initial_weights"]
    assert entry["tensors"] == entry["taken"] == len([name for name in start if "num_batches" not in name])
    assert (entry["sha256"], entry["left"]) == (digest, [])


def test_load_from_is_recorded_as_the_whole_network(workplace):
    start = write_start("backbone.", key="")
    (workplace / "retrain.py").write_text(f"{CONFIG}load_from = 'start.pth'\n")
    first = first_weights(complete())
    assert all(torch.equal(first[name], value) for name, value in start.items())
    (entry,) = record()["initial_weights"]
    assert entry["part"] == "whole network"
    assert entry["taken"] == entry["tensors"] - len(entry["left"])
    assert {name.partition(".")[0] for name in entry["left"]} == {"decode_head"}


def test_without_checkpoints_the_record_says_no(workplace):
    retrain(complete(), "yard", 0, "tiny")
    assert (record()["pretrained"], record()["initial_weights"]) == ("no", [])


def test_a_checkpoint_on_every_module_of_a_baseline_counts_once(workplace):
    """mmseg's BiSeNetV1 hands its `init_cfg` to its parts, none of which fits by itself."""
    model = f"_base_ = ['{paths.PROJECT}/config/mmseg/_base_/models/bisenetv1.py']\n"
    file = workplace / "config/mmseg/_base_/models/small.py"
    file.write_text(model)
    config = {**complete(), "networks": ["small"]}
    network = Experiment(config, "yard", 0).build(Experiment(config, "yard", 0).network("small", None))
    torch.save({name: value + 0.5 for name, value in network.backbone.state_dict().items()}, "start.pth")
    file.write_text(f"{model}model = dict(backbone=dict(init_cfg={INIT.format(more='')}))\n")
    experiment = Experiment(config, "yard", 0)
    runner = experiment.retrain_runner("small", None, workplace / "w")
    runner.call_hook("before_run")
    runner.model.init_weights()
    hook = next(hook for hook in runner.hooks if isinstance(hook, initial_weights.InitialWeightsHook))
    hook.before_train(runner)
    (entry,) = hook.record
    assert (entry["part"], entry["left"]) == ("backbone", [])


def test_a_backbone_that_ignores_the_checkpoint_is_refused(workplace):
    (workplace / "config/mmseg/_base_/models/small.py").write_text(
        f"_base_ = ['{paths.PROJECT}/config/mmseg/_base_/models/stdc1.py']\n"
        "model = dict(backbone=dict(backbone_cfg=dict(pretrained='start.pth')))\n"
    )
    torch.save({"x": torch.zeros(1)}, "start.pth")
    text = message({**complete(), "networks": ["small"]}, "small")
    assert text.startswith("the model's config names the checkpoint start.pth, which its backbone ignores; give it as")


def test_a_checkpoint_that_fits_nothing_is_refused(workplace):
    write_start("other.")
    (workplace / "retrain.py").write_text(f"{CONFIG}model = dict(backbone=dict(init_cfg={INIT.format(more='')}))\n")
    assert message(complete()).startswith("start.pth fits no tensor of the part backbone: expected names like stem.")
    assert "found names like other.stem." in message(complete())


def test_a_prefix_that_no_tensor_has_is_refused(workplace):
    write_start()
    init = INIT.format(more=", prefix='encoder'")
    (workplace / "retrain.py").write_text(f"{CONFIG}model = dict(backbone=dict(init_cfg={init}))\n")
    assert message(complete()).startswith("start.pth has no names with the prefix encoder, found names like stem.")


@pytest.mark.parametrize("kind", ["damaged", "malicious", "without tensors"])
def test_an_unusable_checkpoint_is_refused(workplace, kind):
    write_start()
    config = complete()
    (workplace / "retrain.py").write_text(f"{CONFIG}model = dict(backbone=dict(init_cfg={INIT.format(more='')}))\n")
    if kind == "damaged":
        Path("start.pth").write_bytes(Path("start.pth").read_bytes()[:-2000])
    elif kind == "malicious":
        torch.save({"state_dict": Payload(Path("marker"))}, "start.pth")
    else:
        torch.save({"state_dict": {"a": 1}}, "start.pth")
    expected = "start.pth has no weights by name" if kind == "without tensors" else "is not a readable state file"
    assert expected in message(config)
    assert not Path("marker").exists()


def test_a_trained_network_is_built_without_its_checkpoint(workplace):
    write_start()
    (workplace / "retrain.py").write_text(f"{CONFIG}model = dict(backbone=dict(init_cfg={INIT.format(more='')}))\n")
    experiment = Experiment(complete(), "yard", 0)
    Path("start.pth").unlink()
    experiment.build(experiment.network("tiny", genotype_for({}, "tiny", "yard", 0)))


# --- weights of an earlier result ------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["model", "state_dict"])
def test_fine_tuning_takes_all_tensors_but_those_of_other_classes(workplace, key):
    weights = load_weights(TOWN_WEIGHTS)
    save_state(Path("earlier-tiny.pth"), {key: weights})
    first = first_weights(complete(weights="earlier-{network}.pth"))
    assert [name for name, value in first.items() if value.shape != weights[name].shape] == HEAD
    assert all(torch.equal(value, weights[name]) for name, value in first.items() if name not in HEAD)
    (entry,) = record()["initial_weights"]
    assert (entry["left"], entry["taken"]) == (HEAD, entry["tensors"] - 2)
    assert record()["pretrained"] == f"yes: earlier-tiny.pth {sha256(Path('earlier-tiny.pth'))[:12]} (whole network)"


def test_the_average_starts_with_the_loaded_weights(workplace):
    """The average of a training that changes nothing is what it started with."""
    (workplace / "retrain.py").write_text(
        f"{CONFIG}custom_hooks = [dict(type='AverageHook')]\noptim_wrapper = dict(optimizer=dict(lr=0.0))\n"
    )
    retrain(complete(weights=str(TOWN_WEIGHTS)), "yard", 0, "tiny")
    final = load_weights(Path(paths.WEIGHTS.format(dataset="yard", seed=0, network="tiny")))
    before = load_weights(TOWN_WEIGHTS)
    torch.testing.assert_close(final["backbone.stem.conv.weight"], before["backbone.stem.conv.weight"])


def test_a_resumed_fine_tuning_does_not_read_the_start_weights_again(workplace, monkeypatch):
    config = complete(weights=str(TOWN_WEIGHTS))
    retrain(config, "yard", 0, "tiny")
    weights = Path(paths.WEIGHTS.format(dataset="yard", seed=0, network="tiny"))
    expected, expected_record = load_state(weights), record()
    weights.unlink()
    for state in Path("results/work").rglob("state.pth"):
        state.unlink()  # otherwise the training would end again at once
    interrupt_third_step(config, "yard", "tiny")
    monkeypatch.setattr(initial_weights, "load_start_weights", lambda *_: pytest.fail("they were read again"))
    retrain(config, "yard", 0, "tiny")
    assert_same_state(load_state(weights), expected)
    assert record()["initial_weights"] == expected_record["initial_weights"]


def test_weights_of_another_network_are_refused(workplace):
    torch.save({"model": {"backbone.other.weight": torch.zeros(2)}}, "other.pth")
    text = message(complete(weights="other.pth"))
    assert text.startswith("other.pth fits no tensor of the part backbone: expected names like backbone.stem.")
    assert "found names like backbone.other.weight" in text


def test_weights_of_another_genotype_are_refused(workplace):
    other = build_genotype(SPACE, random_choice(SPACE, np.random.default_rng(5)), "other")
    other.write(Path("config/genotypes/tiny.json"))
    text = message(complete(weights=str(TOWN_WEIGHTS)))
    assert text.startswith(
        f"{TOWN_WEIGHTS} has the weights of another genotype than config/genotypes/tiny.json: backbone."
    )


def test_a_genotype_that_differs_in_dilations_alone_is_refused(workplace):
    """Shapes cannot tell it; the genotype that the weights were trained with is next to them in the results."""
    searched = Path(paths.WEIGHTS.format(dataset="city", seed=0, network="searched"))
    searched.parent.mkdir(parents=True)
    shutil.copy(TOWN_WEIGHTS, searched)
    value = Genotype.read("config/genotypes/tiny.json").to_dict()
    value["stages"][0]["blocks"][0]["dilation"] += 1
    other = Path(paths.GENOTYPE.format(dataset="city", seed=0))
    other.parent.mkdir(parents=True)
    write_json(other, value)
    text = message(complete(weights=str(searched)))
    assert text.startswith(f"{searched} has the weights of the genotype {other}, which differs from config/genotypes/")
    shutil.copy("config/genotypes/tiny.json", other)
    retrain(complete(weights=str(searched)), "yard", 0, "tiny")


def test_damaged_start_weights_are_refused(workplace):
    Path("x.pth").write_bytes(b"PK\x03\x04 not a checkpoint")
    assert "x.pth is not a readable state file" in message(complete(weights="x.pth"))


def test_the_text_of_the_tables_names_no_folder_outside_of_the_project():
    entry = {"file": "/somewhere/weights/r18.pth", "sha256": "f37072fd" * 8, "part": "backbone"}
    assert pretrained_text([entry]) == "yes: r18.pth f37072fdf370 (backbone)"
