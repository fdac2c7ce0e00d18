"""What is known of a repository: told by commands in its tree, parsed on this side."""

import base64
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.errors import SandboxError
from sandbox.discovery.read_facts import add_contents, parse_listing, read_facts
from sandbox.discovery.repository_facts import Facts
from tests.support.sandbox.sample_run import (
    SampleRun,
    git,
    read_base,
    sample_run,
)

WORKSPACE = {"package.json": "{}\n", "Makefile": "test:\n\t./x\nmanifests\tAAAA\n"}


def told(name: str, *entries: str) -> bytes:
    content = "".join(f"{entry}\0" for entry in entries).encode()
    return f"{name}\t{base64.b64encode(content).decode()}\n".encode()


def blob(name: str, content: bytes) -> bytes:
    return f"{name} blob {len(content)}\n".encode() + content + b"\n"


@given(st.binary())
def test_any_output_is_parsed(output: bytes) -> None:
    add_contents(parse_listing(output), output)


PATHS = st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1)
CONTENTS = st.dictionaries(st.text("0123456789abcdef", min_size=40, max_size=40), st.text())


@given(st.lists(PATHS), CONTENTS)
def test_facts_come_back_as_they_were_told(names: list[str], contents: dict[str, str]) -> None:
    paths = {key: f"p{number}/package.json" for number, key in enumerate(contents)}
    entries = (f"100644 blob {key}\t{path}" for key, path in paths.items())
    imports = "".join(f"{name}\0unittest.TestCase\n{name}\0from pytest\n" for name in names)
    matches = b"imports\t" + base64.b64encode(imports.encode() + b"cut\0from pyt") + b"\n"
    listing = parse_listing(told("manifests", *entries) + matches)
    assert listing.facts.unittest == listing.facts.pytest == tuple(dict.fromkeys(names))
    output = b"".join(blob(key, text.encode("utf-8-sig")) for key, text in contents.items())
    facts = add_contents(listing, output)
    assert facts.files == {paths[key]: text for key, text in contents.items()}
    assert facts.unread == frozenset()


def test_what_was_cut_off_is_told_to_be_unread() -> None:
    entries = [f"100644 blob {number:040x}\tp{number}/package.json" for number in range(3)]
    listing = parse_listing(told("manifests", *entries))
    output = b"".join(blob(f"{number:040x}", b"{}") for number in range(3))
    facts = add_contents(listing, output[:-4])
    assert facts.files == {"p0/package.json": "{}", "p1/package.json": "{}", "p2/package.json": ""}
    assert facts.unread == {"p2/package.json"}


def test_the_outer_manifests_are_read_where_there_are_too_many() -> None:
    entries = [f"100644 blob {number:040x}\ta/{number}/package.json" for number in range(500)]
    listing = parse_listing(told("manifests", *entries, f"100644 blob {'f' * 40}\tpackage.json"))
    assert len(listing.wanted) == 200
    assert next(iter(listing.wanted)) == "package.json"
    assert len(listing.facts.files) == 501


async def facts_of(run: SampleRun) -> Facts:
    return await read_facts(await run.open("plan"), run.base)


@pytest.mark.sandbox
async def test_facts_are_read_in_the_tree(data_dir: Path) -> None:
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
            "large/package.json": " " * 70_000,
            ".github/workflows/ci.yml": "run: go vet\n",
            "docs/readme.md": "",
            "a.py": "",
        },
    )
    facts = await facts_of(run)
    assert facts.files == {
        **WORKSPACE,
        "yarn.lock": "",
        "packages/a b/package.json": "{}\r\n",
        "packages/latin/package.json": "{\ufffd}",
        "packages/\xfc/package.json": "{}",
        "src/app/__init__.py": "",
        "src/one.py": "",
        "large/package.json": "",
        ".github/workflows/ci.yml": "run: go vet\n",
    }
    assert facts.unread == {"large/package.json"}
    assert facts.unittest == ("tests/test_a.py",)
    assert facts.pytest == ("tests/test 'b'\n.py",)


@pytest.mark.sandbox
async def test_what_was_done_to_the_tree_is_not_read(data_dir: Path) -> None:
    run = sample_run(data_dir, {".coding-agent.toml": "setup = []\n"})
    sandbox = await run.open("plan")
    await sandbox.run(
        "echo bad > .coding-agent.toml; echo > Makefile; git add -A; git commit -qm x"
    )
    facts = await read_facts(sandbox, run.base)
    assert facts.files == {".coding-agent.toml": "setup = []\n"}


@pytest.mark.sandbox
async def test_links_and_submodules_are_no_manifests(data_dir: Path) -> None:
    run = sample_run(data_dir, {"a/package.json": "{}"})
    source = run.runs.parent / "source"
    (source / "package.json").symlink_to("a/package.json")
    git(source, "add", "package.json")
    git(source, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},go.mod")
    git(source, "commit", "-qm", "More")
    git(run.folder.base_git, "fetch", "-q", str(source), "main")
    facts = await facts_of(replace(run, base=read_base(source)))
    assert facts.files == {"a/package.json": "{}"}


@pytest.mark.sandbox
async def test_a_tree_that_cannot_be_read_is_an_error(run: SampleRun) -> None:
    sandbox = await run.open("plan")
    await sandbox.run("rm -rf .git/objects")
    facts = read_facts(sandbox, run.base.model_copy(update={"sha": "1" * 40}))
    with pytest.raises(SandboxError):
        await facts
