"""A mistake in an mmengine config is one line that names file, key and the nearest known name."""

import pytest

from ssr_mmseg import settings
from ssr_mmseg.experiment.config_check.check import check_config
from ssr_mmseg.settings.named_configs import DERIVED, SUPERNET, NamedConfig, named_configs
from ssr_mmseg.settings.paths import PROJECT
from ssr_mmseg.utils.errors import UserError

SEARCH = NamedConfig("search", "config/mmseg/supernet_streets.py", SUPERNET)
RETRAIN = NamedConfig("retrain", "config/mmseg/ssrnet_streets.py", DERIVED)
CAMVID = NamedConfig("retrain", "config/mmseg/ssrnet_camvid.py", DERIVED)
ERFNET = NamedConfig("baseline", "config/mmseg/_base_/models/erfnet.py")
STREETS = NamedConfig("dataset", "config/mmseg/_base_/datasets/streets.py")

STEPS = "train_dataloader = dict(dataset=dict(pipeline=[dict(type='LoadImageFromFile'), {}]))"
VAL_STEPS = STEPS.replace("train", "val", 1)
BATCH = "train_dataloader = dict(augmentation=[{}])"

# the config, a line added to it, the key that is named, and the rest of the message
MISTAKES = {
    "optimizer": (RETRAIN, "optim_wrapper = dict(optimizer=dict(type='Adamm'))",
                  "optim_wrapper.optimizer.type", "unknown optimizer Adamm; did you mean Adam?"),
    "optimizer's case": (RETRAIN, "optim_wrapper = dict(optimizer=dict(type='SDG'))",
                         "optim_wrapper.optimizer.type", "unknown optimizer SDG; did you mean SGD?"),
    "optimizer of the search": (
        SEARCH, "optim_wrapper = dict(architecture=dict(optimizer=dict(type='adam')))",
        "optim_wrapper.architecture.optimizer.type", "unknown optimizer adam; did you mean Adam?"),
    "optimizer's argument": (RETRAIN, "optim_wrapper = dict(optimizer=dict(weigth_decay=1))",
                             "optim_wrapper.optimizer.weigth_decay",
                             "Adam has no argument weigth_decay; did you mean weight_decay?"),
    "optimizer's value": (RETRAIN, "optim_wrapper = dict(optimizer=dict(lr=-1))",
                          "optim_wrapper.optimizer", "cannot be built: Invalid learning rate: -1"),
    "optimizer missing": (RETRAIN, "optim_wrapper = dict(_delete_=True)", "optim_wrapper.optimizer", "missing; add it"),
    "one optimizer for a search": (SEARCH, "optim_wrapper = dict(_delete_=True, optimizer=dict(type='Adam'))",
                                   "optim_wrapper.weights",
                                   "missing; a search has one optimizer for the weights and one for the architecture"),
    "wrapper": (RETRAIN, "optim_wrapper = dict(type='OptimWraper')",
                "optim_wrapper.type", "unknown optimizer wrapper OptimWraper; did you mean OptimWrapper?"),
    "wrapper's argument": (CAMVID, "optim_wrapper = dict(clip_gradd=dict(max_norm=5))", "optim_wrapper.clip_gradd",
                           "BFloat16OptimWrapper has no argument clip_gradd; did you mean clip_grad?"),
    "constructor": (SEARCH, "optim_wrapper = dict(constructor='SearchOptimWrapperConstuctor')",
                    "optim_wrapper.constructor",
                    "unknown constructor SearchOptimWrapperConstuctor; did you mean SearchOptimWrapperConstructor?"),
    "clipping": (RETRAIN, "optim_wrapper = dict(clip_grad=dict(max_nrm=5))", "optim_wrapper.clip_grad.max_nrm",
                 "clip_grad_norm_ has no argument max_nrm; did you mean max_norm?"),
    "scheduler": (RETRAIN, "param_scheduler = [dict(type='PolyLr')]",
                  "param_scheduler[0].type", "unknown scheduler PolyLr; did you mean PolyLR?"),
    "scheduler's argument": (RETRAIN, "param_scheduler = [dict(type='PolyLR', powr=0.9)]",
                             "param_scheduler[0].powr", "PolyLR has no argument powr; did you mean power?"),
    "scheduler's optimizer": (SEARCH, "param_scheduler = dict(weight=[])",
                              "param_scheduler.weight", "unknown optimizer weight; did you mean weights?"),
    "transform": (RETRAIN, STEPS.format("dict(type='RandomFlp')"),
                  "train_dataloader.dataset.pipeline[1].type", "unknown transform RandomFlp; did you mean RandomFlip?"),
    "transform of val": (RETRAIN, VAL_STEPS.format("dict(type='PackSegInput')"),
                         "val_dataloader.dataset.pipeline[1].type",
                         "unknown transform PackSegInput; did you mean PackSegInputs?"),
    "transform's argument": (RETRAIN, STEPS.format("dict(type='RandomShift', pixel=2)"),
                             "train_dataloader.dataset.pipeline[1].pixel",
                             "RandomShift has no argument pixel; did you mean pixels?"),
    "transform in a transform": (
        RETRAIN, STEPS.format("dict(type='RandomApply', transforms=[dict(type='Rezise', scale=(1, 1))])"),
        "train_dataloader.dataset.pipeline[1].transforms[0].type", "unknown transform Rezise; did you mean Resize?"),
    "a batch's transform in a pipeline": (
        RETRAIN, STEPS.format("dict(type='CutMix')"), "train_dataloader.dataset.pipeline[1].type",
        "CutMix transforms whole batches, not single images; "
        "move it to the augmentation of a train_dataloader of the type ResidentLoader"),
    "an image's transform for batches": (
        CAMVID, BATCH.format("dict(type='RandomRotate')"), "train_dataloader.augmentation[0].type",
        "RandomRotate transforms single images, not batches; "
        "use one of ColorJitter, CutMix, RandomFlip, RandomScaleCrop, RandomShift"),
    "batch augmentation": (CAMVID, BATCH.format("dict(type='CutMx')"),
                           "train_dataloader.augmentation[0].type", "unknown augmentation CutMx; did you mean CutMix?"),
    "batch augmentation's argument": (CAMVID, BATCH.format("dict(type='CutMix', probb=1)"),
                                      "train_dataloader.augmentation[0].probb",
                                      "CutMix has no argument probb; did you mean prob?"),
    "loader": (CAMVID, "train_dataloader = dict(type='ResidentLoadr')",
               "train_dataloader.type", "unknown loader ResidentLoadr; did you mean ResidentLoader?"),
    "loader's argument": (RETRAIN, "train_dataloader = dict(num_worker=2)", "train_dataloader.num_worker",
                          "DataLoader has no argument num_worker; did you mean num_workers?"),
    "pipeline missing": (RETRAIN, "train_dataloader = dict(dataset=dict(_delete_=True, type='StreetsDataset'))",
                         "train_dataloader.dataset.pipeline", "missing; add it"),
    "pipeline of val missing": (RETRAIN, "val_dataloader = dict(_delete_=True, dataset=dict(type='StreetsDataset'))",
                                "val_dataloader.dataset.pipeline", "missing; add it"),
    "hook": (RETRAIN, "custom_hooks = [dict(type='HistoryHok')]",
             "custom_hooks[0].type", "unknown hook HistoryHok; did you mean HistoryHook?"),
    "hook's argument": (RETRAIN, "custom_hooks = [dict(type='AverageHook', decy=0.9)]",
                        "custom_hooks[0].decy", "AverageHook has no argument decy; did you mean decay?"),
    "hook without type": (RETRAIN, "custom_hooks = [dict(decay=0.9)]",
                          "custom_hooks[0].type", "missing; name a hook"),
    "hooks as one dict": (RETRAIN, "custom_hooks = 5", "custom_hooks", "expected a list, found 5"),
    "default hook": (RETRAIN, "default_hooks = dict(logger=dict(type='LogerHook'))",
                     "default_hooks.logger.type", "unknown hook LogerHook; did you mean LoggerHook?"),
    "default hook's argument": (RETRAIN, "default_hooks = dict(logger=dict(intervall=9))",
                                "default_hooks.logger.intervall",
                                "LoggerHook has no argument intervall; did you mean interval?"),
    "backbone": (ERFNET, "model['backbone']['type'] = 'ERFnet'",
                 "model.backbone.type", "unknown backbone ERFnet; did you mean ERFNet?"),
    "backbone's argument": (ERFNET, "model['backbone']['dropout'] = 1", "model.backbone.dropout",
                            "ERFNet has no argument dropout; did you mean dropout_ratio?"),
    "backbone of a search": (SEARCH, "model = dict(backbone=dict(_delete_=True, type='ERFNet'))", "model.backbone.type",
                             "expected SSRSupernet, found ERFNet; name another config in the experiment"),
    "head": (RETRAIN, "model = dict(decode_head=dict(type='AgregationHead'))",
             "model.decode_head.type", "unknown head AgregationHead; did you mean AggregationHead?"),
    "head's argument": (ERFNET, "model['decode_head']['num_conv'] = 1", "model.decode_head.num_conv",
                        "FCNHead has no argument num_conv; did you mean num_convs?"),
    "loss": (RETRAIN, "model = dict(decode_head=dict(loss_decode=dict(type='CrossEntropy')))",
             "model.decode_head.loss_decode.type", "unknown loss CrossEntropy; did you mean OhemCrossEntropy?"),
    "loss's argument": (RETRAIN,
                        "model = dict(decode_head=dict(loss_decode=dict(type='HardPixelCrossEntropy', tresholdd=1)))",
                        "model.decode_head.loss_decode.tresholdd",
                        "HardPixelCrossEntropy has no argument tresholdd; did you mean threshold?"),
    "normalization": (ERFNET, "model['backbone']['norm_cfg'] = dict(type='SynBN')",
                      "model.backbone.norm_cfg.type", "unknown layer SynBN; did you mean SyncBN?"),
    "model missing": (ERFNET, "del model", "model", "missing; add it"),
    "loop": (RETRAIN, "train_cfg = dict(type='ResumableTrainLop')",
             "train_cfg.type", "unknown loop ResumableTrainLop; did you mean ResumableTrainLoop?"),
    "loop's argument": (RETRAIN, "train_cfg = dict(val_intervall=1)", "train_cfg.val_intervall",
                        "ResumableTrainLoop has no argument val_intervall; did you mean val_interval?"),
    "loop of the other part": (RETRAIN, "train_cfg = dict(type='EpochBasedTrainLoop')", "train_cfg.type",
                               "expected ResumableTrainLoop, found EpochBasedTrainLoop; the retrain needs it"),
    "loop without objective": (SEARCH, "train_cfg = dict(_delete_=True, type='SearchLoop')",
                               "train_cfg.objective", "missing; SearchLoop needs it"),
    "metric": (RETRAIN, "val_evaluator = dict(type='IoUMetrik')",
               "val_evaluator.type", "unknown metric IoUMetrik; did you mean IoUMetric?"),
    "a number for a dict": (RETRAIN, "optim_wrapper = 3", "optim_wrapper", "expected a dict, found 3"),
    "a number for a transform": (RETRAIN, STEPS.format("7"),
                                 "train_dataloader.dataset.pipeline[1]", "expected a dict, found 7"),
    "dataset": (STREETS, "train_dataloader['dataset']['type'] = 'StretsDataset'",
                "train_dataloader.dataset.type", "unknown dataset StretsDataset; did you mean StreetsDataset?"),
    "custom import": (RETRAIN, "custom_imports = dict(imports=['ssr_mmseg.experiment.registr'])", "custom_imports",
                      "could not import ssr_mmseg.experiment.registr: No module named 'ssr_mmseg.experiment.registr'; "
                      "did you mean ssr_mmseg.experiment.register?"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_that_names_file_key_and_nearest_name(configs, capfd, mistake):
    named, line, key, message = MISTAKES[mistake]
    with open(named.name, "a") as file:
        file.write(f"\n{line}\n")
    with pytest.raises(UserError) as caught:
        check_config(named)
    text = str(caught.value)
    assert "\n" not in text
    file, _, rest = text.partition(": ")
    assert file.removesuffix(" (or a base of it)") == named.name
    assert rest.startswith(f"{key}: {message}")
    assert capfd.readouterr() == ("", "")


def test_a_mistake_in_a_base_is_reported_for_the_config_that_the_experiment_names(configs):
    schedule = configs / "_base_/schedules/retrain.py"
    schedule.write_text(schedule.read_text().replace("type='Adam'", "type='Adamm'"))
    with pytest.raises(UserError) as caught:
        check_config(RETRAIN)
    assert str(caught.value) == (
        "config/mmseg/ssrnet_streets.py (or a base of it): optim_wrapper.optimizer.type: unknown optimizer Adamm; "
        "did you mean Adam?"
    )


def test_a_syntax_error_names_file_and_line(configs):
    with open(RETRAIN.name, "a") as file:
        file.write("\nmodel = dict(\n")
    with pytest.raises(UserError, match=r"^config/mmseg/ssrnet_streets.py is not a valid mmengine config: .*line \d"):
        check_config(RETRAIN)


@pytest.mark.parametrize(
    ("selector", "arguments", "message"),
    [
        ("evolution", {"population": 1}, "population is 1, expected an integer of at least 2"),
        ("evolution", {"population": 8.0}, "population is 8.0, expected an integer of at least 2"),
        ("evolution", {"population": 4, "sample": 5}, "sample is 5, expected an integer from 1 to 4"),
        ("local_search", {"least": True}, "least is True, expected an integer of at least 1"),
        ("local_search", {"near": 1.5}, "near is 1.5, expected a number from 0 to 1"),
        ("random_search", {"epochs": "many"}, "epochs is many, expected a number from 0.001 to 1"),
        ("darts_pt", {"near": None}, "near is None, expected a number from 0 to 1"),
    ],
)
def test_a_wrong_argument_of_a_selector_is_refused_before_anything_runs(selector, arguments, message):
    config = settings.complete({"selectors": {selector: arguments}}, "mine.yaml")
    (named,) = [named for named in named_configs(config) if named.part == "selector"]
    with pytest.raises(UserError) as caught:
        check_config(named)
    assert str(caught.value) == f"selector {selector}: {message}; correct it in selectors"


@pytest.mark.parametrize("name", sorted(path.name for path in PROJECT.glob("config/*.yaml")))
def test_the_shipped_experiments_pass(name):
    configs = named_configs(settings.read_config(PROJECT / "config" / name))
    assert {config.part for config in configs} >= {"search", "retrain", "dataset"}
    for config in configs:
        check_config(config)


@pytest.mark.parametrize("name", sorted(path.stem for path in PROJECT.glob("config/mmseg/_base_/models/*.py")))
def test_the_shipped_models_pass(name):
    check_config(NamedConfig("baseline", f"config/mmseg/_base_/models/{name}.py"))


@pytest.mark.parametrize("model", ["segformer_mit-b0", "pspnet_r50-d8", "upernet_r50", "deeplabv3plus_r50-d8"])
def test_mmsegs_own_models_pass(configs, model):
    (configs / "_base_/models/theirs.py").write_text(f"_base_ = ['mmseg::_base_/models/{model}.py']\n")
    check_config(NamedConfig("baseline", "config/mmseg/_base_/models/theirs.py"))


def test_mmsegs_own_dataset_passes(configs):
    (configs / "_base_/datasets/potsdam.py").write_text("_base_ = ['mmseg::_base_/datasets/potsdam.py']\n")
    check_config(NamedConfig("dataset", "config/mmseg/_base_/datasets/potsdam.py"))


def test_a_hook_of_the_working_directory_passes(configs, monkeypatch):
    (configs.parent.parent / "my_hooks.py").write_text(
        "from mmengine.hooks import Hook\nfrom mmseg.registry import HOOKS\n\n"
        "@HOOKS.register_module()\nclass MyHook(Hook):\n    def __init__(self, own):\n        self.own = own\n"
    )
    monkeypatch.syspath_prepend(str(configs.parent.parent))
    with open(RETRAIN.name, "a") as file:
        file.write("\ncustom_imports = dict(imports=['ssr_mmseg.experiment.register', 'my_hooks'])\n")
        file.write("custom_hooks = [dict(type='HistoryHook'), dict(type='MyHook', own=1)]\n")
    check_config(RETRAIN)
