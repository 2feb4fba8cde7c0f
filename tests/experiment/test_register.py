"""The components work in plain mmengine configs, without the project's own stages."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner

from ssr_mmseg.datasets.preparation.prepare import prepare
from ssr_mmseg.settings.paths import PROJECT


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("town")
    options = {"train": 4, "val": 2, "test": 1, "seed": 0}
    settings = {"name": "town", "type": "streets", "size": [32, 64], "source": None, "options": options}
    prepare(settings, folder)
    return folder / "data"


CONFIG = """
default_scope = 'mmseg'
custom_imports = dict(imports=['ssr_mmseg.experiment.register'])
data_preprocessor = dict(type='SegDataPreProcessor', size=(32, 64), seg_pad_val=255)
head_loss = dict(type='CrossEntropyLoss')
train = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='RandomShift', pixels=2),
         dict(type='PackSegInputs')]
test = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]
def split(name, pipeline):
    prefix = dict(img_path=f'{name}/images', seg_map_path=f'{name}/labels')
    return dict(type='StreetsDataset', data_root=DATA, data_prefix=prefix, pipeline=pipeline)
train_dataloader = dict(batch_size=2, num_workers=0, sampler=dict(type='InfiniteSampler'),
                        dataset=split('train', train))
val_dataloader = dict(batch_size=1, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
                      dataset=split('val', test))
val_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
optim_wrapper = dict(optimizer=dict(type='Adam', lr=1e-3))
train_cfg = dict(type='IterBasedTrainLoop', max_iters=2, val_interval=2)
val_cfg = dict(type='ValLoop')
"""
SUPERNET = """
model = dict(type='EncoderDecoder', data_preprocessor=data_preprocessor,
    backbone=dict(type='SSRSupernet', **SEARCH),
    decode_head=dict(type='SearchHead', in_channels=24, num_classes=11, align_corners=False, loss_decode=head_loss),
    test_cfg=dict(mode='whole'))
"""
DERIVED = """
model = dict(type='EncoderDecoder', data_preprocessor=data_preprocessor,
    backbone=dict(type='SSRNet', genotype=GENOTYPE),
    decode_head=dict(type='AggregationHead', in_channels=[16, 48, 124], num_classes=11, align_corners=False,
                     loss_decode=head_loss),
    test_cfg=dict(mode='whole'))
"""
SEARCH = {
    "space": {
        "stages": [{"blocks": 1, "channels": 20, "width_step": 2}, {"blocks": 1, "channels": 24, "width_step": 2}],
        "dilations": [1, 2],
        "resolutions": [1, 2],
        "width_options": 3,
    },
    "dimensions": ["depth", "dilation", "resolution", "mid_width", "out_width"],
    "gate": "sigmoid",
}


@pytest.mark.parametrize("model", [SUPERNET, DERIVED], ids=["supernet", "derived"])
def test_a_plain_mmengine_config_trains_and_validates(model, data, tmp_path):
    genotype = str(PROJECT / "config/genotypes/paper_cityscapes.json")
    constants = f"DATA = {str(data)!r}\nSEARCH = {SEARCH!r}\nGENOTYPE = {genotype!r}\n"
    file = tmp_path / "config.py"
    file.write_text(constants + CONFIG + model)
    config = Config.fromfile(file)
    config.work_dir = str(tmp_path / "work")
    torch.manual_seed(0)
    runner = Runner.from_cfg(config)
    before = {name: value.clone() for name, value in runner.model.named_parameters() if "stages" in name}
    runner.train()
    after = dict(runner.model.named_parameters())
    assert sum(bool((after[name] != value).any()) for name, value in before.items()) > len(before) / 2
    metrics = runner.val()
    assert 0 <= metrics["mIoU"] <= 100
    assert np.isfinite(metrics["aAcc"])
