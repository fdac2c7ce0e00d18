"""The scripts of a `package.json`: their parts, which are tests, and which only lint."""

import re
from collections.abc import Mapping
from fnmatch import fnmatch

INSTALLED = ("npx", "--offline", "--no-install")
NPX = " ".join(INSTALLED)
_LINT_PART = re.compile(
    r"(?:(?:npx |(?:npm|pnpm|yarn|bun) (?:run |exec )?)?(?:-\S+ )*)"
    r"(?:lint|format|fmt|prettier|eslint|xo|standard|biome|oxlint|tsd|attw|publint"
    r"|(?:vue-)?tsc .*--noEmit|knip|types?|typecheck|type-check|check-types"
    r"|tstyche|test:(?:types?|typescript|lint|format|style|size)"
    r"|types?:\w+|lint:\w+|format:\w+)(?![\w:-])"
)
_NO_TEST = re.compile(
    r"(?:npx )?(?:npm(?:@\S+)? )?(?:aud|audit)\b|(?:npm run (?:-\S+ )*)?(?:readme|evalmd)\b"
)
_RUN_ALL = re.compile(
    r"(?:npx )?(?:run-s|run-p|npm-run-all2?)(?: -{1,2}[\w-]+)*+"
    r"(?P<names>(?: ['\"]?\w[\w:-]*\*?['\"]?)+)"
)
_RUN_ALIKE = re.compile(
    r"pnpm (?:-\S+ )*+(?:run (?:-\S+ )*+)?['\"]?/\^(?P<begin>[\w:-]+)(?:\.[*+])?/['\"]?"
)
"""pnpm runs all scripts whose names are like a pattern."""
_SET_VARIABLES = re.compile(r"(?:\w+=\S+ )*")
_KNOWN_PROGRAM = re.compile(r"(?:node|npm|npx|pnpm|yarn|bun|bunx|deno|sh|bash|make)\b")
_STARTS = {"npm": NPX, "pnpm": NPX, "yarn": "yarn run", "bun": "bun run"}
_PLAIN_PART = re.compile(r"[^|;&$`<>(){}\n]+")
_MOST_PARTS = 40
"""A script of more is run as it is."""


def split_script(
    script: object, manager: str, scripts: Mapping[str, object]
) -> tuple[list[str], list[str]]:
    """The parts of a script that are tests, and those that are linters, if it has both.

    A linter that fails would keep the tests from being run, and they fail for other reasons.
    """
    calls = [part.strip() for part in script.split("&&")] if isinstance(script, str) else []
    if len(calls) > _MOST_PARTS:
        return [], []
    parts = [part for call in calls for part in _each_script(call, manager, scripts)]
    lints = [part for part in parts if _LINT_PART.match(part)]
    tests = [part for part in parts if not _LINT_PART.match(part)]
    if not lints or not tests or not all(map(_PLAIN_PART.fullmatch, parts)):
        return [], []
    return [_started(part, manager) for part in tests], [_started(part, manager) for part in lints]


def are_beside_tests(*hooks: object) -> bool:
    """Whether what npm runs before and after the script `test` is no part of the tests.

    Linters fail for other reasons, and audits ask a registry.
    """
    parts = [part for hook in hooks if isinstance(hook, str) for part in hook.split("&&")]
    return bool(parts) and all(
        _LINT_PART.match(p) or _NO_TEST.match(p) for p in map(str.strip, parts)
    )


def _each_script(call: str, manager: str, scripts: Mapping[str, object]) -> list[str]:
    """The calls of the scripts that npm-run-all or pnpm is told to run, or the call itself."""
    if match := _RUN_ALIKE.fullmatch(call):
        named = [name for name in scripts if name.startswith(match["begin"])]
    elif match := _RUN_ALL.fullmatch(call):
        told = [name.strip("'\"") for name in match["names"].split()]
        named = [name for each in told[: _MOST_PARTS + 1] for name in _like(each, scripts)]
    else:
        named = []
    if not 0 < len(named) <= _MOST_PARTS:
        return [call]
    return [f"{manager} run {name}" for name in named]


def _like(told: str, scripts: Mapping[str, object]) -> list[str]:
    """Scripts by name; a star stands for one level of it."""
    if "*" not in told:
        return [told]
    return [each for each in scripts if fnmatch(each, told) and each.count(":") == told.count(":")]


def _started(part: str, manager: str) -> str:
    """A part of a script, as a shell starts it that does not know the project's programs."""
    variables = _SET_VARIABLES.match(part)
    head = variables[0] if variables else ""
    program = part.removeprefix(head)
    return part if _KNOWN_PROGRAM.match(program) else f"{head}{_STARTS[manager]} {program}"
