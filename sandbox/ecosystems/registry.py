"""All ecosystems, and what they say together."""

import re
from typing import Final

from sandbox.ecosystems.any_language import ANY_LANGUAGE
from sandbox.ecosystems.base import Ecosystem, any_of, paths_like
from sandbox.ecosystems.deno import DENO
from sandbox.ecosystems.go import GO
from sandbox.ecosystems.javascript import JAVASCRIPT
from sandbox.ecosystems.jvm import JVM
from sandbox.ecosystems.make import MAKE
from sandbox.ecosystems.python import PYTHON
from sandbox.ecosystems.ruby import RUBY
from sandbox.ecosystems.rust import RUST

ECOSYSTEMS: Final[tuple[Ecosystem, ...]] = (
    *(PYTHON, JAVASCRIPT, DENO, RUST, GO, JVM, RUBY),
    *(MAKE, ANY_LANGUAGE),  # after those whose runners a makefile calls
)
MANIFESTS: Final = paths_like(each.manifests for each in ECOSYSTEMS)

_RUNNERS = any_of(each.test_calls for each in ECOSYSTEMS if each.sources)
_TESTS = any_of(each.test_calls for each in ECOSYSTEMS)
_LINTS = any_of(each.lint_calls for each in ECOSYSTEMS)
_CALLS = any_of((_TESTS.pattern, _LINTS.pattern))
_BEGINS_WITH_LINT = re.compile(
    r"\s*+(?:\w++=\S*+\s++|[^\s/]*+/|python[\d.]*+ -m |npx (?:-\S++ )*+"
    rf"|(?:bundle|poetry|pdm|hatch|uv|pnpm|yarn) (?:exec|run) )*+(?:{_LINTS.pattern})\b"
)
_NEXT = re.compile(r"&&|\|\||[;|\n]")


def call_in(command: str) -> str:
    """The words of a command that call its runner or linter, by which a recipe shows it."""
    match = _CALLS.search(command)
    return match[0] if match else command


def calls_runner(command: str) -> bool:
    """Whether a command names a language's test runner or what starts it, such as `npm test`."""
    return _RUNNERS.search(command) is not None


def may_run_tests(command: str) -> bool:
    return any(
        _TESTS.search(part) and not _BEGINS_WITH_LINT.match(part) for part in _NEXT.split(command)
    )
