import pytest
from mmengine.registry import Registry

from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.registry import build, registered

LENSES = Registry("lens")


@LENSES.register_module()
class Wide:
    def __init__(self, angle: float, glass: str = "crown") -> None:
        self.angle, self.glass = angle, glass


def test_a_name_and_a_mapping_build_the_same():
    assert vars(build(LENSES, "Wide", "lens", angle=90)) == vars(build(LENSES, {"type": "Wide", "angle": 90}, "lens"))
    assert build(LENSES, {"type": "Wide", "glass": "flint"}, "lens", angle=90).glass == "flint"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("Wid", r"unknown lens 'Wid'; did you mean Wide\? choose one of: Wide"),
        ({"angle": 3}, "lens: expected a name or a mapping with the key type"),
        ({"type": 3}, "lens: expected a name or a mapping with the key type"),
        ({"type": "Wide", "angel": 3}, r"lens Wide: .*; its arguments are: angle, glass"),
        ({"type": "Wide"}, "lens Wide: missing a required argument: 'angle'; its arguments are: angle, glass"),
    ],
)
def test_an_invalid_plug_in_gives_one_line(config, message):
    with pytest.raises(UserError, match=message) as caught:
        build(LENSES, config, "lens")
    assert "\n" not in str(caught.value)


def test_the_class_itself_is_returned():
    assert registered(LENSES, "Wide", "lens") is Wide
