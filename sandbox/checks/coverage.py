"""Which code of a change no check can have touched that came to its end."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from posixpath import dirname
from typing import Final

from graph import Base, Check, ValidationFinding
from sandbox.changes.parse_diff import Diff
from sandbox.checks.judge import Outcome
from sandbox.core.protocol import Sandbox
from sandbox.ecosystems.base import paths_like
from sandbox.ecosystems.registry import ECOSYSTEMS
from sandbox.ecosystems.test_files import languages_of, test_folder

_LANGUAGES: Final = [each for each in ECOSYSTEMS if each.sources]
_MANIFESTS: Final = {each.name: paths_like([each.manifests]) for each in _LANGUAGES}
_CALLS: Final = {
    each.name: re.compile(
        "|".join(f"(?:{calls})" for calls in (each.test_calls, each.lint_calls) if calls)
    )
    for each in _LANGUAGES
}
_MOST_NAMES: Final = 5
_NAMES_BYTES: Final = 4 << 20


async def list_manifests(sandbox: Sandbox, base: Base, diff: Diff) -> frozenset[str]:
    """Paths of manifests in the folders of the changed code and above; before anything is run."""
    folders = {folder for path in diff.code for folder in _parents(path)}
    if not folders:
        return frozenset()
    words = "".join(f"{folder}/\0" if folder else ".\0" for folder in sorted(folders)).encode()
    listing = f"xargs -0 -r git --literal-pathspecs ls-tree -z --name-only {base.sha} --"
    result = await sandbox.run(listing, stdin=words, keep_bytes=_NAMES_BYTES)
    names = [name.decode(errors="replace") for name in result.output.split(b"\0")]
    names += [file.path for file in diff.files if file.status != "deleted"]
    return frozenset(
        name for name in names if any(like.fullmatch(name) for like in _MANIFESTS.values())
    )


def uncovered_findings(
    diff: Diff, outcomes: Sequence[Outcome], manifests: Iterable[str]
) -> tuple[ValidationFinding, ...]:
    """Says which code is not validated, in one finding."""
    packages = {
        name: {dirname(path) for path in manifests if like.fullmatch(path)}
        for name, like in _MANIFESTS.items()
    }
    left = [path for path in diff.code if not _is_covered(path, outcomes, packages)]
    if not left and not any(_is_spoken_for(path, outcomes) for path in diff.code):
        left = diff.code
    if not left:
        return ()
    named = ", ".join(f"`{path}`" for path in left[:_MOST_NAMES])
    more = f" and {len(left) - _MOST_NAMES} more" if len(left) > _MOST_NAMES else ""
    text = f"no check that came to its end can have touched {named}{more}"
    return (ValidationFinding(rule="not_covered", severity="warning", path=left[0], message=text),)


def _is_spoken_for(path: str, outcomes: Sequence[Outcome]) -> bool:
    """Whether a check ended that may run its language, or the files that it serves.

    Scripts of other languages beside what a change is about need none of their own.
    """
    languages = languages_of(path)
    served = not languages or any(each.is_served for each in languages)
    names = {each.name for each in languages}
    return any(each.ended and (served or _speaks(each.check, names)) for each in outcomes)


def _is_covered(path: str, outcomes: Sequence[Outcome], packages: Mapping[str, set[str]]) -> bool:
    """Whether a check ended that holds it: of its package, where that has one, else around it."""
    languages = {each.name for each in languages_of(path)}
    holding = [each for each in outcomes if _holds(each.check.folder, path)]
    holding = holding or [each for each in outcomes if _holds(_tested_by(each.check.folder), path)]
    if _is_packaged(path, languages, packages):
        holding = [each for each in holding if _speaks(each.check, languages)]
    own = [each.check.folder for each in holding if each.check.source == "repository"]
    innermost = max(own, key=len, default="")
    return any(
        each.ended
        and (each.check.source != "repository" or len(each.check.folder) >= len(innermost))
        for each in holding
    )


def _is_packaged(path: str, languages: set[str], packages: Mapping[str, set[str]]) -> bool:
    """Whether it lies in a package of its language; else it is part of what holds it."""
    return any(_holds(folder, path) for name in languages for folder in packages[name])


def _speaks(check: Check, languages: set[str]) -> bool:
    """Whether a command is for one of the languages, or for any, as far as can be told."""
    if check.source == "caller":  # who asks for it knows what it runs
        return True
    called = {name for name, calls in _CALLS.items() if calls.search(check.command)}
    return not called or bool(called & languages)


def _tested_by(folder: str) -> str:
    """What a project among tests is for: the folder around these; any other is for itself."""
    outermost = folder
    while inner := test_folder(f"{outermost}/"):
        outermost = dirname(inner.removesuffix("/"))
    return outermost


def _holds(folder: str, path: str) -> bool:
    return not folder or path.startswith(f"{folder}/")


def _parents(path: str) -> Iterator[str]:
    while path:
        path = dirname(path)
        yield path
