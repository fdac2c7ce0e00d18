"""Packages of libraries whose own `__init__` waits until it is needed.

The `__init__` of a large SDK imports all of it, thousands of modules of which the command uses a
few. So such a package starts empty: a name that its `__init__` takes from a module of its own is
taken from there when it is asked for, and any other name runs the `__init__` as it is.
"""

import ast
import sys
from collections.abc import Iterable, Sequence
from functools import cached_property
from importlib import import_module
from importlib.abc import InspectLoader, Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from threading import RLock
from types import ModuleType
from typing import Any, Final

FOR_COMMANDS: Final = ("anthropic", "langgraph_sdk", "langsmith.types")
"""What the command needs little of: the SDK, and what LangGraph is for elsewhere."""


def defer_packages(names: Iterable[str]) -> None:
    """Defer these packages and the packages in them, wherever they are imported from now on."""
    sys.meta_path.insert(0, _Finder(tuple(names)))


class _Finder(MetaPathFinder):
    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = frozenset(names)
        self._within = tuple(f"{name}." for name in names)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in self._names and not fullname.startswith(self._within):
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec and spec.submodule_search_locations and isinstance(spec.loader, InspectLoader):
            spec.loader = _DeferringLoader(spec.loader)
        return spec


class _DeferringLoader(Loader):
    def __init__(self, loader: InspectLoader) -> None:
        self.loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        assert isinstance(spec.loader, _DeferringLoader)
        return _DeferredPackage(spec.name, spec.loader.loader)

    def exec_module(self, module: ModuleType) -> None:
        """Run nothing yet. Who asks for the package's loader, for its files say, gets its own."""
        assert module.__spec__
        module.__spec__.loader = module.__loader__ = self.loader


class _DeferredPackage(ModuleType):
    """A package that has no names until they are asked for."""

    def __init__(self, name: str, loader: InspectLoader) -> None:
        super().__init__(name)
        self._face = _Face(name, loader)

    def __getattr__(self, name: str) -> Any:
        face: _Face = self.__dict__["_face"]
        if name == "__all__":  # of `import *`, which takes all there is where there is none
            return face.run(self, name)
        if name.startswith("__") and name not in face.bound:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        if name in face.sources:
            module, there = face.sources[name]
            value = getattr(import_module(module, self.__name__), there)
        elif PathFinder.find_spec(f"{self.__name__}.{name}", self.__path__):
            value = import_module(f"{self.__name__}.{name}")
        else:
            return face.run(self, name)
        setattr(self, name, value)
        return value

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._face.bound})


class _Face:
    """What a package's `__init__` says, and whether it has been run."""

    def __init__(self, name: str, loader: InspectLoader) -> None:
        self._name, self._loader = name, loader
        self._lock, self._begun = RLock(), False

    @cached_property
    def _statements(self) -> list[ast.stmt]:
        return ast.parse(self._loader.get_source(self._name) or "").body

    @cached_property
    def sources(self) -> dict[str, tuple[str, str]]:
        """Where each name is from that is taken from a module of the package, and its name there."""
        return {
            each.asname or each.name: ("." * node.level + node.module, each.name)
            for node in self._statements
            if isinstance(node, ast.ImportFrom) and node.level and node.module
            for each in node.names
        }

    @cached_property
    def bound(self) -> frozenset[str]:
        """All names that are plain to see."""
        given = {
            name.id
            for node in self._statements
            if isinstance(node, ast.Assign | ast.AnnAssign)
            for name in ast.walk(node)
            if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)
        }
        return frozenset({*given, *self.sources} - {"*"})

    def run(self, package: ModuleType, name: str) -> Any:
        """A name once the `__init__` has been run. Raises AttributeError where it has none."""
        with self._lock:
            if not self._begun:
                self._begun = True
                self._loader.exec_module(package)
        if name in package.__dict__:
            return package.__dict__[name]
        if last := package.__dict__.get("__getattr__"):
            return last(name)
        raise AttributeError(f"module {package.__name__!r} has no attribute {name!r}")
