"""Packages of libraries whose own `__init__` waits until it is needed.

The `__init__` of a large SDK imports all of it, thousands of modules of which the command uses a
few. So such a package starts empty: a name that its `__init__` takes from a module of its own is
taken from there when it is asked for, and any other name runs the `__init__` as it is.
"""

import ast
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from importlib.abc import Loader
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import resolve_name
from types import ModuleType
from typing import Any, Final

FOR_COMMANDS: Final = ("anthropic", "langgraph_sdk", "langsmith.types")
"""What the command needs little of: the SDK, and what LangGraph is for elsewhere."""
_RUN: Final = "__init__"
"""A module of each package: to import it is to run the `__init__`, once, whichever thread asks."""


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
        parent, _, name = fullname.rpartition(".")
        if name == _RUN and isinstance(package := sys.modules.get(parent), _DeferredPackage):
            return ModuleSpec(fullname, _RunLoader(package))
        spec = PathFinder.find_spec(fullname, path, target)
        if spec and spec.submodule_search_locations and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _DeferringLoader(fullname, spec.loader.path)
        return spec


class _DeferringLoader(SourceFileLoader):
    """Makes a package without running its `__init__`."""

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _DeferredPackage(spec.name, self)

    def exec_module(self, module: ModuleType) -> None:
        """Run nothing yet."""

    def run(self, module: ModuleType) -> None:
        super().exec_module(module)


class _DeferredPackage(ModuleType):
    """A package that has no names until they are asked for."""

    def __init__(self, name: str, loader: _DeferringLoader) -> None:
        super().__init__(name)
        vars(self)["_face"] = _Face(loader)

    def __getattr__(self, name: str) -> Any:
        face: _Face = self.__dict__["_face"]
        if name.startswith("__") and name != "__all__" and name not in face.bound:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        if name in face.sources:
            module, there = face.sources[name]
            value = getattr(_import(resolve_name(module, self.__name__)), there)
        elif name not in face.own and PathFinder.find_spec(
            f"{self.__name__}.{name}", self.__path__
        ):
            value = _import(f"{self.__name__}.{name}")
        else:  # so it is with `__all__`, of `import *`, where there is none
            return face.run(self, name)
        setattr(self, name, value)
        return value

    def __setattr__(self, name: str, value: object) -> None:
        """Of a module and a name in it that is called as it, the name is the package's."""
        if isinstance(value, ModuleType) and name in self._face.sources:
            return
        super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._face.bound})


class _RunLoader(Loader):
    """Runs the `__init__` of a package that waits."""

    def __init__(self, package: _DeferredPackage) -> None:
        self._package = package

    def exec_module(self, module: ModuleType) -> None:  # noqa: ARG002 - it stays empty
        vars(self._package)["_face"].loader.run(self._package)


def _import(name: str) -> ModuleType:
    """A module, also one that another thread is in the middle of and that waits for this one.

    `importlib.import_module` refuses that as a deadlock.
    """
    __import__(name)
    return sys.modules[name]


class _Face:
    """What a package's `__init__` says."""

    def __init__(self, loader: _DeferringLoader) -> None:
        self.loader = loader

    @cached_property
    def _statements(self) -> list[ast.stmt]:
        return ast.parse(self.loader.get_data(self.loader.path)).body

    @cached_property
    def sources(self) -> dict[str, tuple[str, str]]:
        """The module and the name there of each name that a module of the package has."""
        return {
            each.asname or each.name: ("." * node.level + node.module, each.name)
            for node in self._statements
            if isinstance(node, ast.ImportFrom) and node.level and node.module
            for each in node.names
            if (each.asname or each.name) not in self.own
        }

    @cached_property
    def own(self) -> frozenset[str]:
        """Names that it gives a value itself, in whichever statement."""
        within = (
            inner
            for node in self._statements
            if not isinstance(node, ast.ImportFrom)
            for inner in ast.walk(node)
        )
        return frozenset(name for node in within for name in _names(node))

    @cached_property
    def bound(self) -> frozenset[str]:
        """All names that are plain to see."""
        return frozenset({*self.own, *self.sources} - {"*"})

    def run(self, package: ModuleType, name: str) -> Any:
        """A name once the `__init__` has been run. Raises AttributeError where it has none."""
        _import(f"{package.__name__}.{_RUN}")
        if name in package.__dict__:
            return package.__dict__[name]
        if last := package.__dict__.get("__getattr__"):
            return last(name)
        raise AttributeError(f"module {package.__name__!r} has no attribute {name!r}")


def _names(node: ast.AST) -> Iterator[str]:
    """The names to which a part of a statement gives a value."""
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.alias):
        yield node.asname or node.name.partition(".")[0]
