"""The gate over real changes: what blocks, what an `allow` lets pass, what is never told."""

import base64
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from forge.gate import judge as gate
from forge.gate.path_rules import Entry
from forge.git.blobs import Blobs
from forge.secret_scan.kingfisher import MAX_ASKED, SecretCatalogue
from graph import SecretForms
from graph.publication import GateReport
from tests.standins.github import TOKEN
from tests.support.trusted_side import TrustedSide, git, write_file

GRAFANA = "glsa_" + "aB3dE6gH9jK2mN5pQ8rS1tU4vW7xY0zA_1b2C3d4E"
KEY = "RSA PRIVATE KEY"
PRIVATE_KEY = (
    f"-----BEGIN {KEY}-----\n{'aB3dE6gH9jK2mN5pQ8rS1tU4vW7xY0zA1bC2' * 9}\n-----END {KEY}-----\n"
)
GITHUB = "ghp_" + "aB3dE6gH9jK2mN5pQ8rS1tU4vW7xY0zA1bC2"
JWT = (
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4ifQ."
    "SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c"
)


class Broken(SecretCatalogue):
    """One whose program comes to nothing."""

    def __init__(self, cache: Path) -> None:
        super().__init__(cache)
        self._command = ("/bin/false", "", "", "", "")


Edit = Callable[[Path], object]


async def judged(side: TrustedSide, edit: Edit, *allow: str) -> GateReport:
    base = await side.prepare()
    change = await side.change(base, edit)
    return await side.publisher.gate("r1", base, change, allow)


def rules(report: GateReport) -> list[str]:
    return [finding.rule for finding in report.findings]


def write(path: str, text: str | bytes) -> Edit:
    def edit(work: Path) -> None:
        (work / path).parent.mkdir(parents=True, exist_ok=True)
        (work / path).write_bytes(text.encode() if isinstance(text, str) else text)

    return edit


def link(path: str, target: str) -> Edit:
    def edit(work: Path) -> None:
        (work / path).parent.mkdir(parents=True, exist_ok=True)
        (work / path).symlink_to(target)

    return edit


async def test_a_usual_change_passes(side: TrustedSide) -> None:
    def edit(work: Path) -> None:
        write_file(work)
        (work / "README.md").unlink()
        (work / "src" / "app.py").chmod(0o755)
        (work / "blob").write_bytes(os.urandom(5000))
        (work / "src" / "link").symlink_to("app.py")
        (work / "empty").touch()

    report = await judged(side, edit)
    assert report.passed
    assert [(finding.rule, finding.path) for finding in report.findings] == [("binary", "blob")]


async def test_no_change_passes(side: TrustedSide) -> None:
    base = await side.prepare()
    change = await side.repositories.read_change("r1", base, side.hand_over(b""))
    assert (await side.publisher.gate("r1", base, change, ())).passed


@pytest.mark.parametrize(
    ("edit", "rule"),
    [
        (write(".github/workflows/ci.yml", "on: push\n"), "workflows"),
        (write("CODEOWNERS", "* @me\n"), "codeowners"),
        (write("CLAUDE.md", "be nice\n"), "agent_config"),
    ],
)
async def test_what_may_be_allowed_blocks_unless_it_is(
    side: TrustedSide, edit: Edit, rule: str
) -> None:
    base = await side.prepare()
    change = await side.change(base, edit)
    other = "codeowners" if rule != "codeowners" else "workflows"
    report = await side.publisher.gate("r1", base, change, (other,))
    errors = [finding.rule for finding in report.findings if finding.severity == "error"]
    assert (report.passed, errors) == (False, [rule])
    assert report.findings[0].path
    allowed = await side.publisher.gate("r1", base, change, (rule,))
    assert allowed.passed
    assert {finding.severity for finding in allowed.findings} == {"warning"}
    assert rule in rules(allowed)


@pytest.mark.parametrize(
    ("edit", "rule"),
    [
        (link("x", "/etc/passwd"), "symlink"),
        (link("a/x", "../../x"), "symlink"),
        (link(".gitattributes", "src/app.py"), "symlink"),
        (link("x", ".git/config"), "symlink"),
        (write(".gitmodules", "[submodule]\n"), "submodules"),
        (write("key", PRIVATE_KEY), "secret_pattern"),
        (write("x", f"token={TOKEN}\n"), "secret"),
        (write("x", base64.b64encode(f"a{TOKEN}b".encode())), "secret"),
        (write("x", TOKEN.encode().hex()), "secret"),
        (write(f"dir/{TOKEN}/x", "x"), "secret"),
        (link("x", TOKEN), "secret"),
    ],
)
async def test_what_always_blocks(side: TrustedSide, edit: Edit, rule: str) -> None:
    report = await judged(side, edit, "workflows", "codeowners", "agent_config", "large_files")
    assert not report.passed
    assert rule in rules(report)
    assert TOKEN not in report.model_dump_json()
    assert TOKEN.encode().hex() not in report.model_dump_json()


