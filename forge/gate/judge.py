"""The gate: what of a change may leave this machine, judged by the objects that would be pushed."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, get_args

from forge.gate.attribute_rules import judge_stored
from forge.gate.attributes import Attributes
from forge.gate.bare_repositories import judge_bare
from forge.gate.content_rules import judge_content
from forge.gate.linked_files import MAX_TARGET, judge_linked
from forge.gate.path_rules import (
    FILES,
    GITLINK,
    SYMLINK,
    Entry,
    Verdict,
    judge_locks,
    judge_mode,
    judge_path,
    leaves_tree,
)
from forge.gate.tree_listing import TreeFile
from forge.git.apply_patch import shown_path
from forge.git.blobs import Blobs
from forge.secret_scan.kingfisher import (
    MAX_ASKED,
    CatalogueFailed,
    SecretCatalogue,
    may_hold_secret,
)
from graph import AllowName, GateFinding, GateReport, SecretForms

MAX_FILE: Final = 50 * 1024 * 1024
MAX_SCANNED: Final = 100 * 1024 * 1024
"""No forge takes a larger file, and none larger is read, new or old; no request may let it pass."""
MAX_TOTAL: Final = 500 * 1024 * 1024
_LARGE: Final = 5 * 1024 * 1024
ALLOWABLE: Final[frozenset[str]] = frozenset(get_args(AllowName))
_MAX_FINDINGS: Final = 50
_ZERO: Final = "0" * 40


def parse_entries(raw: bytes) -> list[Entry]:
    """Entries of `git diff --raw -z --no-abbrev --no-renames`."""
    fields = iter(raw.split(b"\0")[:-1])
    entries = []
    for meta in fields:
        old_mode, mode, old_sha, sha, _ = meta.decode("ascii").removeprefix(":").split(" ")
        entries.append(Entry(next(fields), mode, _known(sha), old_mode, _known(old_sha)))
    return entries


@dataclass(frozen=True)
class ChangedTree:
    """The tree that a change makes: all its files, and what attributes changed ones have."""

    files: Sequence[TreeFile] = ()
    attributes: Mapping[bytes, Attributes] = field(default_factory=dict)


def judge(
    entries: list[Entry],
    tree: ChangedTree,
    blobs: Blobs,
    token: SecretForms,
    allow: tuple[str, ...],
    catalogue: SecretCatalogue,
) -> GateReport:
    """The gate's report. Reads blobs and asks the catalogue, so it belongs in a thread."""
    allowed = ALLOWABLE.intersection(allow)
    findings: list[GateFinding] = []
    for finding in _Judge(tree, blobs, token, catalogue).findings(entries):
        if finding.rule in allowed:
            findings.append(finding.model_copy(update={"severity": "warning"}))
        else:
            findings.append(finding)
    passed = all(finding.severity != "error" for finding in findings)
    findings.sort(key=lambda finding: finding.severity != "error")
    return GateReport(passed=passed, findings=tuple(findings[:_MAX_FINDINGS]))


