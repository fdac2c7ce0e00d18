"""The door to the product, beside whatever modules: `from coding_agent import open_graph`.

`python -m coding_agent` is the command. Nobody else's modules are called so; ours that are called
`api`, `graph` or `local` may not be the ones that Python finds.
"""

from typing import TYPE_CHECKING, Any

from coding_agent.name_clash import FOR_GRAPHS, NameClash, check_names

if TYPE_CHECKING:
    from local import open_graph

__all__ = ["NameClash", "open_graph"]


def __getattr__(name: str) -> Any:
    """`open_graph` when it is asked for: the command needs none of it to say its help."""
    if name != "open_graph":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    check_names(FOR_GRAPHS)
    from local import open_graph

    return open_graph
