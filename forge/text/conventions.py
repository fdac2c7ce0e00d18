"""What the newest commits of a base have in common, and a title that is written as theirs are.

It is found by rules: no role reads the messages, which anybody may have written.
"""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final, Literal

from graph import ChangedFile, Value

Style = Literal["", "conventional", "ticket", "area"]

MESSAGES: Final = 30
"""So many of the newest commits are looked at."""
_FEWEST: Final = 5
_MOST: Final = 0.6
_READ: Final = 4_000
_MADE: Final = re.compile(r"(?:Merge |Revert |Bump |Release |v?\d)")
"""Subjects that programs write."""
_CONVENTIONAL: Final = re.compile(
    r"(?:feat|fix|docs|style|refactor|perf|test|build|ci|chore)"
    r"(?:\(([\w./-]{1,40})\))?!?: (\S)"
)
_TICKET: Final = re.compile(r"(\[?)[A-Z][A-Z0-9]{1,9}-\d{1,7}(\]:?|:| -)? (\S)")
_AREA: Final = re.compile(r"([\w./-]{1,40}): (\S)")
_SIGNED_OFF: Final = re.compile(r"(?m)^Signed-off-by: \S")
_DOCUMENT: Final = re.compile(r"(?i)(?:^|.*/)(?:docs?/.*|[^/]*\.(?:md|rst|adoc))")
_TEST: Final = re.compile(
    r"(?:^|.*/)(?:tests?|__tests__|spec)/.*"
    r"|(?:.*/)?(?:test_[^/]*|[^/]*(?:_test|\.test|_spec|\.spec)\.\w+)"
)
_VERBS: Final = {
    "fix": "fix correct repair prevent avoid handle reject stop ensure",
    "refactor": "refactor rename simplify extract move split reorganize clean",
    "perf": "speed optimize cache",
    "docs": "document",
    "chore": "bump upgrade update",
}
_KIND_OF: Final = {verb: kind for kind, verbs in _VERBS.items() for verb in verbs.split()}


class Conventions(Value):
    """How subjects begin, and whether commits are signed off.

    `names`: scopes or areas that are in use. `scoped`: most have one. `lower`: the text after the
    prefix begins with a small letter. `before`, `after`: what a ticket stands between.
    """

    style: Style = ""
    names: tuple[str, ...] = ()
    scoped: bool = False
    lower: bool = False
    before: str = ""
    after: str = ""
    signed_off: bool = False


NO_CONVENTIONS: Final = Conventions()


def find_conventions(messages: Sequence[str]) -> Conventions:
    """What most of the messages have in common; nothing where they are too few to tell."""
    written = [text[:_READ] for text in messages if not _MADE.match(text)]
    if len(written) < _FEWEST:
        return NO_CONVENTIONS
    signed_off = _is_most(sum(1 for text in written if _SIGNED_OFF.search(text)), written)
    found = _find_style([text.partition("\n")[0] for text in written])
    return found.model_copy(update={"signed_off": signed_off})


def _find_style(subjects: list[str]) -> Conventions:
    conventional = [match for text in subjects if (match := _CONVENTIONAL.match(text))]
    if _is_most(len(conventional), subjects):
        scopes = [match[1] for match in conventional if match[1]]
        return Conventions(
            style="conventional",
            names=_names(scopes),
            scoped=_is_most(len(scopes), conventional),
            lower=_is_lower([match[2] for match in conventional]),
        )
    tickets = [match for text in subjects if (match := _TICKET.match(text))]
    if _is_most(len(tickets), subjects):
        frames = Counter((match[1], match[2] or "") for match in tickets)
        before, after = frames.most_common(1)[0][0]
        lower = _is_lower([match[3] for match in tickets])
        return Conventions(style="ticket", before=before, after=after, lower=lower)
    areas = [match for text in subjects if (match := _AREA.match(text))]
    if _is_most(len(areas), subjects):
        names = _names([match[1] for match in areas])
        return Conventions(style="area", names=names, lower=_is_lower([m[2] for m in areas]))
    return NO_CONVENTIONS


def _is_most(count: int, of: Sequence[object]) -> bool:
    return bool(of) and count >= _MOST * len(of)


def _is_lower(letters: list[str]) -> bool:
    return _is_most(sum(1 for letter in letters if letter.islower()), letters)


def _names(names: list[str]) -> tuple[str, ...]:
    return tuple(name for name, _ in Counter(names).most_common())


def follow(conventions: Conventions, title: str, files: Sequence[ChangedFile], ticket: str) -> str:
    """The title as the base's commits would have it; `ticket` is the one that was asked about."""
    prefix = _prefix(conventions, title, [file.path for file in files], ticket)
    return f"{prefix} {_begin(title, lower=conventions.lower)}" if prefix else title


def _prefix(conventions: Conventions, title: str, paths: list[str], ticket: str) -> str:
    """What the title lacks before it, if anything."""
    match conventions.style:
        case "conventional" if not _CONVENTIONAL.match(title):
            scope = _name_of(conventions.names, paths) if conventions.scoped else ""
            return f"{_kind(title, paths)}({scope}):" if scope else f"{_kind(title, paths)}:"
        case "ticket" if ticket and ticket not in title:
            return f"{conventions.before}{ticket}{conventions.after}"
        case "area" if not _AREA.match(title):
            name = _name_of(conventions.names, paths)
            return name and f"{name}:"
    return ""


def _kind(title: str, paths: list[str]) -> str:
    """The type of a conventional commit, by what is changed, else by the title's first word."""
    if paths and all(_DOCUMENT.fullmatch(path) for path in paths):
        return "docs"
    if paths and all(_TEST.fullmatch(path) for path in paths):
        return "test"
    verb = title.partition(" ")[0].lower()
    return _KIND_OF.get(verb, "feat")


def _name_of(names: Sequence[str], paths: list[str]) -> str:
    """The scope or area in use that most of the files lie in, if half of them do."""
    counted = [(sum(1 for path in paths if _is_in(name, path)), name) for name in names]
    count, name = max(counted, key=lambda each: each[0], default=(0, ""))
    return name if count and 2 * count >= len(paths) else ""


def _is_in(name: str, path: str) -> bool:
    """Whether a path has the name as a part, with or without what follows its dot."""
    parts = path.split("/")
    plain = [part.partition(".")[0] for part in parts]
    wanted = name.strip("/").split("/")
    return any(
        row[at : at + len(wanted)] == wanted for row in (parts, plain) for at in range(len(row))
    )


def _begin(title: str, *, lower: bool) -> str:
    """The title after a prefix; a name such as `HTTP` or `PyPI` keeps its letters."""
    word = title.partition(" ")[0]
    return title[:1].lower() + title[1:] if lower and word[1:].islower() else title
