import re

import pytest
import torch

from ssr_mmseg.utils.devices import check_compiler, resolve_device
from ssr_mmseg.utils.errors import UserError


@pytest.mark.parametrize(
    ("name", "cuda", "expected"), [("auto", True, "cuda"), ("auto", False, "cpu"), ("cuda", True, "cuda")]
)
def test_a_gpu_is_used_if_available(monkeypatch, name, cuda, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    assert resolve_device(name) == torch.device(expected)


@pytest.mark.parametrize("cuda", [True, False])
def test_cpu_is_never_replaced(monkeypatch, cuda):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    assert resolve_device("cpu") == torch.device("cpu")


def test_a_missing_gpu_is_refused_in_one_line(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="finds no usable GPU") as caught:
        resolve_device("cuda")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["gpu", "cuda:0", "", "CPU"])
def test_other_names_are_refused(name):
    with pytest.raises(UserError, match="expected device auto, cpu or cuda"):
        resolve_device(name)


@pytest.mark.parametrize(("kind", "expected"), [("cuda", "a C compiler (gcc or clang)"), ("cpu", "a C++ compiler")])
def test_a_missing_compiler_is_named(kind, expected, monkeypatch, tmp_path):
    for variable in ("CC", "CXX"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=re.escape(f"this needs {expected}")):
        check_compiler(kind, "this")
    for name in ("gcc", "g++"):
        (tmp_path / name).touch(mode=0o755)
    check_compiler(kind, "this")
