"""Baseline networks: each is built from its file, maps images to logits, and has the published size."""

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

from ssr_mmseg.deploy.logits import logits_network
from ssr_mmseg.profiling import count_parameters
from ssr_mmseg.settings import paths, project_files

# millions of parameters, without auxiliary heads; the published figures, or mmseg's where they differ
PARAMETERS = {
    "erfnet": 2.1,
    "fast_scnn": 1.4,  # mmseg's wider classifier; the paper says 1.1
    "cgnet": 0.5,
    "bisenetv1": 13.3,
    "bisenetv2": 3.3,
    "stdc1": 8.3,
    "stdc2": 12.3,
    "ddrnet_23_slim": 5.7,
    "pidnet_s": 7.6,
    "icnet": 47.5,  # on ResNet-50 at full width; the paper prunes it to 26.5
}


def segmentor(name: str):
    init_default_scope("mmseg")
    model = Config.fromfile(paths.PROJECT / f"config/mmseg/_base_/models/{name}.py")["model"]
    auxiliary = model.get("auxiliary_head") or []
    for head in [model["decode_head"], *auxiliary]:
        head["num_classes"] = 19
    return MODELS.build(model)


def test_every_baseline_is_listed():
    files = {path.stem for path in (paths.PROJECT / "config/mmseg/_base_/models").glob("*.py")}
    assert files - set(project_files.NOT_BASELINES) == set(PARAMETERS)
    assert set(project_files.network_names()) >= set(PARAMETERS) | {"paper_cityscapes"}
    assert not set(project_files.network_names()) & set(project_files.NOT_BASELINES)


@pytest.mark.parametrize("name", sorted(PARAMETERS))
def test_a_baseline_maps_images_to_logits_and_has_the_published_size(name):
    network = logits_network(segmentor(name)).eval()
    assert count_parameters(network) / 1e6 == pytest.approx(PARAMETERS[name], rel=0.08)
    with torch.no_grad():
        assert network(torch.zeros(1, 3, 128, 192)).shape == (1, 19, 128, 192)


@pytest.mark.parametrize("name", sorted(PARAMETERS))
def test_a_baseline_has_no_pretrained_weights(name):
    text = (paths.PROJECT / f"config/mmseg/_base_/models/{name}.py").read_text()
    assert "Pretrained" not in text
    assert "http" not in text
