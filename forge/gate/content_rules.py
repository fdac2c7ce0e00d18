"""What the content of a file says beside secrets: what no reader of a diff would see."""

import re
from codecs import BOM_UTF8
from collections.abc import Iterator
from typing import Final

from forge.gate.attribute_rules import judge_lost_attributes
from forge.gate.path_rules import Entry, Verdict, folded_path

_SNIFFED: Final = 8000
_PROGRAMS: Final = (
    b"\x7fELF",
    b"MZ",
    b"\xcf\xfa\xed\xfe",
    b"\xce\xfa\xed\xfe",
    b"\xca\xfe\xba\xbe",
    b"\0asm",
    b"PK\x03\x04",
    b"\x1f\x8b",
    b"!<arch>\n",
    b"7z\xbc\xaf\x27\x1c",
    b"BZh",
    b"\xfd7zXZ\0",
    b"\x28\xb5\x2f\xfd",
)
_PROGRAM_NAMES: Final = re.compile(r".*\.(pyc|pyo|class|jar|war|so|dll|exe|dylib|whl|node)")
_PROGRAM_CALLED: Final = re.compile(
    rb"(?m)^[^#\n]*\s(?:filter|diff|merge|working-tree-encoding)(?:=|\s|$)[^\n]*"
)
_HIDDEN: Final = re.compile(
    rb"(?m)^[^#\n]*\s(?:-diff|binary"
    rb"|(?:linguist-(?:generated|vendored)|gitlab-generated)(?:=(?!false\b)\S*)?)(?:\s|$)[^\n]*"
)
_UNSEEN: Final = re.compile(
    rb"\xe2\x80[\xa8-\xae]"  # U+2028, U+2029 end a line for some; the others turn the direction
    rb"|\xe2\x81[\xa0-\xaf]"  # so do U+2066 to U+2069; others of these cannot be seen
    rb"|\xe2\x80[\x8b\x8e\x8f]|\xd8\x9c"  # marks of a direction, and a space of no width
    rb"|\xf3\xa0[\x80-\x87][\x80-\xbf]"  # tags and variants: a model reads them, nobody sees them
    rb"|\xe1\x85[\x9f\xa0]|\xe3\x85\xa4|\xef\xbe\xa0|\xe1\xa0\x8e"  # letters that are a gap
    rb"|\xef\xbb\xbf"  # a mark of the byte order
    rb"|[\x08\x1b\x7f]|\xc2[\x80-\x84\x86-\x9f]|\r(?![\r\n])"  # what a terminal acts on
)


def judge_content(entry: Entry, new: bytes, old: bytes) -> Iterator[Verdict]:
    """Each is for a reader to look at; none blocks."""
    name = folded_path(entry.name)
    if _is_program(name, new):
        yield Verdict("binary", "is a program or an archive, which no diff shows", "warning")
    elif b"\0" in new[:_SNIFFED]:
        yield Verdict("binary", "is a binary file, which no diff shows", "warning")
    elif _adds_unseen(new, old):
        message = "holds characters that cannot be seen or that turn the direction of text"
        yield Verdict("hidden_text", message, "warning")
    if name.rpartition("/")[2] == ".gitattributes":
        yield from _judge_attributes(new, old)
        yield from judge_lost_attributes(new, old)


def _is_program(name: str, content: bytes) -> bool:
    return content.startswith(_PROGRAMS) or bool(_PROGRAM_NAMES.fullmatch(name))


def _adds_unseen(new: bytes, old: bytes) -> bool:
    """Whether a line has what is not seen, and was not there before."""
    added = new.removeprefix(BOM_UTF8)
    if not _UNSEEN.search(added):
        return False
    known = set(old.splitlines(keepends=True))
    rows = (row for row in added.splitlines(keepends=True) if row not in known)
    return any(map(_UNSEEN.search, rows))


def _judge_attributes(new: bytes, old: bytes) -> Iterator[Verdict]:
    known = set(old.splitlines())
    for pattern, message in (
        (_PROGRAM_CALLED, "names a filter or driver that git runs where it is configured"),
        (_HIDDEN, "keeps files out of the diffs that a reviewer sees"),
    ):
        if any(row not in known for row in pattern.findall(new)):
            yield Verdict("attributes", message, "warning")
