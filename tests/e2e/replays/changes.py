"""Reports of work that did not come into the change, and of what came into it beside the work."""

from pathlib import Path
from typing import Final

from tests.e2e.replays.report import (
    Report,
    coder,
    content,
    greets,
    keeps,
    nothing_is_opened,
    tells,
    works,
)
from tests.support.trusted_side import git
from tests.support.whole_runs.claude_script import MORNING, done, shell
from tests.support.whole_runs.hosted_repository import Hosted
from tests.support.whole_runs.service_client import Run

_COMMIT: Final = "git -c user.name=me -c user.email=me@example.org commit -q"
_ODD: Final = ("中文 naïve.txt", 'a "quoted" name.txt', " spaces ", "-dash", "back\\slash")


def _all_arrives(run: Run, repo: Hosted) -> None:
    tree = repo.tree(run.end["branch"])
    assert b"gone.txt" not in tree
    assert tree[b"new.txt"][1] == b"no newline at the end"
    assert tree[b"image.bin"][1] == bytes(range(256))


def _nothing_of_tools(run: Run, repo: Hosted) -> None:
    names = {path.split(b"/")[0] for path in repo.tree(run.end["branch"])}
    assert names == {b"greet.py", b"test_greet.py"}


def _odd_names_arrive(run: Run, repo: Hosted) -> None:
    for name in _ODD:
        assert content(repo, run, name.encode()) == b"new\n"


def _is_left_out(run: Run, repo: Hosted) -> None:
    assert not any(path.startswith(b"lib") for path in repo.tree(run.end["branch"]))
    tells("Left in the work tree")(run, repo)


def _submodule_stays(run: Run, repo: Hosted) -> None:
    assert repo.git("ls-tree", run.end["branch"], "lib").startswith(b"160000 ")
    assert b"Good morning" in repo.git("show", f"{run.end['branch']}:greet.py")
    tells("Left in the work tree")(run, repo)


def _add_submodule(folder: Path) -> None:
    (folder / "lib").mkdir()
    git(folder, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},lib")


CHANGES: Final = (
    Report(
        "All-Hands-AI/openhands-resolver#181",
        "A run without a change ended in an error of git, told as a failed workflow.",
        coder(shell("git status --short"), reviewer=[]),
        nothing_is_opened,
        status="no_changes",
    ),
    Report(
        "WordPress/contributor-toolkit#85",
        "Deleted, new and binary files were missing in the patch, without a word.",
        works(
            MORNING,
            "rm gone.txt; printf 'no newline at the end' > new.txt",
            "python3 -c \"open('image.bin','wb').write(bytes(range(256)))\"",
        ),
        _all_arrives,
        bytes={"gone.txt": b"x\n"},
    ),
    Report(
        "entireio/external-agents#82",
        "A virtual environment of thousands of files came into the pull request.",
        coder(
            shell(
                f"{MORNING}; mkdir -p .venv/lib node_modules/a __pycache__;"
                " touch .venv/pyvenv.cfg .venv/lib/a.py node_modules/a/index.js __pycache__/a.pyc"
            ),
            done(),
        ),
        _nothing_of_tools,
    ),
    Report(
        "PrimeIntellect-ai/verifiers#1220",
        "The agent committed its work itself, and the patch against the index was empty.",
        works(f"{MORNING}; git checkout -q -b mine; git add -A; {_COMMIT} -m mine"),
        greets,
    ),
    Report(
        "wkentaro/git-hunk#271",
        "Colours that the repository's git was set to print made the patch unreadable: no change.",
        works(
            "git config color.ui always; git config diff.noprefix true",
            "git config diff.external false; git config diff.mnemonicPrefix true",
            "git config core.autocrlf true; git config --global color.diff always",
            MORNING,
        ),
        greets,
    ),
    Report(
        "MiniMax-AI/minimax-code#183",
        "Names that git quotes lost their part of the patch.",
        works(MORNING, *(f"echo new > './{name}'" for name in _ODD)),
        _odd_names_arrive,
    ),
    Report(
        "eigent-ai/eigent#1901",
        "A repository that the agent cloned into the tree broke the step after it.",
        coder(
            shell(f"{MORNING}; git init -q lib; cd lib; touch f; git add f; {_COMMIT} -m f"),
            done(),
        ),
        _is_left_out,
    ),
    Report(
        "SWE-agent/mini-swe-agent#736",
        "Work in a submodule was not in the patch, and nobody was told.",
        coder(shell(f"{MORNING}; mkdir -p lib; echo new > lib/new.py"), done()),
        _submodule_stays,
        more=_add_submodule,
    ),
    Report(
        "fullsend-ai/fullsend#2345",
        "The pull request was to go to `main`, which the repository did not have.",
        works(MORNING, "printf x > x.txt"),
        keeps("x.txt", b"x"),
        more=lambda folder: git(folder, "symbolic-ref", "HEAD", "refs/heads/trunk"),
    ),
)
