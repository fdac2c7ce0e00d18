"""Repositories as these tests make them, and as the forge has them afterwards."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.standins.github_server.repository import HostedPull, HostedRepository
from tests.support.trusted_side import git

Tree = dict[bytes, tuple[str, bytes]]
"""Mode and content by path."""

SAID: Final = "what the tests print"
GREETER: Final[Mapping[str, str]] = {
    "greet.py": "def greet(name):\n    return f'Hello {name}'\n",
    "test_greet.py": f"""\
import unittest

from greet import greet


class GreetTest(unittest.TestCase):
    def test_the_name_is_in_it(self):
        print({SAID!r})
        self.assertIn('Ada', greet('Ada'))
""",
}


def make_repository(
    folder: Path,
    files: Mapping[str, str],
    more: Callable[[Path], object] = lambda _: None,
    message: str = "Begin",
) -> Path:
    """A git repository whose one commit on `main` has these files, and what `more` makes."""
    folder.mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main")
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    more(folder)
    git(folder, "add", "-A")
    if files:
        git(folder, "commit", "-qm", message)
    return folder


@dataclass(frozen=True)
class Hosted:
    """A repository on the forge."""

    repository: HostedRepository
    url: str

    @property
    def pulls(self) -> list[HostedPull]:
        return list(self.repository.pulls.values())

    @property
    def pull(self) -> HostedPull:
        """The only pull request."""
        (pull,) = self.pulls
        return pull

    @property
    def told(self) -> str:
        """All that the only pull request tells: its text, and its receipt."""
        said = (each.body for each in self.repository.comments.values())
        return "\n\n".join((self.pull.body, *said))

    @property
    def branches(self) -> list[str]:
        """All but the default one."""
        names = self.git("for-each-ref", "--format=%(refname:short)", "refs/heads").decode()
        return [name for name in names.split() if name != self.repository.default_branch]

    def tree(self, ref: str) -> Tree:
        return read_tree(self.repository.git_dir, ref)

    def diff(self, ref: str) -> str:
        """What `ref` has changed, as a reader sees it."""
        return self.git("diff", f"{self.repository.default_branch}...{ref}").decode()

    def git(self, *words: str) -> bytes:
        return git(self.repository.git_dir, *words)

    def commit(self, name: str, content: str) -> str:
        """A commit on the default branch that adds one file at the top."""
        branch = f"refs/heads/{self.repository.default_branch}"
        blob = git(self.repository.git_dir, "hash-object", "-w", "--stdin", stdin=content.encode())
        entries = (
            self.git("ls-tree", branch) + f"100644 blob {blob.decode().strip()}\t{name}\n".encode()
        )
        tree = git(self.repository.git_dir, "mktree", stdin=entries).decode().strip()
        made = self.git("commit-tree", tree, "-p", branch, "-m", f"Add {name}").decode().strip()
        self.git("update-ref", branch, made)
        return made


def read_tree(git_dir: Path, ref: str) -> Tree:
    tree: Tree = {}
    for row in git(git_dir, "ls-tree", "-r", "-z", "--full-tree", ref).split(b"\0")[:-1]:
        meta, _, path = row.partition(b"\t")
        mode, _, sha = meta.decode().split(" ")
        tree[path] = (mode, git(git_dir, "cat-file", "blob", sha))
    return tree
