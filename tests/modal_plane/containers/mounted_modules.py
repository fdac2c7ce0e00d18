"""Imports a deployment's modules from where its files are written, as if they were mounted."""

import builtins
import importlib
import io
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.abc import MetaPathFinder
from importlib.machinery import (
    BuiltinImporter,
    FrozenImporter,
    ModuleSpec,
    PathFinder,
    SourceFileLoader,
)
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

MOUNTED = "/root"


class MountedLoader(SourceFileLoader):
    """Reads and compiles in `folder` what says that it is in `MOUNTED`."""

    def __init__(self, name: str, path: str, folder: str) -> None:
        super().__init__(name, path)
        self._folder = folder

    def _there(self, path: Any) -> str:
        return self._folder + str(path).removeprefix(MOUNTED)

    def path_stats(self, path: Any) -> Any:
        return super().path_stats(self._there(path))

    def get_data(self, path: Any) -> bytes:
        return super().get_data(self._there(path))

    def set_data(self, path: str, data: Any, *, _mode: int = 0o666) -> None:
        super().set_data(self._there(path), data, _mode=_mode)


class MountedFinder(MetaPathFinder):
    def __init__(self, folder: str) -> None:
        self._folder = folder

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        for package, file in ((True, "/__init__.py"), (False, ".py")):
            inside = "/" + name.replace(".", "/")
            if not Path(self._folder + inside + file).is_file():
                continue
            place = MOUNTED + inside
            return spec_from_file_location(
                name,
                place + file,
                loader=MountedLoader(name, place + file, self._folder),
                submodule_search_locations=[place] if package else None,
            )
        return None


def import_mounted(folder: str, modules: Iterable[str]) -> None:
    """Import what can be: a container meets the error of the rest itself."""
    with _nothing_else(folder), _files_of(folder):
        for name in modules:
            with suppress(Exception):
                importlib.import_module(name)


@contextmanager
def _nothing_else(folder: str) -> Iterator[None]:
    """Nothing of this machine is found that a container would not find: no copy of the project."""
    finders, path = sys.meta_path[:], sys.path[:]
    sys.meta_path[:] = [MountedFinder(folder), BuiltinImporter, FrozenImporter, PathFinder]
    sys.path[:] = [entry for entry in path if entry.startswith((sys.prefix, sys.base_prefix))]
    try:
        yield
    finally:
        sys.meta_path[:], sys.path[:] = finders, path
        sys.path_importer_cache.clear()  # what was not there is there in a container


@contextmanager
def _files_of(folder: str) -> Iterator[None]:
    """What modules read beside themselves as they are imported is in `folder`, too.

    Sources are read by their loader.
    """
    opens, looks = io.open, os.stat

    def there(path: Any) -> Any:
        inside = folder + str(path).removeprefix(MOUNTED)
        is_ours = str(path).startswith(f"{MOUNTED}/") and not str(path).endswith(".py")
        return inside if is_ours and os.access(inside, os.F_OK) else path

    def redirected(call: Any) -> Any:
        return lambda path, *given, **named: call(there(path), *given, **named)

    builtins.open = io.open = redirected(opens)
    os.stat = redirected(looks)
    try:
        yield
    finally:
        builtins.open = io.open = opens
        os.stat = looks
