import json

import jsonschema
import pytest

from ssr_mmseg.utils import json_schema
from ssr_mmseg.utils.errors import UserError

NAMES = sorted(
    str(path.relative_to(json_schema.SCHEMAS)).removesuffix(".schema.json")
    for path in json_schema.SCHEMAS.rglob("*.schema.json")
)


@pytest.mark.parametrize("name", NAMES)
def test_every_schema_is_valid(name):
    assert json_schema.has_schema(name)
    jsonschema.Draft202012Validator.check_schema(json.loads((json_schema.SCHEMAS / f"{name}.schema.json").read_text()))


@pytest.mark.parametrize("number", [1.0, True])
def test_floats_and_booleans_are_not_integers(number):
    block = {"dilation": number, "resolution": 1, "mid": 2, "out": 2}
    stages = [{"channels": 20, "blocks": [block]}, {"channels": 30, "blocks": [block]}]
    with pytest.raises(UserError, match=r"g\.json is not as expected: .*dilation: .* is not of type 'integer'; fix it"):
        json_schema.check({"format": "ssr-genotype-1", "stages": stages}, "genotype", "g.json", "fix it")


def test_a_million_violations_give_one_short_message():
    error = json_schema.violation({"format": "ssr-genotype-1", "stages": ["x" * 1000] * 10**6}, "genotype")
    assert len(json_schema.describe(error)) < 300
