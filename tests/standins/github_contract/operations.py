"""The operations of GitHub's description, found by method and path."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

Json = dict[str, Any]

HOOK: Final = "HOOK"
"""Stands where a call has its method."""
HOOKS: Final = "x-webhooks"
DESCRIPTION: Final = Path(__file__).with_name("description.json")
_NAME: Final = re.compile(r"\{([a-z_]+)\}")


@dataclass(frozen=True)
class Operation:
    """What the description says of one method of a path."""

    method: str
    template: str
    described: Json
    parameters: tuple[Json, ...]
    path_values: Mapping[str, str]

    @property
    def name(self) -> str:
        return f"{self.method} {self.template}"


class Operations:
    """Finds operations in a description, whole or trimmed."""

    def __init__(self, description: Json) -> None:
        self.description = description
        self._patterns = [
            (re.compile(self._pattern(template, item)), template)
            for template, item in sorted(description["paths"].items(), key=_most_words_first)
        ]

    def find(self, method: str, path: str) -> Operation | None:
        """The operation that answers a path, without its query, or is written so."""
        for pattern, template in self._patterns:
            item = self.description["paths"][template]
            found = pattern.fullmatch(path)
            if method.lower() in item and (found or path == template):
                values = found.groupdict() if found else {}
                described = item[method.lower()]
                parameters = tuple(self.resolve(each) for each in described.get("parameters", ()))
                named = {name: unquote(value) for name, value in values.items()}
                return Operation(method, template, described, parameters, named)
        return None

    def resolve(self, part: Json) -> Json:
        """A part itself, where another one refers to it."""
        while "$ref" in part:
            kind, name = part["$ref"].split("/")[-2:]
            part = self.description["components"][kind][name]
        return part

    def _pattern(self, template: str, item: Json) -> str:
        """A name stands for one segment of a path, or for several where the description says so."""
        several = {
            parameter["name"]
            for operation in item.values()
            for parameter in map(self.resolve, operation.get("parameters", ()))
            if parameter.get("x-multi-segment")
        }

        def group(found: re.Match[str]) -> str:
            return f"(?P<{found[1]}>{'.+' if found[1] in several else '[^/]+'})"

        return _NAME.sub(group, template.replace(".", r"\."))


def _most_words_first(item: tuple[str, Json]) -> tuple[int, list[bool]]:
    """`/issues/comments` is none of `/issues/{number}`, `/commits/{ref}/status` no commit."""
    segments = item[0].split("/")
    return -len(segments), [segment.startswith("{") for segment in segments]


@cache
def github_operations() -> Operations:
    """What this product calls of GitHub, as GitHub describes it."""
    return Operations(json.loads(DESCRIPTION.read_text()))
