"""What is known of a repository: listed by commands in its tree, parsed on this side."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.errors import SandboxError
from sandbox.discovery.read_repository import add_contents, parse_listing, read_repository
from sandbox.ecosystems.project import RepositoryFiles
from sandbox.ecosystems.registry import ECOSYSTEMS
from tests.support.sandbox.sample_run import (
    SampleRun,
    git,
    read_base,
    sample_run,
)

WORKSPACE = {"package.json": "{}\n", "Makefile": "test:\n\t./x\n"}
END = b"\0//\0"


def entry(path: str, blob: str) -> str:
    return f"100644 blob {blob}\t{path}"


def answer(*lists: Sequence[str]) -> bytes:
    """Lists of names: files, layout, then those of each mark."""
    return b"".join("".join(f"{name}\0" for name in names).encode() + END for names in lists)


def blob(name: str, content: bytes) -> bytes:
    return f"{name} blob {len(content)}\n".encode() + content + b"\n"


@given(st.binary())
def test_any_output_is_parsed(output: bytes) -> None:
    add_contents(parse_listing(output), output)


PATHS = st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1)
CONTENTS = st.dictionaries(st.text("0123456789abcdef", min_size=40, max_size=40), st.text())


@given(st.lists(PATHS.filter(lambda path: path != "//")), CONTENTS)
def test_what_was_listed_comes_back(names: list[str], contents: dict[str, str]) -> None:
    paths = {key: f"p{number}/package.json" for number, key in enumerate(contents)}
    kinds = [mark.kind for each in ECOSYSTEMS for mark in each.marks]
    found = [entry(paths[key], key) for key in paths]
    listing = parse_listing(answer(found, [], *[names for _ in kinds]))
    marked = dict.fromkeys(kinds, names) if names else {}
    assert listing.repository.marked == marked
    output = b"".join(blob(key, text.encode("utf-8-sig")) for key, text in contents.items())
    repository = add_contents(listing, output)
    assert repository.files == {paths[key]: text for key, text in contents.items()}
    assert repository.unread == frozenset()


def test_what_was_cut_off_is_told_to_be_unread() -> None:
    entries = [entry(f"p{number}/package.json", f"{number:040x}") for number in range(3)]
    listing = parse_listing(answer(entries))
    output = b"".join(blob(f"{number:040x}", b"{}") for number in range(3))
    repository = add_contents(listing, output[:-4])
    assert repository.files == {
        "p0/package.json": "{}",
        "p1/package.json": "{}",
        "p2/package.json": "",
    }
    assert repository.unread == {"p2/package.json"}


def test_the_outer_manifests_are_read_where_there_are_too_many() -> None:
    entries = [entry(f"a/{number}/package.json", f"{number:040x}") for number in range(500)]
    listing = parse_listing(answer([*entries, entry("package.json", "f" * 40)]))
    assert len(listing.wanted) == 200
    assert next(iter(listing.wanted)) == "package.json"
    assert len(listing.repository.files) == 501


async def facts_of(run: SampleRun) -> RepositoryFiles:
    return await read_repository(await run.open("plan"), run.base)


@pytest.mark.sandbox
async def test_files_are_read_in_the_tree(data_dir: Path) -> None:
    run = sample_run(
        data_dir,
        {
            **WORKSPACE,
            "yarn.lock": "many\n" * 5,
            "packages/a b/package.json": b"\xef\xbb\xbf{}\r\n",
            "packages/latin/package.json": b"{\xfc}",
            "packages/\xfc/package.json": "{}",
            "src/app/__init__.py": "",
            "src/one.py": "",
            "tests/test_a.py": "from unittest import TestCase\nclass A(TestCase): pass\n",
            "tests/test 'b'\n.py": "import pytest\n",
            "large/package.json": " " * 270_000,
            "exports/package.json": " " * 200_000,
            "large/pyproject.toml": "#" * 70_000,
            ".github/workflows/ci.yml": "run: go vet\n",
            "docs/readme.md": "",
            "a.py": "",
        },
    )
    repository = await facts_of(run)
    assert repository.files == {
        **WORKSPACE,
        "yarn.lock": "",
        "packages/a b/package.json": "{}\r\n",
        "packages/latin/package.json": "{\ufffd}",
        "packages/\xfc/package.json": "{}",
        "src/app/__init__.py": "",
        "src/one.py": "",
        "large/package.json": "",
        "exports/package.json": " " * 200_000,
        "large/pyproject.toml": "",
        ".github/workflows/ci.yml": "run: go vet\n",
    }
    assert repository.unread == {"large/package.json", "large/pyproject.toml"}
    assert repository.marked["unittest"] == ["tests/test_a.py"]
    assert repository.marked["pytest"] == ["tests/test 'b'\n.py"]


@pytest.mark.sandbox
async def test_what_was_done_to_the_tree_is_not_read(data_dir: Path) -> None:
    run = sample_run(data_dir, {".coding-agent.toml": "setup = []\n"})
    sandbox = await run.open("plan")
    await sandbox.run(
        "echo bad > .coding-agent.toml; echo > Makefile; git add -A; git commit -qm x"
    )
    repository = await read_repository(sandbox, run.base)
    assert repository.files == {".coding-agent.toml": "setup = []\n"}


@pytest.mark.sandbox
async def test_links_and_submodules_are_no_manifests(data_dir: Path) -> None:
    run = sample_run(data_dir, {"a/package.json": "{}"})
    source = run.runs.parent / "source"
    (source / "package.json").symlink_to("a/package.json")
    git(source, "add", "package.json")
    git(source, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},go.mod")
    git(source, "commit", "-qm", "More")
    git(run.folder.base_git, "fetch", "-q", str(source), "main")
    repository = await facts_of(replace(run, base=read_base(source)))
    assert repository.files == {"a/package.json": "{}"}


@pytest.mark.sandbox
async def test_a_tree_that_cannot_be_read_is_an_error(run: SampleRun) -> None:
    sandbox = await run.open("plan")
    await sandbox.run("rm -rf .git/objects")
    repository = read_repository(sandbox, run.base.model_copy(update={"sha": "1" * 40}))
    with pytest.raises(SandboxError):
        await repository
