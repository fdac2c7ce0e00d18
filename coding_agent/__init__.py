"""The door to the product, beside whatever modules: `from coding_agent import open_graph`.

`python -m coding_agent` is the command. Nobody else's modules are called so; ours that are called
`api`, `graph` or `local` may not be the ones that Python finds. `docs/python.md` tells how each
name is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from coding_agent.name_clash import FOR_GRAPHS, NameClash, check_names

if TYPE_CHECKING:
    from local import open_graph, open_services
    from wiring import Settings

__all__ = ["NameClash", "Settings", "open_graph", "open_services"]

_MODULES: Final = {"Settings": "wiring", "open_graph": "local", "open_services": "local"}
"""Where each name is, for when it is asked for: the command needs none of them to say its help."""


def __getattr__(name: str) -> Any:
    """One of the names, once ours are the modules that Python finds. Raises NameClash."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    check_names(FOR_GRAPHS)
    return getattr(import_module(_MODULES[name]), name)
