import json
from dataclasses import MISSING, fields

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from spaces import SPACE

from ssr_mmseg.architecture.genotype import Block, Genotype, build_genotype, find_choice, random_choice
from ssr_mmseg.models.derived_network import SSRNet
from ssr_mmseg.settings import paths
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import read_json
from ssr_mmseg.utils.json_schema import SCHEMAS

PAPER = paths.PROJECT / "config/genotypes/paper_cityscapes.json"


def a_genotype() -> Genotype:
    return build_genotype(SPACE, random_choice(SPACE, np.random.default_rng(3)), "drawn")


@given(st.integers(0, 2**32 - 1))
def test_a_choice_and_its_genotype_are_inverse(seed):
    genotype = build_genotype(SPACE, random_choice(SPACE, np.random.default_rng(seed)))
    assert build_genotype(SPACE, find_choice(SPACE, genotype)) == genotype


@given(st.integers(0, 2**32 - 1))
def test_a_genotype_equals_the_one_read_from_its_json(seed):
    genotype = build_genotype(SPACE, random_choice(SPACE, np.random.default_rng(seed)), f"seed {seed}")
    assert Genotype.from_dict(json.loads(json.dumps(genotype.to_dict()))) == genotype


def test_a_file_reads_back_and_has_a_line_per_block(tmp_path):
    genotype = a_genotype()
    genotype.write(tmp_path / "g.json")
    assert Genotype.read(tmp_path / "g.json") == genotype
    lines = (tmp_path / "g.json").read_text().splitlines()
    assert sum('"dilation"' in line for line in lines) == sum(len(stage.blocks) for stage in genotype.stages)


def test_the_published_network_is_the_papers():
    """Every block, as (dilation, resolution, mid, out), from the result in the authors' code."""
    published = Genotype.read(PAPER)
    assert [stage.channels for stage in published.stages] == [64, 128]
    assert [[(b.dilation, b.resolution, b.mid, b.out) for b in stage.blocks] for stage in published.stages] == [
        [(1, 1, 64, 64), (1, 1, 60, 52), (1, 1, 64, 44), (1, 1, 60, 48)],
        [
            (4, 2, 112, 124),
            (2, 1, 128, 120),
            (1, 1, 108, 116),
            (4, 1, 124, 124),
            (8, 1, 120, 120),
            (2, 1, 124, 128),
            (8, 1, 120, 124),
            (16, 1, 100, 124),
            (2, 2, 96, 124),
        ],
    ]


def enlarge(genotype: dict) -> None:
    block = {"dilation": 1, "resolution": 1, "mid": 4096, "out": 4096}
    genotype["stages"][1] = {"channels": 4096, "blocks": [block] * 128}


def broken(change) -> dict:
    value = a_genotype().to_dict()
    change(value)
    return value


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda g: g.pop("stages"), "'stages' is a required property"),
        (lambda g: g.update(format="other"), "format: 'ssr-genotype-1' was expected"),
        (lambda g: g.update(extra=1), "Additional properties"),
        (lambda g: g["stages"].pop(), "stages: "),
        (lambda g: g["stages"][0]["blocks"].clear(), "stages.0.blocks: "),
        (lambda g: g["stages"][0]["blocks"][0].update(mid=0), "stages.0.blocks.0.mid: 0 is less than"),
        (lambda g: g["stages"][0]["blocks"][0].update(out=2.5), "stages.0.blocks.0.out: 2.5 is not of type 'integer'"),
        (
            lambda g: g["stages"][0]["blocks"][0].update(out=21),
            "block 1 of stage 1 has a width of 21, expected at most",
        ),
        (lambda g: g["stages"][0]["blocks"][0].update(dilation=1.0), "dilation: 1.0 is not of type 'integer'"),
        (lambda g: enlarge(g), "its blocks have 1288490.* weights, expected at most 250000000"),
        (lambda g: g["stages"][1].update(channels=20), "has a width of|expected more than the 20 of stage 1"),
    ],
)
def test_an_invalid_genotype_is_refused_in_one_line(change, message):
    with pytest.raises(UserError, match=message) as caught:
        Genotype.from_dict(broken(change), "file.json")
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("file.json is not a genotype: ")


def test_the_schema_has_the_fields_of_a_block():
    """A field with a default may be left out of a file."""
    schema = read_json(SCHEMAS / "genotype.schema.json")["properties"]["stages"]["items"]["properties"]["blocks"][
        "items"
    ]
    assert list(schema["properties"]) == [field.name for field in fields(Block)]
    assert schema["required"] == [field.name for field in fields(Block) if field.default is MISSING]
    assert {field["type"] for field in schema["properties"].values()} == {"integer"}
    assert {field.type for field in fields(Block)} == {int}


def test_a_genotype_outside_the_space_is_refused():
    with pytest.raises(UserError, match="not in the space"):
        find_choice(SPACE, Genotype.read(PAPER))


def test_a_huge_file_is_not_parsed(tmp_path):
    genotype = a_genotype()
    genotype.write(tmp_path / "g.json")
    (tmp_path / "g.json").write_text((tmp_path / "g.json").read_text() + " " * 2**20)
    with pytest.raises(UserError, match=r"g\.json is larger than 1048576 bytes"):
        Genotype.read(tmp_path / "g.json")


def test_the_number_of_weights_is_that_of_the_network():
    genotype = a_genotype()
    backbone = SSRNet(genotype.to_dict())
    convolutions = [
        module
        for stage in backbone.stages
        for module in stage.modules()
        if isinstance(module, torch.nn.Conv2d) and 1 in module.kernel_size
    ]
    assert sum(stage.weights for stage in genotype.stages) == sum(c.weight.numel() for c in convolutions)
