"""Variables that set-up of one repository gets: never shown, and never kept with what it made."""

import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Final

from pydantic import SecretStr

from graph import SecretForms, redactor
from graph.errors import SetupFailed
from sandbox.core.protocol import TreeSpec

_CHUNK: Final = 1 << 20
_OVERLAP: Final = 64 << 10
"""Longer than any form of a secret: one that lies over two chunks is found in the second."""

RepoSecrets = Mapping[str, Mapping[str, SecretStr]]
"""By the repository's full name in lower case, then by the variable's."""


@dataclass(frozen=True)
class SetupSecrets:
    """Those of one set-up; `missing` are named, and have no value in this process."""

    values: Mapping[str, SecretStr]
    missing: tuple[str, ...] = ()

    @classmethod
    def of(cls, spec: TreeSpec, secrets: RepoSecrets) -> "SetupSecrets":
        """Only the untouched base of a repository of the forge has any, no pull request's head.

        Commands that a model found get none: what they do was learned from the repository.
        """
        untouched = spec.change is None and spec.base.trusted is None
        if not untouched or spec.base.local or spec.environment.recipe:
            return NO_SECRETS
        named = secrets.get(spec.base.full_name.lower(), {})
        values = {name: value for name, value in named.items() if value.get_secret_value()}
        return cls(values, tuple(name for name in named if name not in values))

    def plain(self) -> dict[str, str]:
        return {name: value.get_secret_value() for name, value in self.values.items()}

    def hide(self, text: str) -> str:
        """The text without any form of them."""
        return redactor(self.values.values())(text) if self.values else text

    def check_archive(self, archive: Path) -> None:
        """Raise SetupFailed where what set-up left holds one, with the path. Blocks.

        Names, targets of links and contents are searched as they are; what is compressed is not
        opened.
        """
        if not self._forms:
            return
        with tarfile.open(archive, "r|") as opened:
            for member in opened:
                path = ascii(member.name)[1:-1]
                self._check(f"{member.name}\n{member.linkname}".encode(errors="replace"), "a name")
                if member.isfile() and (content := opened.extractfile(member)):
                    for piece in _pieces(content):
                        self._check(piece, path)

    def _check(self, data: bytes, where: str) -> None:
        for name, forms in self._forms.items():
            if forms.found_in(data):
                raise SetupFailed(
                    f"What set-up left holds the variable {name}, in {where}: it is not kept.",
                    "Let set-up remove what it wrote it to, or have the tool read it from the"
                    " environment alone.",
                )

    @cached_property
    def _forms(self) -> dict[str, SecretForms]:
        return {name: SecretForms(value) for name, value in self.values.items()}


NO_SECRETS: Final = SetupSecrets({})


def _pieces(content: IO[bytes]) -> Iterator[bytes]:
    before = b""
    while chunk := content.read(_CHUNK):
        yield before + chunk
        before = chunk[-_OVERLAP:]
