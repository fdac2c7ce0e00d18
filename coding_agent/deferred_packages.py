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
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from threading import RLock
from types import ModuleType
from typing import Any, Final

FOR_COMMANDS: Final = ("anthropic", "langgraph_sdk", "langsmith.types")
"""What the command needs little of: the SDK, and what LangGraph is for elsewhere."""


def defer_packages(names: Iterable[str]) -> None:
    """Defer these packages and the packages in them, wherever they are imported from now on."""
    sys.meta_path.insert(0, _Finder(tuple(names)))


class _Finder:
    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = frozenset(names)
        self._within = tuple(f"{name}." for name in names)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in self._names and not fullname.startswith(self._within):
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec and spec.submodule_search_locations and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _DeferringLoader(fullname, spec.loader.path)
        return spec


class _DeferringLoader(SourceFileLoader):
    """Makes a package without running its `__init__`."""

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _DeferredPackage(spec.name, _Face(self))

    def exec_module(self, module: ModuleType) -> None:
        """Run nothing yet."""

    def run(self, module: ModuleType) -> None:
        super().exec_module(module)


class _DeferredPackage(ModuleType):
    """A package that has no names until they are asked for."""

    def __init__(self, name: str, face: "_Face") -> None:
        super().__init__(name)
        self._face = face

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

    def __init__(self, loader: _DeferringLoader) -> None:
        self._loader, self._lock, self._begun = loader, RLock(), False

    @cached_property
    def _statements(self) -> list[ast.stmt]:
        return ast.parse(self._loader.get_data(self._loader.path)).body

    @cached_property
    def sources(self) -> dict[str, tuple[str, str]]:
        """The module and the name there of each name that a module of the package has."""
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
                self._loader.run(package)
        if name in package.__dict__:
            return package.__dict__[name]
        if last := package.__dict__.get("__getattr__"):
            return last(name)
        raise AttributeError(f"module {package.__name__!r} has no attribute {name!r}")
