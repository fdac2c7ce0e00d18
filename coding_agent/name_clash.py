"""Modules of other people's that have the names of ours and are found first."""

import sys
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Final

FOR_GRAPHS: Final = ("api", "forge", "graph", "local", "roles", "runs", "sandbox", "wiring")
"""Our top-level names that a graph needs."""
FOR_COMMANDS: Final = (*FOR_GRAPHS, "demo", "deploy")
"""All of our top-level names but this package's."""
_BESIDE: Final = Path(__file__).parents[1]


class NameClash(ImportError):
    """Raised when a name of ours leads to a module that is not ours."""


def check_names(names: Iterable[str]) -> None:
    """Look where top-level names lead, without importing anything. Raises NameClash."""
    found = {name: where for name in names if (where := _stranger(name))}
    if found:
        listed = ", ".join(f"{name} is {where}" for name, where in found.items())
        raise NameClash(
            f"Other modules have the names of coding-agent's own and are found first: {listed}. "
            "Rename them, or start from a folder without them; "
            "`coding-agent run --json` is a process of its own, which they do not disturb.",
            name=next(iter(found)),
            path=next(iter(found.values())),
        )


def _stranger(name: str) -> str:
    """Where a name leads that does not lead to us; empty where it does, or nowhere."""
    try:
        spec = find_spec(name)
    except ValueError:  # put into sys.modules by hand
        return str(getattr(sys.modules[name], "__file__", "a module made in memory"))
    if spec is None:
        return ""
    where = spec.origin if spec.has_location else None
    folders = list(spec.submodule_search_locations or ())
    place = Path(folders[0] if folders else where or name)
    ours = (_BESIDE / name).resolve() == place.with_suffix("").resolve()
    return "" if ours else where or str(place)
