"""A handed-over change, read against its base: patch bytes in, a tree and a readable diff out."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Final

from forge.git.command import Git, GitResult
from forge.git.environment import run_objects
from graph import LONGEST_PATH, Base, Change, ChangedFile, ChangeRef, RunFolder
from graph.errors import PatchTooLarge, PatchUnusable, RepositoryError
from graph.files import load_change, temporary_folder, write_whole

MAX_PATCH: Final = 64 * 1024 * 1024
MAX_BINARY: Final = 512 * 1024 * 1024
MAX_FILES: Final = 10_000
_DECLARED: Final = re.compile(rb"\n?(?:literal|delta) (\d{1,19})\r?(?=\n|\Z)")
_DECLARES: Final = (b"\nliteral ", b"\ndelta ")
_MEMORY_SPENT: Final = ("out of memory", "mmap failed", "file too large")
_APPLY: Final = ("apply", "--cached", "--binary", "--whitespace=nowarn", "-")
_COMPARE: Final = [
    "diff",
    "--no-color",
    "--no-ext-diff",
    "--no-textconv",
    "--ignore-submodules=none",
]
PATCH: Final = ("--binary", "--no-renames", "--full-index")
"""Options of `compare` for a patch as a role hands it over."""
_READABLE_PATHS: Final = ("core.quotePath=false",)
_TOLD: Final = 500
_MOST_EARLIER: Final = 4


async def read_change(git: Git, run: RunFolder, base: Base, ref: ChangeRef) -> Change:
    """The change as a tree. Raises PatchTooLarge, PatchUnusable, RepositoryError, StoreDamaged."""
    patch = await asyncio.to_thread(load_change, run, ref)
    await asyncio.to_thread(check_size, patch)
    await asyncio.to_thread(prepare_objects, run)
    tree = await apply_patch(git, run, base, patch) if patch else base.tree
    numbers, diff = await asyncio.gather(
        compare(git, run, "--numstat", "-z", "--no-renames", base.tree, tree),
        compare(git, run, "-M", base.tree, tree),
    )
    if (count := numbers.count(b"\0")) > MAX_FILES:
        raise PatchTooLarge(f"The change touches {count} files; at most {MAX_FILES} may.")
    files = await asyncio.to_thread(_changed_files, numbers)
    await _compare_with_earlier(git, run, base, ref.step, tree)
    await asyncio.to_thread(write_whole, run.diff(ref.step), diff)
    return Change(ref=ref, tree=tree, files=files)


async def _compare_with_earlier(git: Git, run: RunFolder, base: Base, step: int, tree: str) -> None:
    """Write what is new since each of the newest changes of this base: a reviewer saw one."""
    trees = await asyncio.to_thread(_earlier_trees, run, base, step)
    for seen, earlier in trees.items():
        new = await compare(git, run, "-M", earlier, tree)
        await asyncio.to_thread(write_whole, run.diff_since(step, seen), new)
    named = f"{base.tree} {tree}\n".encode()
    await asyncio.to_thread(write_whole, run.change_tree(step), named)


def _earlier_trees(run: RunFolder, base: Base, step: int) -> dict[int, str]:
    found = {}
    for path in run.change_tree(step).parent.glob("[0-9]*.tree"):
        of, _, tree = path.read_text().strip().partition(" ")
        if of == base.tree and int(path.stem) < step:
            found[int(path.stem)] = tree
    return {seen: found[seen] for seen in sorted(found)[-_MOST_EARLIER:]}


async def compare(git: Git, run: RunFolder, *arguments: str) -> bytes:
    """What `git diff` says of two trees of the run."""
    return await git.output(
        *_COMPARE,
        *arguments,
        git_dir=str(run.base_git),
        environment=run_objects(str(run.objects)),
        configured=_READABLE_PATHS,
    )


def check_size(patch: bytes) -> None:
    """Raise PatchTooLarge where git would have to read too much; binary parts say their size."""
    if len(patch) > MAX_PATCH:
        raise PatchTooLarge(f"The change has {len(patch)} bytes; at most {MAX_PATCH} are read.")
    declared = sum(_declared_sizes(patch))
    if declared > MAX_BINARY:
        raise PatchTooLarge(
            f"The change's binary files have {declared} bytes; at most {MAX_BINARY} are read."
        )


def _declared_sizes(patch: bytes) -> Iterator[int]:
    """A pattern alone would hold the interpreter for as long as it looks through the patch."""
    for word in _DECLARES:
        at = 0 if patch.startswith(word[1:]) else patch.find(word)
        while at >= 0:
            if match := _DECLARED.match(patch, at):
                yield int(match[1])
            at = patch.find(word, at + 1)


def prepare_objects(run: RunFolder) -> None:
    """Make the run's own folder of objects, which borrows from the bases that are there."""
    alternates = run.objects / "info" / "alternates"
    for folder in (run.objects, alternates.parent):
        folder.mkdir(mode=0o700, exist_ok=True)
    bases = [run.base_git, *sorted(run.root.glob("base-*.git"))]
    lines = "".join(f"../{base.name}/objects\n" for base in bases).encode()
    if not alternates.exists() or alternates.read_bytes() != lines:
        write_whole(alternates, lines)


async def apply_patch(git: Git, run: RunFolder, base: Base, patch: bytes) -> str:
    """The tree that a patch that is not empty makes of the base.

    No work tree, no filter, no hook meets it. Raises PatchTooLarge, PatchUnusable.
    """
    async with own_index(run) as environment:
        await git.output("read-tree", base.tree, git_dir=str(run.base_git), environment=environment)
        result = await git.run(
            *_APPLY, git_dir=str(run.base_git), stdin=patch, environment=environment
        )
        if not result.ok:
            raise _refusal(result)
        tree = await git.output("write-tree", git_dir=str(run.base_git), environment=environment)
    return tree.decode().strip()


@asynccontextmanager
async def own_index(run: RunFolder) -> AsyncIterator[dict[str, str]]:
    """The environment of commands that write to an index of their own, gone at the end."""
    async with temporary_folder(".index-", run.root) as folder:
        yield run_objects(str(run.objects), str(folder / "index"))


def _refusal(result: GitResult) -> RepositoryError:
    """A command that a signal ended met one of its limits."""
    spent = result.over or result.exit_code < 0
    if spent or any(sign in result.stderr.lower() for sign in _MEMORY_SPENT):
        return PatchTooLarge("The change needs more memory or time than git may use.")
    return PatchUnusable(f"git refuses the change: {result.stderr.strip()[-_TOLD:]}")


def _changed_files(numbers: bytes) -> tuple[ChangedFile, ...]:
    """`added TAB removed TAB path NUL`, with `-` for binary files."""
    files = []
    for line in numbers.split(b"\0")[:-1]:
        added, removed, path = line.split(b"\t", 2)
        if len(path) > LONGEST_PATH:
            raise PatchUnusable(
                f"The change has a path of {len(path)} bytes; a checkout takes {LONGEST_PATH}."
            )
        files.append(
            ChangedFile(path=shown_path(path), added=_count(added), removed=_count(removed))
        )
    return tuple(files)


def _count(number: bytes) -> int:
    return 0 if number == b"-" else int(number)


def shown_path(path: bytes) -> str:
    """A path as text; bytes that are no UTF-8 are shown as `\\xNN`."""
    return path.decode("utf-8", "backslashreplace")
