"""Names of plug-ins: known from the source, the same that the registries have, and checked for misspelling."""

from inspect import getfile
from pathlib import Path

import pytest

from ssr_mmseg import settings
from ssr_mmseg.costs import COSTS
from ssr_mmseg.profiling.backends import BACKENDS
from ssr_mmseg.search.regularizers import REGULARIZERS
from ssr_mmseg.search.selectors import SELECTORS
from ssr_mmseg.settings import paths
from ssr_mmseg.settings.plugin_names import FOLDERS, plugin_names
from ssr_mmseg.utils.errors import UserError

REGISTRIES = {"regularizer": REGULARIZERS, "selector": SELECTORS, "cost": COSTS, "backend": BACKENDS}


@pytest.mark.parametrize("kind", FOLDERS)
def test_the_names_in_the_source_are_those_of_the_registry(kind):
    """Other tests may have registered classes of their own: only those in the package's files count."""
    classes = REGISTRIES[kind].module_dict.items()
    assert set(plugin_names(kind)) == {name for name, one in classes if paths.PACKAGE in Path(getfile(one)).parents}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"search": {"regularizer": "entropie"}},
            "search.regularizer: unknown regularizer entropie; did you mean entropy",
        ),
        ({"search": {"regularizer": {"type": "Ssr"}}}, "search.regularizer: unknown regularizer Ssr; did you mean ssr"),
        (
            {"search": {"cost": {"type": "latencey", "target_ms": 5}}},
            "search.cost.type: unknown cost latencey; did you",
        ),
        (
            {"latency": {"backend": "onnx_runtime"}},
            "latency.backend: unknown backend onnx_runtime; did you mean onnxrun",
        ),
        (
            {"profile": {"backends": ["eager", {"name": "openvin"}]}},
            "profile.backends: unknown backend openvin; did you",
        ),
    ],
)
def test_a_misspelled_plug_in_ends_a_run_before_it_starts(changes, message):
    with pytest.raises(UserError, match=message) as caught:
        settings.complete(changes, "my.yaml")
    assert "known are: " in str(caught.value)


def test_a_plug_in_outside_of_the_package_may_have_any_other_name():
    cost = {"type": "energy", "target_mj": 5}
    assert settings.complete({"search": {"cost": cost, "regularizer": "quadratic"}})["search"]["cost"] == cost
