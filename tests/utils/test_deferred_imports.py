"""Imports that are put off: jobs do without the packages, and everything that they are for still works."""

import json
import subprocess
import sys

import pytest

from ssr_mmseg.settings.stage_table import STAGES
from ssr_mmseg.utils import deferred_imports

HEAVY = (
    "sympy",
    "torch._dynamo",
    "torch.distributed.fsdp",
    "torch.distributed.tensor",
    "scipy.ndimage",
    "scipy.optimize",
    "matplotlib",
    "pandas",
    "ftfy",
)
JOB = """\
import json, sys
from ssr_mmseg.utils.deferred_imports import defer_imports
defer_imports()
{code}
print(json.dumps({values}))
"""


def run(code: str, values: str, *, deferred: bool = True) -> list:
    """Run code in a process of its own, and return the values of expressions in it."""
    text = JOB.format(code=code, values=values)
    if not deferred:
        text = text.replace("\ndefer_imports()", "")
    call = subprocess.run([sys.executable, "-W", "ignore", "-c", text], capture_output=True, text=True, check=False)
    assert call.returncode == 0, call.stderr
    return json.loads(call.stdout.splitlines()[-1])


def loaded() -> str:
    """Return an expression for the heavy packages that a process has executed."""
    lazy = "type(sys.modules[name]).__name__ == '_LazyCompiler'"
    return f"[name for name in {HEAVY!r} if name in sys.modules and not {lazy}]"


STEP = """\
import torch
layer = torch.nn.Linear(2, 1)
optimizer = torch.optim.AdamW(layer.parameters())
layer(torch.ones(1, 2)).sum().backward()
optimizer.step(); optimizer.zero_grad(); optimizer.load_state_dict(optimizer.state_dict())
"""


@pytest.mark.parametrize("stage", ["prepare", "search", "retrain", "evaluate", "profile"])
def test_a_job_does_without_heavy_packages(stage):
    import_stage = f"import pkgutil\npkgutil.resolve_name({STAGES[stage].function!r})"
    assert run(f"{import_stage}\n{STEP}", loaded()) == []


def test_a_step_of_an_optimizer_is_the_same(tmp_path):
    values = "[float(value) for value in layer.weight.flatten()]"
    seeded = f"import torch; torch.manual_seed(0)\n{STEP}"
    assert run(seeded, values) == run(seeded, values, deferred=False)


def test_torch_still_compiles():
    code = (
        f"{STEP}\nfunction = torch.compile(lambda x: x.sin() + 1, backend='eager')\nresult = function(torch.zeros(2))"
    )
    assert run(f"{code}\noptimizer.step(); optimizer.zero_grad()", "[result.tolist(), 'sympy' in sys.modules]") == [
        [1.0, 1.0],
        True,
    ]


def test_the_compiler_is_imported_for_a_function_that_asks_to_be_left_out():
    code = "import torch\nimport torch._dynamo\nfunction = torch._dynamo.disable(recursive=False)(lambda x: x)"
    assert run(code, "[function(2), type(torch._dynamo).__name__]") == [2, "module"]


def test_a_module_of_the_compiler_can_be_imported_first():
    code = "import torch\nimport torch._dynamo.config as config\nvalue = config.cache_size_limit"
    assert run(code, "[value > 0, torch._dynamo.optimize.__name__]") == [True, "optimize"]


def test_functions_of_packages_that_are_put_off_work():
    code = (
        "import numpy as np\n"
        "from mmseg.datasets.transforms.transforms import gaussian_filter\n"
        "from mmseg.models.assigners.hungarian_assigner import linear_sum_assignment\n"
        "from mmseg.models.backbones.beit import interpolate\n"
        "from mmseg.models.losses.huasdorff_distance_loss import distance\n"
        "from mmseg.utils import tokenize\n"
        "packages = 'scipy.ndimage', 'scipy.optimize', 'scipy.interpolate', 'ftfy'\n"
        "before = [name for name in packages if name in sys.modules]\n"
        "rows, columns = linear_sum_assignment(np.array([[1.0, 0.0], [0.0, 1.0]]))\n"
        "blurred = gaussian_filter(np.eye(4), 1.0)\n"
        "spline = interpolate.make_interp_spline(np.arange(5.0), np.arange(5.0) ** 2)\n"
        "far = distance(np.array([[1, 1, 0]]))\n"
        "tokens = tokenize('a street')\n"
    )
    values = "[before, columns.tolist(), blurred.tolist(), float(spline(1.5)), far.tolist(), tokens.tolist()]"
    deferred, plain = run(code, values), run(code, values, deferred=False)
    assert deferred[0] == []
    assert deferred[1:] == plain[1:]


def test_sharded_models_of_mmengine_are_loaded_when_they_are_used():
    code = (
        "from mmengine.model import MMFullyShardedDataParallel, is_model_wrapper\n"
        "import torch\n"
        "early = is_model_wrapper(torch.nn.Linear(1, 1)), 'torch.distributed.fsdp' in sys.modules\n"
        "try:\n    MMFullyShardedDataParallel(torch.nn.Linear(1, 1))\n"
        "except Exception as error:\n    problem = str(error)\n"
    )
    early, problem = run(code, "[early, problem]")
    assert early == [False, False]
    assert "FSDP" in problem or "process group" in problem, "torch's message, not one of the stand-in"


def test_a_second_call_changes_nothing(monkeypatch):
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    for _ in range(2):
        deferred_imports.defer_imports()
    assert sum(type(finder).__name__ == "_Finder" for finder in sys.meta_path) == 1


@pytest.mark.parametrize("enabled", [True, False])
def test_imports_are_not_collected_and_collections_go_on_as_before(enabled):
    """In a process of its own, because what is frozen is never freed."""
    code = f"""
import gc
from ssr_mmseg.utils.deferred_imports import uncollected_imports
gc.enable() if {enabled} else gc.disable()
for _ in range(2):
    try:
        with uncollected_imports():
            assert not gc.isenabled()
            import json.tool
            raise ImportError
    except ImportError:
        pass
    assert gc.isenabled() == {enabled}
frozen = gc.get_freeze_count()
with uncollected_imports():
    new = []
    new.append(new)
assert frozen and gc.get_freeze_count() == frozen and any(entry is new for entry in gc.get_objects())
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_module_that_is_put_off_exists():
    """A new version of mmengine or mmseg may have moved it: then this list is out of date."""
    names = [*deferred_imports.FOUND - {deferred_imports.COMPILER}]
    code = f"import importlib.util\nmissing = [name for name in {names!r} if importlib.util.find_spec(name) is None]"
    assert run(code, "missing", deferred=False) == []
