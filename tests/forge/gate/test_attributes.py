"""Git LFS, filters, line ends and encodings: what a commit would hold against what git keeps."""

import hashlib
from pathlib import Path

import pytest

from forge.git.environment import ATTRIBUTES
from graph.publication import GateReport
from tests.forge.gate.test_judge import Edit, write
from tests.support.trusted_side import TrustedSide, git

pytestmark = pytest.mark.slow

LFS = write(".gitattributes", "*.png filter=lfs diff=lfs merge=lfs -text\n")
RAW = b"\x89PNG raw" * 300


def pointer(content: bytes) -> bytes:
    digest = hashlib.sha256(content).hexdigest()
    size = len(content)
    return (
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {size}\n".encode()
    )


POINTER = write("a.png", pointer(b"known"))


async def judged(side: TrustedSide, base: tuple[Edit, ...], change: Edit) -> GateReport:
    for edit in base:
        edit(side.source)
    git(side.source, "-c", "core.autocrlf=false", "add", "-A")
    git(side.source, "commit", "-qm", "base", "--allow-empty")
    await side.forge.add_repository("octo/attributes", side.source)
    taken = await side.prepare(f"{side.forge.address}/octo/attributes")

    def edit_as_it_is(work: Path) -> None:
        """As in a sandbox, git takes all contents for bytes."""
        (work / ".git" / "info").mkdir(exist_ok=True)
        (work / ".git" / "info" / "attributes").write_bytes(ATTRIBUTES)
        change(work)

    made = await side.change(taken, edit_as_it_is)
    return await side.publisher.gate("r1", taken, made, ())


def copy(work: Path) -> None:
    (work / "b.png").write_bytes((work / "a.png").read_bytes())


def rename(work: Path) -> None:
    (work / "a.png").rename(work / "moved.png")


def untrack(work: Path) -> None:
    (work / ".gitattributes").write_text("")
    (work / "a.png").write_bytes(RAW)


@pytest.mark.parametrize(
    ("change", "path", "said"),
    [
        (write("new.png", RAW), "new.png", "would be committed as it is"),
        (write("a.png", RAW), "a.png", "would be committed as it is"),
        (write("deep/er/new.png", RAW), "deep/er/new.png", "would be committed as it is"),
        (write("new.png", pointer(b"other")), "new.png", "was not uploaded"),
        (write("a.png", pointer(b"other")), "a.png", "was not uploaded"),
        (untrack, "a.png", "takes the place of a file in Git LFS"),
    ],
)
async def test_a_file_of_git_lfs_is_not_committed_as_it_is(
    side: TrustedSide, change: Edit, path: str, said: str
) -> None:
    report = await judged(side, (LFS, POINTER), change)
    (finding,) = [finding for finding in report.findings if finding.severity == "error"]
    assert not report.passed
    assert (finding.rule, finding.path) == ("lfs", path)
    assert said in finding.message
    assert "cannot upload" in finding.message


@pytest.mark.parametrize(
    "change", [copy, rename, write("new.txt", "x\n"), lambda work: (work / "a.png").unlink()]
)
async def test_pointers_that_the_base_has_may_go_anywhere(side: TrustedSide, change: Edit) -> None:
    assert (await judged(side, (LFS, POINTER), change)).passed


async def test_what_was_committed_as_it_is_before_may_be_so_again(side: TrustedSide) -> None:
    report = await judged(side, (write("a.png", RAW), LFS), write("a.png", RAW + b"more"))
    assert report.passed
    assert ("attributes", "a.png") in {(one.rule, one.path) for one in report.findings}


async def test_what_a_change_puts_into_git_lfs_counts(side: TrustedSide) -> None:
    def edit(work: Path) -> None:
        LFS(work)
        (work / "new.png").write_bytes(RAW)

    assert "lfs" in {finding.rule for finding in (await judged(side, (), edit)).findings}


@pytest.mark.parametrize(
    ("attributes", "name", "content", "rule", "severity"),
    [
        ("secrets/* filter=git-crypt\n", "secrets/key.txt", b"clear\n", "filter", "error"),
        ("*.ipynb filter=nbstripout\n", "a.ipynb", b"{}\n", "attributes", "warning"),
        ("*.txt text\n", "a.txt", b"one\r\ntwo\r\n", "attributes", "warning"),
        ("* text=auto\n", "a.txt", b"one\r\ntwo\r\n", "attributes", "warning"),
        ("*.bat eol=crlf\n", "run.bat", b"echo\r\n", "attributes", "warning"),
        (
            "*.rc working-tree-encoding=UTF-16LE\n",
            "a.rc",
            "\ufeffa".encode("utf-16-le"),
            "attributes",
            "warning",
        ),
    ],
)
async def test_what_git_keeps_otherwise_is_told(
    side: TrustedSide, attributes: str, name: str, content: bytes, rule: str, severity: str
) -> None:
    report = await judged(side, (write(".gitattributes", attributes),), write(name, content))
    found = {(one.rule, one.severity) for one in report.findings if one.path == name}
    assert (rule, severity) in found
    assert report.passed is (severity == "warning")


@pytest.mark.parametrize(
    ("attributes", "name", "content"),
    [
        ("*.txt text\n", "a.txt", b"one\ntwo\n"),
        ("*.bat eol=crlf\n", "run.bat", b"echo\n"),
        ("*.bat -text\n", "run.bat", b"echo\r\n"),
        ("*.rc working-tree-encoding=UTF-16LE\n", "a.rc", b"plain\n"),
        ("*.png filter=lfs\n*.png -filter\n", "a.png", b"x\n"),
    ],
)
async def test_what_git_keeps_so_passes_untold(
    side: TrustedSide, attributes: str, name: str, content: bytes
) -> None:
    report = await judged(side, (write(".gitattributes", attributes),), write(name, content))
    assert [one for one in report.findings if one.path == name] == []


@pytest.mark.parametrize(
    "row", ["*.png filter=lfs", "*.sh text eol=lf", "*.rc working-tree-encoding=X"]
)
async def test_attributes_that_others_rely_on_are_not_dropped_untold(
    side: TrustedSide, row: str
) -> None:
    base = write(".gitattributes", f"{row}\n*.md text\n")
    report = await judged(side, (base,), write(".gitattributes", "*.md text\n"))
    assert report.passed
    told = [finding.message for finding in report.findings if finding.path == ".gitattributes"]
    assert any("changes what git does" in message for message in told)
