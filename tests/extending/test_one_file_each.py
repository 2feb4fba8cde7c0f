"""Every part that is one file: the examples of docs/extending.md, added as a user would and named in configurations."""

import re
from pathlib import Path

import numpy as np
import pytest
import small_experiment
from extending_page import FILES, TEXT
from PIL import Image
from spaces import SPACE
from tiny_experiment import DATASET, experiment

from ssr_mmseg import settings
from ssr_mmseg.architecture.gates import ArchitectureParameters
from ssr_mmseg.architecture.genotype import Genotype, build_genotype, random_choice
from ssr_mmseg.costs import build_cost
from ssr_mmseg.costs.macs_formulas import genotype_macs
from ssr_mmseg.datasets.preparation.prepare import prepare
from ssr_mmseg.experiment.experiment import Experiment
from ssr_mmseg.search.regularizers import REGULARIZERS
from ssr_mmseg.settings import paths, project_files
from ssr_mmseg.settings.scenario import searches
from ssr_mmseg.stages.profile import profile
from ssr_mmseg.stages.retrain import retrain
from ssr_mmseg.stages.search import search
from ssr_mmseg.stages.select import select
from ssr_mmseg.training.data.batch_transforms import BATCH_TRANSFORMS
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import read_json, write_json

REGULARIZER = "ssr_mmseg/search/regularizers/variance.py"
SELECTOR = "ssr_mmseg/search/selectors/deepest.py"
COST = "ssr_mmseg/costs/weights.py"
BACKEND = "ssr_mmseg/profiling/backends/exported.py"
TRANSFORM = "ssr_mmseg/training/data/batch_transforms/gray.py"
BASELINE = "config/mmseg/_base_/models/small_unet.py"
DATASET_TYPE = "config/mmseg/_base_/datasets/potsdam.py"


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """An empty working directory."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def prepared(here) -> Path:
    """A working directory with the prepared dataset of the tiny experiment."""
    prepare(settings.for_dataset(experiment(), DATASET)["dataset"], Path(paths.MANIFEST.format(dataset=DATASET)).parent)
    return here


def test_the_page_has_these_examples():
    assert sorted(FILES) == sorted([REGULARIZER, SELECTOR, COST, BACKEND, TRANSFORM, BASELINE, DATASET_TYPE])


def test_a_regularizer_and_a_cost_drive_a_search(add, prepared):
    add(REGULARIZER)
    add(COST)
    config = experiment(
        regularizer={"type": "Variance", "scale": 10},
        cost={"type": "weights", "target": 0.6},
        epochs=1,
        shrink_stages=0,
    )
    search(config, DATASET, 0)
    metrics = read_json(paths.stage_metrics_path({}, DATASET, 0, 0))
    assert metrics["cost"]["unit"] == "weights"
    assert metrics["cost"]["target"] == pytest.approx(0.6 * metrics["cost"]["expected"] / metrics["cost_ratio"])
    assert metrics["history"][0]["loss_operator"] < 0, "the variance of the probabilities, negative"


def test_a_selector_chooses_a_network_of_the_searched_ones_cost(add, prepared, monkeypatch):
    add(SELECTOR)
    monkeypatch.setattr(project_files, "plugin_names", lambda kind: ("deepest",))  # reads the package's own folder
    for number in range(2):  # the time of the search, which a selector may use
        write_json(paths.stage_metrics_path({}, DATASET, 0, number), {"hours": 0.1})
    config = experiment()
    one = Experiment(config, DATASET, 0)
    searched = build_genotype(one.space, random_choice(one.space, np.random.default_rng(0)))
    searched.write(Path(paths.GENOTYPE.format(dataset=DATASET, seed=0)))
    chosen = []
    for name in ("deepest", "deepest_2"):
        select(config, DATASET, 0, name)
        path = Path(paths.SELECTED.format(dataset=DATASET, seed=0, network=name))
        chosen.append(Genotype.read(path))
    macs = [genotype_macs(genotype, one.classes, one.size) for genotype in (searched, *chosen)]
    assert macs[1:] == pytest.approx([macs[0]] * 2, rel=0.05)
    for genotype in chosen:
        assert [len(stage.blocks) for stage in genotype.stages] == [2, 2]
    assert chosen[0] != chosen[1]


def test_a_regularizer_may_be_in_a_module_that_the_mmengine_config_imports(prepared, monkeypatch, request):
    request.addfinalizer(lambda: REGULARIZERS.module_dict.pop("Spread", None))
    source = FILES[REGULARIZER]
    Path("my_module.py").write_text(source.replace("Variance", "Spread"))
    monkeypatch.syspath_prepend(prepared)
    base = str(paths.PROJECT / "config/mmseg/supernet_streets.py")
    (documented,) = re.findall(r"`(custom_imports = [^`]*my_module[^`]*)`", TEXT)
    Path("mine.py").write_text(f"_base_ = [{base!r}]\n{documented}\n")
    config = experiment(config="mine.py", regularizer="Spread")
    runner = Experiment(config, DATASET, 0).search_runner(None, 1, 1, prepared / "work")
    assert type(runner.build_train_loop(runner._train_loop).objective.regularizer).__name__ == "Spread"


def test_the_expected_cost_at_one_hot_gates_is_the_cost_of_the_network(add):
    add(COST)
    cost = build_cost({"type": "weights", "target": 0.6, "hold": 100}, SPACE, 11, (64, 96))
    gates = ArchitectureParameters(SPACE).double()
    for seed in range(5):
        choice = random_choice(SPACE, np.random.default_rng(seed))
        with gates.one_hot(choice):
            expected = cost.expected(gates.probabilities()).item()
        assert expected == pytest.approx(cost.of(build_genotype(SPACE, choice)), rel=1e-12)


def test_a_list_of_targets_of_a_new_cost_is_a_search_for_each():
    config = experiment(cost={"type": "weights", "target": [0.5, 0.6]})
    assert searches(config, DATASET) == [f"{DATASET}@0.5", f"{DATASET}@0.6"]


def test_unknown_arguments_of_a_new_cost_are_one_line(add):
    add(COST)
    with pytest.raises(UserError, match=r"cost weights: .*'tarrget'; its arguments are: target, hold") as caught:
        build_cost({"type": "weights", "target": 0.5, "tarrget": 3}, SPACE, 11, (64, 96))
    assert "\n" not in str(caught.value)


def test_a_backend_is_profiled(add, here):
    add(BACKEND)
    small_experiment.make(here)
    config = small_experiment.configuration(backends=["exported"])
    profile(config, "town", 0, small_experiment.NETWORK)
    path = Path(paths.PROFILE.format(dataset="town", seed=0, network=small_experiment.NETWORK))
    (record,) = read_json(path)["records"]
    assert record["backend"] == "exported"
    assert record["logits_error"] < 1e-4


def test_a_baseline_is_trained_with_a_batch_transform(add, prepared, monkeypatch):
    add(BASELINE)
    add(TRANSFORM)
    transform, gray = BATCH_TRANSFORMS.module_dict["RandomGray"], []
    apply = transform.apply

    def apply_and_record(self, images, labels, parameters):
        result, labels = apply(self, images, labels, parameters)
        gray.append((result[:, 0] == result[:, 1]).flatten(1).all(dim=1))
        return result, labels

    monkeypatch.setattr(transform, "apply", apply_and_record)
    base = str(paths.PROJECT / "config/mmseg/ssrnet_camvid.py")
    (documented,) = re.findall(r"`(train_dataloader = dict\(augmentation=.*)`", TEXT)
    documented = documented.replace("prob=0.1", "prob=1.0")
    Path("gray.py").write_text(f"_base_ = [{base!r}]\noptim_wrapper = dict(enabled=False)\n{documented}\n")
    config = settings.complete(
        settings.merge(experiment(), {"networks": ["small_unet"], "retrain": {"config": "gray.py", "epochs": 11}})
    )
    retrain(config, DATASET, 0, "small_unet")
    record = read_json(Path(paths.TRAINING.format(dataset=DATASET, seed=0, network="small_unet")))
    assert record["kind"] == "baseline"
    assert gray
    assert all(bool(batch.all()) for batch in gray)


def test_a_dataset_is_prepared_and_read(add, here):
    add(DATASET_TYPE)
    generator = np.random.default_rng(0)
    for split, count in (("train", 3), ("val", 2)):
        for folder, values in ((f"img_dir/{split}", (0, 256, (32, 64, 3))), (f"ann_dir/{split}", (0, 7, (32, 64)))):
            (here / "tiles" / folder).mkdir(parents=True)
            for number in range(count):
                pixels = generator.integers(*values, dtype=np.uint8)
                Image.fromarray(pixels).save(here / "tiles" / folder / f"{number}.png")
    config = settings.complete({"datasets": {"aerial": {"type": "potsdam", "source": "tiles", "size": [32, 64]}}})
    prepare(settings.for_dataset(config, "aerial")["dataset"], settings.manifest_path(config, "aerial").parent)
    manifest = read_json(settings.manifest_path(config, "aerial"))
    assert manifest["classes"][:2] == ["impervious_surface", "building"]
    assert [
        manifest["splits"][split] and manifest["splits"][split]["images"] for split in ("train", "val", "test")
    ] == [
        3,
        2,
        None,
    ]
    loader = Experiment(config, "aerial", 0).evaluation_loader("val")
    assert len(loader.dataset) == 2