@pytest.mark.parametrize(
    ("edit", "rule"),
    [
        (write("tool", b"\x7fELF" + bytes(100)), "binary"),
        (write("lib.jar", b"x"), "binary"),
        (write("image.png", b"\x89PNG\r\n\x1a\n\0\0"), "binary"),
        (write("data.csv", b"1," * 2_700_000), "large_files"),
        (write("go.sum", "x\n"), "lock_file"),
        (write(".npmrc", "registry=https://packages.example\n"), "package_source"),
        (write(".gitattributes", "*.py filter=mine\n"), "attributes"),
        (write(".gitattributes", "src/** linguist-generated\n"), "attributes"),
        (write("x.py", "access = 'user\u202e\u2066# admin\u2069'\n"), "hidden_text"),
        (write("x.js", "// note\u2028evil()\n"), "hidden_text"),
        (write("x.js", "// note\u2029evil()\n"), "hidden_text"),
        (write("x.md", "ok\U000e0069\U000e0067\n"), "hidden_text"),
        (write("x.md", "ok\U000e0100\U000e01ef\n"), "hidden_text"),
        (write("x.js", "const { a, \u3164 } = b\n"), "hidden_text"),
        (write("x.sh", "echo ok # \x1b[2K\x1b[1A\n"), "hidden_text"),
        (write("x.sh", b"rm -r x # \r echo ok       \n"), "hidden_text"),
        (write("x.py", b"if a\xe2\x80\x8b == b:\n"), "hidden_text"),
        (write(".gitattributes", "src/** linguist-generated=yes\n"), "attributes"),
        (write(".gitattributes", "src/** gitlab-generated\n"), "attributes"),
        (
            write("x.ini", "url=amqp://bo:correct-horse-9-battery@mq.internal/\n"),
            "secret_suspected",
        ),
        (write("x.py", f"T = '{JWT}'\n"), "secret_suspected"),
    ],
)
async def test_what_a_reader_should_see_is_told_and_passes(
    side: TrustedSide, edit: Edit, rule: str
) -> None:
    report = await judged(side, edit)
    assert report.passed
    assert [(finding.rule, finding.severity) for finding in report.findings] == [(rule, "warning")]


@pytest.mark.parametrize(
    "content",
    [b"\xef\xbb\xbfa\r\nb\r\n", b"a\x0cb\n", "\u2764\ufe0f \U0001f468\u200d\U0001f469\n".encode()],
)
async def test_marks_that_hide_nothing_are_not_told(side: TrustedSide, content: bytes) -> None:
    assert rules(await judged(side, write("x.txt", content))) == []


@pytest.mark.parametrize(("added", "found"), [("c\n", []), ("c \u202e d\n", ["hidden_text"])])
async def test_what_was_hidden_before_hides_nothing_new(
    side: TrustedSide, added: str, found: list[str]
) -> None:
    old = "a \u200b b\n"
    write("x.txt", old)(side.source)
    git(side.source, "add", "-A")
    git(side.source, "commit", "-qm", "hidden")
    await side.forge.add_repository("octo/hidden", side.source)
    base = await side.prepare(f"{side.forge.address}/octo/hidden")
    change = await side.change(base, write("x.txt", f"{old}{added}"))
    assert rules(await side.publisher.gate("r1", base, change, ())) == found


async def test_a_secret_that_only_the_catalogue_knows_blocks(side: TrustedSide) -> None:
    report = await judged(side, write("x.py", f"\nKEY = '{GRAFANA}'  # gitleaks:allow\n"))
    (finding,) = report.findings
    assert (report.passed, finding.rule, finding.line) == (False, "secret_pattern", 2)
    assert "grafana" in finding.message
    assert GRAFANA not in report.model_dump_json()


async def test_a_change_that_cannot_be_searched_blocks(side: TrustedSide, tmp_path: Path) -> None:
    side.publisher._catalogue = Broken(tmp_path)
    report = await judged(side, write("x.py", f"T = '{GRAFANA}'\n"))
    assert (report.passed, rules(report)) == (False, ["secret_scan"])


async def test_a_gitlink_blocks(side: TrustedSide) -> None:
    base = await side.prepare()
    patch = (
        f"diff --git a/sub b/sub\nnew file mode 160000\nindex {'0' * 40}..{base.sha}\n"
        f"--- /dev/null\n+++ b/sub\n@@ -0,0 +1 @@\n+Subproject commit {base.sha}\n"
    )
    change = await side.repositories.read_change("r1", base, side.hand_over(patch.encode()))
    report = await side.publisher.gate("r1", base, change, ())
    assert rules(report) == ["gitlink"]
    assert change.files[0].path == "sub"


