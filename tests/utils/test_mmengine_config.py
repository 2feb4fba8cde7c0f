"""Reading of mmengine configs: they are Python, which may raise or name anything."""

import pytest

from ssr_mmseg.jobs.preemption import Stopped
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.mmengine_config import read_mmengine_config


@pytest.fixture
def read(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "leaving.py").write_text("raise SystemExit(0)\n")
    (tmp_path / "stopping.py").write_text("from ssr_mmseg.jobs.preemption import Stopped\nraise Stopped('a signal')\n")

    def read(text: str) -> object:
        (tmp_path / "a.py").write_text(text)
        return read_mmengine_config(tmp_path / "a.py", "a.py")

    return read


MODULES = "a.py: custom_imports: expected the name of a module or a list of them, found "


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("raise SystemExit(0)", "a.py is not a valid mmengine config: it raises SystemExit(0); correct it"),
        ("raise ValueError('\\x1b[2J\\n')", r"a.py is not a valid mmengine config: \x1b[2J; correct it"),
        ("raise MemoryError", "a.py is not a valid mmengine config: it raises MemoryError(); correct it"),
        ("def f(): return f()\nf()", "a.py is not a valid mmengine config: maximum recursion depth exceeded"),
        ("a = []\na.append(a)", "a.py is not a valid mmengine config: maximum recursion depth exceeded"),
        ("custom_imports = 5", "a.py: custom_imports: expected a dict, found 5"),
        ("custom_imports = dict(imports=5)", MODULES + "5"),
        ("custom_imports = dict(imports=[5])", MODULES + "5"),
        ("custom_imports = dict(imports=[['os']])", MODULES + "['os']"),
        ("custom_imports = dict(imports=dict(os=1))", MODULES + "{'os': 1}"),
        ("custom_imports = dict(imports=[''])", MODULES + "''"),
        ("custom_imports = dict(imports='..x')", "a.py: custom_imports: could not import ..x: the 'package' argument"),
        ("custom_imports = dict(imports='leaving')", "could not import leaving: it raises SystemExit(0)"),
        ("custom_imports = dict(imports=['x' * 10000])", "a.py: custom_imports: could not import xxx"),
    ],
)
def test_a_mistake_is_one_line(read, text, message):
    with pytest.raises(UserError) as caught:
        read(text)
    assert message in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 1000


def test_a_module_that_may_fail_may_also_exit(read):
    assert read("a = 1\ncustom_imports = dict(imports='leaving', allow_failed_imports=True)").a == 1


@pytest.mark.parametrize("text", ["custom_imports = dict(imports='stopping')", "__import__('stopping')"])
def test_a_request_to_stop_gets_through(read, text):
    with pytest.raises(Stopped):
        read(text)
