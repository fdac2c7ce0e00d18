"""How values get into checkpoints and back: by the names of their classes, old names too."""

from collections.abc import Mapping
from types import ModuleType
from typing import Any, Final

import ormsgpack
from langgraph.checkpoint.serde.jsonplus import EXT_PYDANTIC_V2, JsonPlusSerializer
from pydantic import ValidationError

import graph.environment
import graph.pictures
import graph.publication
import graph.spending
import graph.state
import graph.values
from graph import Value
from graph.errors import VersionChanged

Name = tuple[str, str]
"""The module and the name of a class."""


def _classes_of(module: ModuleType) -> dict[Name, type[Value]]:
    return {
        (module.__name__, name): kind
        for name, kind in vars(module).items()
        if isinstance(kind, type) and issubclass(kind, Value) and kind.__module__ == module.__name__
    }


_MODULES: Final = (
    graph.values,
    graph.publication,
    graph.spending,
    graph.environment,
    graph.state,
    graph.pictures,
)
CLASSES: Final = {name: kind for module in _MODULES for name, kind in _classes_of(module).items()}
"""The only classes, beside plain data, that a checkpoint may bring to life."""
RENAMED: Final[Mapping[Name, type[Value]]] = {
    ("graph.values", name): kind
    for module in (graph.spending, graph.publication)
    for (_, name), kind in _classes_of(module).items()
} | {
    ("graph.values", "Settled"): graph.publication.JudgedOnOldBase,
    ("graph.values", "Rebased"): graph.publication.ChangeOnNewBase,
}
"""Classes by the names that they had in earlier releases, whose checkpoints still hold them.

Whoever gives a class another name or module adds the old one here. A field that gets another name
takes the old one as an alias of its own.
"""


class CheckpointSerializer(JsonPlusSerializer):
    """Reads and writes checkpoints; what is none of ours or does not fit ends the reading.

    LangGraph would hand on the plain fields of such a value, or the value without a check.
    """

    def __init__(self, renamed: Mapping[Name, type[Value]] = RENAMED) -> None:
        super().__init__(allowed_msgpack_modules=tuple(CLASSES))
        self._classes = {**renamed, **CLASSES}

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        """Raises VersionChanged."""
        kind, content = data
        if kind != "msgpack":
            return super().loads_typed(data)
        unreadable: list[str] = []  # what the hook raises does not come through

        def revive(code: int, packed: bytes) -> Any:
            if code != EXT_PYDANTIC_V2:
                return self._unpack_ext_hook(code, packed)
            module, name, fields, *_ = _unpacked(packed, revive)
            try:
                return self._classes[module, name].model_validate(fields)
            except (KeyError, ValidationError):
                unreadable.append(f"{module}.{name}")

        value = _unpacked(content, revive)
        if unreadable:
            raise VersionChanged(
                f"A checkpoint holds a value that this release cannot read: {unreadable[0]}."
            )
        return value


def _unpacked(packed: bytes, revive: Any) -> Any:
    return ormsgpack.unpackb(packed, ext_hook=revive, option=ormsgpack.OPT_NON_STR_KEYS)
