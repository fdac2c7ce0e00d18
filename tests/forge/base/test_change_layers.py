"""A change with another one's files laid over it."""

import pytest

from forge.base.change_layers import ChangeLayers
from graph.errors import PatchUnusable
from tests.support.trusted_side import TrustedSide, git

BOTH = {"mine.txt": "mine\n", "shared.txt": "mine\n"}
OVER = {"shared.txt": "over\n", "folder/new.txt": "over\n"}


def patch_of(side: TrustedSide, files: dict[str, str], *gone: str) -> bytes:
    """A patch against the source's commit; the source is as before afterwards."""
    for name, content in files.items():
        (side.source / name).parent.mkdir(exist_ok=True)
        (side.source / name).write_text(content)
    for name in gone:
        git(side.source, "rm", "-q", name)
    git(side.source, "add", "-A")
    patch = git(side.source, "diff", "--cached", "--binary", "--no-renames")
    git(side.source, "reset", "-q", "--hard")
    return patch


async def files_after(side: TrustedSide, change: bytes, upper: bytes) -> dict[str, str]:
    """The files of the base with the composed patch, by name."""
    base = await side.prepare()
    layers = ChangeLayers(runs=side.runs, forge=side.github)
    patch = await layers.lay_over(side.run().root.name, base, change, upper)
    if patch:
        git(side.source, "apply", "--index", "--binary", "-", stdin=patch)
    names = git(side.source, "ls-files").decode().splitlines()
    return {name: git(side.source, "show", f":{name}").decode("latin-1") for name in names}


async def test_the_upper_one_has_its_files_and_the_lower_one_the_rest(side: TrustedSide) -> None:
    before = set(git(side.source, "ls-files").decode().splitlines())
    first = min(before)
    after = await files_after(side, patch_of(side, BOTH, first), patch_of(side, OVER))
    assert set(after) == before - {first} | {*BOTH, *OVER}
    assert (after["mine.txt"], after["shared.txt"]) == ("mine\n", "over\n")


async def test_what_the_upper_one_removes_is_gone(side: TrustedSide) -> None:
    first = min(git(side.source, "ls-files").decode().splitlines())
    after = await files_after(side, patch_of(side, {first: "mine\n"}), patch_of(side, {}, first))
    assert first not in after


async def test_a_folder_makes_room_for_a_file(side: TrustedSide) -> None:
    lower, upper = patch_of(side, {"new/inner.txt": "mine\n"}), patch_of(side, {"new": "over\n"})
    after = await files_after(side, lower, upper)
    assert after["new"] == "over\n"
    assert "new/inner.txt" not in after


@pytest.mark.parametrize("empty", ["lower", "upper", "both"])
async def test_either_may_be_empty(side: TrustedSide, empty: str) -> None:
    before = set(git(side.source, "ls-files").decode().splitlines())
    lower = b"" if empty in ("lower", "both") else patch_of(side, {"mine.txt": "mine\n"})
    upper = b"" if empty in ("upper", "both") else patch_of(side, {"over.txt": "over\n"})
    after = await files_after(side, lower, upper)
    assert set(after) - before == {
        name for name, patch in (("mine.txt", lower), ("over.txt", upper)) if patch
    }


async def test_what_git_refuses_is_told(side: TrustedSide) -> None:
    with pytest.raises(PatchUnusable):
        await files_after(side, b"diff --git a/x b/x\nnonsense\n", b"")