@dataclass
class _Judge:
    """One look at one change."""

    tree: ChangedTree
    blobs: Blobs
    token: SecretForms
    catalogue: SecretCatalogue
    _known: set[str] = field(default_factory=set)
    """Contents that the base has somewhere."""
    _texts: list[tuple[Entry, bytes, bytes]] = field(default_factory=list)
    _kept: int = 0
    _total: int = 0

    def findings(self, entries: list[Entry]) -> Iterator[GateFinding]:
        changed = {entry.path for entry in entries}
        unchanged = {file.sha for file in self.tree.files if file.path not in changed}
        self._known = unchanged | {entry.old_sha for entry in entries}
        for entry in entries:
            yield from self._judge(entry)
        linked = judge_linked(entries, self.tree.files, self.blobs)
        bare = judge_bare(entries, self.tree.files)
        for entry, verdict in (*judge_locks(entries), *bare, *linked):
            yield _finding(entry, verdict)
        if self._total > MAX_TOTAL:
            message = (
                f"all changed files together have {self._total} bytes; at most {MAX_TOTAL} may pass"
            )
            yield GateFinding(rule="large_files", severity="error", message=message)
        yield from self._ask_catalogue()

    def _judge(self, entry: Entry) -> Iterator[GateFinding]:
        for verdict in (*judge_path(entry), *judge_mode(entry)):
            yield _finding(entry, verdict)
        if self.token.position(entry.path) >= 0:
            yield _finding(entry, _OWN_TOKEN, hide=self.token.hide)
        if entry.removed or entry.mode == GITLINK:
            return
        size = self.blobs.size(entry.sha)
        self._total += size
        if entry.mode == SYMLINK:
            yield from _judge_link(entry, size, self.blobs, self.token)
        elif size > MAX_SCANNED:
            message = f"has {size} bytes; at most {MAX_SCANNED} can be pushed"
            yield _finding(entry, Verdict("file_size", message))
        else:
            yield from self._judge_file(entry, size)

    def _judge_file(self, entry: Entry, size: int) -> Iterator[GateFinding]:
        if size > MAX_FILE:
            message = f"has {size} bytes; at most {MAX_FILE} may pass"
            yield _finding(entry, Verdict("large_files", message))
        elif size > _LARGE:
            message = f"has {size} bytes, which stay in the repository's history"
            yield _finding(entry, Verdict("large_files", message, "warning"))
        content = self.blobs.read(entry.sha)
        if (position := self.token.position(content)) >= 0:
            yield _finding(entry, _OWN_TOKEN, _lines_at(content, [position])[position])
        old = self._read_old(entry)
        stored = judge_stored(
            self.tree.attributes.get(entry.path, {}), content, old, known=entry.sha in self._known
        )
        for verdict in (*judge_content(entry, content, old), *stored):
            yield _finding(entry, verdict)
        if may_hold_secret(content, old):
            if self._kept + size > MAX_ASKED:
                yield from self._ask_catalogue()
            self._kept += size
            self._texts.append((entry, content, old))

    def _read_old(self, entry: Entry) -> bytes:
        """Empty where it is too large to be read: all of the new file then counts as added."""
        if entry.old_mode not in FILES or self.blobs.size(entry.old_sha) > MAX_SCANNED:
            return b""
        return self.blobs.read(entry.old_sha)

    def _ask_catalogue(self) -> Iterator[GateFinding]:
        texts, self._texts, self._kept = self._texts, [], 0
        try:
            answers = self.catalogue.find([(new, old) for _, new, old in texts])
        except CatalogueFailed as failed:
            message = f"the change could not be searched for secrets: {failed}"
            yield GateFinding(rule="secret_scan", severity="error", message=message)
            return
        for (entry, new, _), found in zip(texts, answers, strict=True):
            lines = _lines_at(new, (one.start for one in found))
            for one in found:
                rule = "secret_pattern" if one.sure else "secret_suspected"
                verdict = Verdict(
                    rule,
                    f"adds what looks like a secret ({one.rule})",
                    "error" if one.sure else "warning",
                )
                yield _finding(entry, verdict, lines[one.start])


def _judge_link(entry: Entry, size: int, blobs: Blobs, token: SecretForms) -> Iterator[GateFinding]:
    target = blobs.read(entry.sha) if size <= MAX_TARGET else b"/"
    if leaves_tree(entry.name, target.decode("utf-8", "surrogateescape")):
        yield _finding(entry, Verdict("symlink", "is a symbolic link that leads out of the tree"))
    if token.position(target) >= 0:
        yield _finding(entry, _OWN_TOKEN)


_OWN_TOKEN: Final = Verdict("secret", "holds this service's token of the forge")


def _finding(
    entry: Entry,
    verdict: Verdict,
    line: int | None = None,
    hide: Callable[[str], str] = lambda text: text,
) -> GateFinding:
    return GateFinding(
        rule=verdict.rule,
        severity=verdict.severity,
        path=hide(shown_path(entry.path)),
        line=line,
        message=verdict.message,
    )


def _lines_at(data: bytes, positions: Iterable[int]) -> dict[int, int]:
    """The numbers of the lines that hold these positions, the first being 1; in one pass."""
    lines, line, seen = dict[int, int](), 1, 0
    for position in sorted(positions):
        line += data.count(b"\n", seen, position)
        lines[position], seen = line, position
    return lines


def _known(sha: str) -> str:
    return "" if sha == _ZERO else sha
