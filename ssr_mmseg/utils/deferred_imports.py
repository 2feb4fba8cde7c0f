"""Imports of third-party packages put off until they are used: without this, they take a third of a short job's time.

mmengine and mmsegmentation import all their components, and some of these import whole packages for one function. Such
a component gets a stand-in, which imports the package when something of it is called. Optimizers import torch's
compiler at every step, to mark that they must not be compiled; it is executed when something is compiled.
"""

import contextlib
import gc
import importlib
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

PACKAGES = {  # put off, by the module that imports them for a function
    "mmseg.datasets.transforms.transforms": ("scipy.ndimage",),
    "mmseg.models.assigners.hungarian_assigner": ("scipy.optimize",),
    "mmseg.models.backbones.beit": ("scipy.interpolate",),
    "mmseg.models.losses.huasdorff_distance_loss": ("scipy.ndimage",),
}
MODULES = {  # put off themselves, with what others import from them
    "mmseg.utils.tokenizer": "tokenize",  # reads a vocabulary of 1 MB
    "mmengine.model.wrappers.fully_sharded_distributed": "MMFullyShardedDataParallel",
}
# Sharded trainings, whose state could not be resumed here, are left out, which mmengine allows for:
ABSENT_PACKAGES = {"mmengine.optim.optimizer.zero_optimizer": ("torch.distributed.optim",)}
ABSENT_MODULES = ("mmengine._strategy.fsdp",)
COMPILER = "torch._dynamo"  # which every step of an optimizer imports, and needs only if it is compiled itself
FOUND = {COMPILER, *PACKAGES, *MODULES, *ABSENT_PACKAGES, *ABSENT_MODULES}


def defer_imports() -> None:
    """Put off those imports in this process, as far as they have not happened yet."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


@contextlib.contextmanager
def uncollected_imports() -> Iterator[None]:
    """Import without garbage collections, and spare the later ones, such as mmengine's for each dataset, the modules.

    A collection walks the 200,000 objects that torch and mmseg bring along, and frees none of them.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if not gc.get_freeze_count():  # once in a process: what is frozen is never freed
            gc.freeze()
        if enabled:
            gc.enable()


class _Finder(MetaPathFinder):
    """Finds the modules whose imports are put off."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in FOUND:
            return None
        if fullname in ABSENT_MODULES:
            raise ModuleNotFoundError(f"{fullname} is not imported by ssr-mmseg", name=fullname)
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = (_LazyLoader if fullname == COMPILER else _Loader)(spec.loader, fullname)
        return spec


class _Loader(Loader):
    """Executes a module as its own loader does, but with stand-ins for packages that it imports."""

    def __init__(self, loader: Loader, name: str) -> None:
        self.loader, self.name = loader, name

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        if self.name in MODULES:
            function = MODULES[self.name]
            setattr(module, function, _Later(lambda: self.loader.exec_module(module), module, function))
            return
        replaced: dict[str, Any] = {name: _StandIn(name) for name in PACKAGES.get(self.name, ())}
        replaced |= dict.fromkeys(ABSENT_PACKAGES.get(self.name, ()))  # None makes `import` raise ImportError
        with _modules({name: value for name, value in replaced.items() if name not in sys.modules}):
            self.loader.exec_module(module)

    def __getattr__(self, name: str) -> Any:  # such as `get_source`, for tracebacks
        return getattr(self.loader, name)


class _LazyLoader(_Loader):
    """Executes torch's compiler when more of it is used than what has no effect without it."""

    def exec_module(self, module: ModuleType) -> None:
        vars(module)["_later"] = self.loader
        module.__class__ = _LazyCompiler


class _LazyCompiler(ModuleType):
    """Torch's compiler before it is imported. Nothing is compiled, so nothing has to be left out of a graph."""

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("__") and name != "__path__":  # the path is read to import a submodule
            return super().__getattribute__(name)
        if name == "graph_break":
            return lambda *_: None
        if name == "disable":
            return lambda *arguments, **options: _disabled(self, *arguments, **options)
        return getattr(_executed(self), name)


def _executed(compiler: ModuleType) -> ModuleType:
    """Return torch's compiler after its import."""
    if isinstance(compiler, _LazyCompiler):
        loader = vars(compiler).pop("_later")
        compiler.__class__ = ModuleType  # type: ignore[assignment]
        loader.exec_module(compiler)
    return compiler


def _disabled(compiler: ModuleType, *arguments: Any, **options: Any) -> Any:
    """Return what the compiler's `disable` returns, or for methods of torch's optimizers the method itself."""
    if isinstance(compiler, _LazyCompiler) and options.get("wrapping") is False and arguments:
        return arguments[0]  # called by the decorator `torch._disable_dynamo`
    return _executed(compiler).disable(*arguments, **options)


class _StandIn(ModuleType):
    """Takes the place of a package while a module that imports functions of it is executed."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Later(lambda: importlib.import_module(self.__name__), None, name)


class _Later:
    """A function whose module is imported with the first call.

    Args:
        load: Imports the module, and returns it if `module` is None.
        module: The module.
        name: The function's name.
    """

    def __init__(self, load: Callable[[], Any], module: ModuleType | None, name: str) -> None:
        self.load, self.module, self.name = load, module, name
        self.function: Callable | None = None

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        if self.function is None:
            found = self.load()
            self.function = getattr(self.module or found, self.name)
        return self.function(*arguments, **options)


@contextlib.contextmanager
def _modules(values: dict[str, Any]) -> Iterator[None]:
    """Set entries of `sys.modules`, and remove them at the end."""
    sys.modules.update(values)
    try:
        yield
    finally:
        for name in values:
            del sys.modules[name]
