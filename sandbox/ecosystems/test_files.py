"""Which files are tests, or belong to tests: by what is in them, and by their paths."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from sandbox.ecosystems.base import Ecosystem, any_of, paths_like
from sandbox.ecosystems.registry import ECOSYSTEMS

_LONGEST_LINE: Final = 1000
_CERTAIN: Final = paths_like(each.test_files for each in ECOSYSTEMS)
_LIKELY: Final = paths_like(each.test_like for each in ECOSYSTEMS)
_FOLDER: Final = re.compile(
    rf"(?:.*/)?(?:{any_of(each.test_folders for each in ECOSYSTEMS).pattern})/", re.DOTALL
)
_LANGUAGES: Final = [each for each in ECOSYSTEMS if each.sources]
_SOURCES: Final = {each.name: paths_like([each.sources]) for each in _LANGUAGES}
_OTHER_SOURCES: Final = re.compile(
    r"(?:.*/)?[^/]+\.(?:c|cc|cpp|cxx|h|hpp|m|mm|cs|fs|vb|php|swift|pl|pm|lua|exs?|erl|dart|hs|mli?|zig"
    r"|jl|[rR]|clj[cs]?|(?:ba|z)?sh|ps1)",
    re.DOTALL,
)
_DEFINITIONS: Final = [
    re.compile(each.test_definition) for each in ECOSYSTEMS if each.test_definition
]
TEST_LINES: Final = [
    f"^{each.test_line}".replace(r"\t", "\t") for each in ECOSYSTEMS if each.test_line
]
"""Lines that define tests, for grep -E."""
_IN_SOURCE: Final = any_of(each.tests_in_source for each in ECOSYSTEMS)
_OF_SOURCE: Final = paths_like(each.tests_of_source for each in ECOSYSTEMS)
_CLASS: Final = re.compile(r"\s*+class\b.*(?:Test|Spec)")


def defined_tests(line: str) -> Iterator[str]:
    """What a line defines as a test, by any ecosystem."""
    for definition in _DEFINITIONS:
        if match := definition.match(line):
            yield match[match.lastindex or 0].strip()


def is_part_of_source(path: str) -> bool:
    """Whether a file of tests is compiled only where a source names it."""
    return _OF_SOURCE.fullmatch(path) is not None


def touches_tests_inside(path: str, text: str, lines: Iterable[str]) -> bool:
    """Whether some lines of a source, whose contents are `text`, may be of tests inside of it."""
    languages = languages_of(path)
    begins = any_of((_IN_SOURCE.pattern, *(each.test_line for each in languages)))
    asserts = any_of((begins.pattern, *(each.assertion for each in languages)))
    return (
        bool(languages)
        and any(begins.match(line[:_LONGEST_LINE]) for line in text.split("\n"))
        and any(asserts.search(line[:_LONGEST_LINE]) for line in lines)
    )


def is_code(path: str, text: str | None = None) -> bool:
    """Whether a file is run, or compiled: no document and no data."""
    if any(like.fullmatch(path) for like in (*_SOURCES.values(), _OTHER_SOURCES)):
        return True
    return text is not None and text.startswith("#!")


def is_test(path: str, text: str | None = None, *, among_tests: bool = True) -> bool:
    """Whether a file is one of tests, or belongs to them.

    `text` is what is known to be in it; without any its path decides. `among_tests` says whether
    the folder of tests that it lies in by name holds any: a package may be called `testing`, too.
    """
    if _CERTAIN.fullmatch(path):
        return True
    placed = among_tests and test_folder(path) != ""
    if text is None or not languages_of(path):
        return placed or _LIKELY.fullmatch(path) is not None
    return placed or has_tests(path, text)


def has_tests(path: str, text: str) -> bool:
    """Whether a file, whose contents are `text`, is one of tests, and not just a help to others."""
    lines = [line[:_LONGEST_LINE] for line in text.split("\n")]
    named = _LIKELY.fullmatch(path) is not None or _CERTAIN.fullmatch(path) is not None
    placed = test_folder(path) != ""
    return any(
        _is_like_tests(lines, each, named=named, placed=placed) for each in languages_of(path)
    )


def test_folder(path: str) -> str:
    """The innermost folder that it lies in with a name of tests, or nothing; ends in a slash."""
    match = _FOLDER.match(path)
    return match[0] if match else ""


def languages_of(path: str) -> list[Ecosystem]:
    """The ecosystems whose code it may be."""
    return [each for each in _LANGUAGES if _SOURCES[each.name].fullmatch(path)]


def _is_like_tests(lines: Sequence[str], language: Ecosystem, *, named: bool, placed: bool) -> bool:
    """By definitions of tests and assertions; where the path says nothing, these are most of it."""
    test = re.compile(language.test_line)
    tests = sum(test.match(line) is not None for line in lines)
    asserts = any(map(re.compile(language.assertion).search, lines))
    if named or placed:
        return tests > 0 or (named and asserts)
    if not tests or not asserts or any(map(_IN_SOURCE.match, lines)):
        return False
    other = re.compile(language.definition) if language.definition else None
    others = sum(
        other.match(line) is not None
        for line in lines
        if other and not test.match(line) and not _CLASS.match(line)
    )
    return tests > others