async def test_only_what_the_change_adds_is_judged(side: TrustedSide) -> None:
    old = "AKIA" + "ABCDEFGHIJKLMNOP"
    for path, text in (("keys.txt", old), (".github/workflows/ci.yml", "on: push"), ("x", "x")):
        write(path, text)(side.source)
    (side.source / "ext").symlink_to("/etc/passwd")
    git(side.source, "add", "-A")
    git(side.source, "commit", "-qm", "before")
    await side.forge.add_repository("octo/had", side.source)
    base = await side.prepare(f"{side.forge.address}/octo/had")
    change = await side.change(base, write("keys.txt", f"# moved\n{old}\n"))
    assert (await side.publisher.gate("r1", base, change, ())).passed
    more = await side.change(base, write("keys.txt", f"{old}\n{GITHUB}\n"), step=3)
    report = await side.publisher.gate("r1", base, more, ())
    assert [(finding.rule, finding.line) for finding in report.findings] == [("secret_pattern", 2)]


class LargeBefore(Blobs):
    """A file that was too large to be read, and is not any more."""

    def size(self, sha: str) -> int:
        return gate.MAX_SCANNED + 1 if sha == "old" else len(self.read(sha))

    def read(self, sha: str) -> bytes:
        assert sha == "new"
        return f"{GITHUB}\n".encode()


def test_what_was_too_large_before_is_not_read(rules_cache: Path) -> None:
    entry = Entry(b"data", "100644", "new", "100644", "old")
    blobs, catalogue = LargeBefore(), SecretCatalogue(rules_cache)
    report = gate.judge([entry], gate.ChangedTree(), blobs, SecretForms(None), (), catalogue)
    assert "secret_pattern" in rules(report)


class ManyLarge(Blobs):
    """Files that together are more than the catalogue is asked about at once."""

    def size(self, sha: str) -> int:
        return len(self.read(sha))

    def read(self, sha: str) -> bytes:
        return b"\n" * (MAX_ASKED // 2) + f"{GITHUB}\n".encode()


@pytest.mark.slow
def test_a_change_of_many_large_files_is_searched_whole(rules_cache: Path) -> None:
    names = (b"a", b"b", b"c")
    entries = [Entry(name, "100644", "new", "000000", "") for name in names]
    catalogue = SecretCatalogue(rules_cache)
    report = gate.judge(entries, gate.ChangedTree(), ManyLarge(), SecretForms(None), (), catalogue)
    found = [finding for finding in report.findings if finding.rule == "secret_pattern"]
    assert [finding.path for finding in found] == ["a", "b", "c"]
    assert {finding.line for finding in found} == {MAX_ASKED // 2 + 1}


class Large(Blobs):
    """A file that is too large to pass unless that is allowed."""

    def size(self, sha: str) -> int:
        return gate.MAX_FILE + 1

    def read(self, sha: str) -> bytes:
        return b"1\n"


@pytest.mark.parametrize(
    ("allow", "severity"), [("workflows", "error"), ("large_files", "warning")]
)
def test_what_is_too_large_blocks_unless_it_is_allowed(
    rules_cache: Path, allow: str, severity: str
) -> None:
    entry = Entry(b"big", "100644", "new", "000000", "")
    report = gate.judge(
        [entry],
        gate.ChangedTree(),
        Large(),
        SecretForms(None),
        (allow,),
        SecretCatalogue(rules_cache),
    )
    (finding,) = report.findings
    assert (finding.rule, finding.severity, finding.path) == ("large_files", severity, "big")
    assert report.passed is (severity == "warning")


async def test_what_is_taken_away_may_go(side: TrustedSide) -> None:
    write("key", PRIVATE_KEY)(side.source)
    (side.source / "ext").symlink_to("/etc/passwd")
    git(side.source, "add", "-A")
    git(side.source, "commit", "-qm", "before")
    await side.forge.add_repository("octo/had", side.source)
    base = await side.prepare(f"{side.forge.address}/octo/had")

    def edit(work: Path) -> None:
        (work / "key").unlink()
        (work / "ext").unlink()

    assert (await side.publisher.gate("r1", base, await side.change(base, edit), ())).passed


async def test_findings_are_bounded_and_errors_come_first(side: TrustedSide) -> None:
    def edit(work: Path) -> None:
        for number in range(60):
            write(f".github/workflows/{number}.yml", "on: push\n")(work)
        write("CODEOWNERS", "* @me\n")(work)

    report = await judged(side, edit, "workflows")
    assert len(report.findings) == 50
    assert not report.passed
    assert report.findings[0].rule == "codeowners"


async def test_paths_that_are_no_utf8_are_told(side: TrustedSide) -> None:
    def edit(work: Path) -> None:
        folder = work / ".github" / "workflows"
        folder.mkdir(parents=True)
        Path(os.fsdecode(os.fsencode(folder) + b"/\xff.yml")).write_text("on: push\n")

    report = await judged(side, edit)
    assert report.findings[0].path == ".github/workflows/\\xff.yml"
    report.model_dump_json()


def test_no_request_can_allow_what_is_no_rule_of_its_own() -> None:
    assert {"workflows", "codeowners", "agent_config", "large_files"} == gate.ALLOWABLE
