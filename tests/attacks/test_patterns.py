"""Every compiled pattern of ours on the worst text: its work grows with the text alone."""

import importlib
import pkgutil
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import pytest

import api
import forge
import graph
import roles
import runs
import sandbox
import wiring

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
OF_EXTRAS: Final = ("psycopg", "langgraph.checkpoint.postgres")
"""Libraries that are not there where an extra is not installed."""
PACKAGES: Final = (graph, roles, sandbox, forge, runs, api, wiring)
SIZES: Final = (1_000, 4_000, 16_000, 64_000)
PATH_SIZES: Final = (256, 1_024, 4_096)
"""What speaks of a part of a path is asked about paths, and no longer path is taken anywhere."""
LONG_S: Final = 0.2
"""Below this, in processor time, the clock says too little."""
GROWS_FASTER: Final = 10
"""Four times the text: linear work takes 4 times as long, quadratic 16 times."""
METHODS: Final = ("fullmatch", "match", "search", "finditer", "findall", "sub", "split")


@dataclass(frozen=True)
class Use:
    """A pattern, where it is defined, and a method that our code calls on it."""

    name: str
    pattern: re.Pattern[Any]
    method: str

    def work(self, text: str) -> None:
        given = text if isinstance(self.pattern.pattern, str) else text.encode()
        call: Callable[..., Any] = getattr(self.pattern, self.method)
        found = call(given[:0], given) if self.method == "sub" else call(given)
        if self.method == "finditer":
            list(found)


def modules() -> Iterator[ModuleType]:
    for package in PACKAGES:
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if found.name.endswith("__main__"):
                continue
            try:
                yield importlib.import_module(found.name)
            except ModuleNotFoundError as missing:
                if not str(missing.name).startswith(OF_EXTRAS):
                    raise


def patterns_in(value: object, seen: set[int]) -> Iterator[re.Pattern[Any]]:
    if id(value) in seen:
        return
    seen.add(id(value))
    parts: list[object] = []
    if isinstance(value, re.Pattern):
        yield value
    elif is_dataclass(value) and not isinstance(value, type):
        parts = [getattr(value, field.name, None) for field in fields(value)]
    elif isinstance(value, dict):
        parts = [*value, *value.values()]
    elif isinstance(value, list | tuple | set | frozenset):
        parts = list(value)
    for part in parts:
        yield from patterns_in(part, seen)


def uses() -> Iterator[Use]:
    """Methods are found by the pattern's name; a pattern whose name calls none matches wholes."""
    found: dict[re.Pattern[Any], set[str]] = {}
    names: dict[re.Pattern[Any], str] = {}
    for module in modules():
        source = Path(module.__file__ or "").read_text()
        for name, value in list(vars(module).items()):
            for pattern in patterns_in(value, set()):
                called = {way for way in METHODS if f"{name}.{way}(" in source}
                found.setdefault(pattern, set()).update(called)
                names.setdefault(pattern, f"{module.__name__}.{name}")
    for pattern, methods in found.items():
        for method in sorted(methods) or ["fullmatch"]:
            yield Use(names[pattern], pattern, method)


def pieces(pattern: re.Pattern[Any]) -> list[str]:
    """What texts are made of: what the pattern itself speaks of, and what is in all texts."""
    source = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode()
    words = sorted(set(re.findall(r"[A-Za-z]{2,}", source)), key=len)[-20:]
    marks = set(re.findall(r"[^\w\s]", source))
    return [" ", "\n", "\t", "a", "0", "A", "a ", "a.", "a\n", " \n", *sorted(marks), *words]


def slow_on(use: Use) -> str | None:
    """The piece whose repetition takes more than linear time."""
    for piece in pieces(use.pattern):
        last = LONG_S
        for size in SIZES if "[^/]" not in str(use.pattern.pattern) else PATH_SIZES:
            text = (piece * (size // len(piece) + 1))[:size]
            longest = GROWS_FASTER * max(last, LONG_S / GROWS_FASTER)
            last = processor_s(use, text)
            if last > longest and processor_s(use, text) > longest:
                return piece
    return None


def processor_s(use: Use, text: str) -> float:
    begun = time.process_time()
    use.work(text)
    return time.process_time() - begun


def test_what_is_quadratic_is_found() -> None:
    assert slow_on(Use("quadratic", re.compile(r"(?m)^\s*x"), "search")) == "\n"
    assert slow_on(Use("linear", re.compile(r"(?m)^[ \t]*+x"), "search")) is None


def test_patterns() -> None:
    every = list(uses())
    assert len(every) > 150
    found = [(use.name, use.method, piece) for use in every if (piece := slow_on(use))]
    assert found == []
