"""What set-up on this machine reaches, asked once."""

import asyncio
from dataclasses import replace

from sandbox.backends.base.backend import Tree
from sandbox.backends.base.local_backend import LocalBackend
from sandbox.egress.allowlist import SetupHost
from sandbox.egress.image_sources import resolve_in_image
from sandbox.egress.suggest_hosts import AUTO, PackageSources, resolve_sources
from sandbox.tree.checkout import new_folders


class SetupSources:
    """`named` may hold `auto`: what that is, is asked when something is to be set up.

    Where commands run in an image, the operator's is asked: one that a repository names has no say
    in what is reached.
    """

    def __init__(self, backend: LocalBackend, named: tuple[str, ...]) -> None:
        self._backend = backend
        self._named = named
        self._asking = asyncio.Lock()
        self._known: PackageSources | None = None

    async def find(self, beside: Tree) -> PackageSources:
        """Asked in a tree beside that one. Raises SandboxError."""
        async with self._asking:
            if self._known is None:
                self._known = await self._resolve(beside)
        return self._known

    async def hosts(self, beside: Tree) -> tuple[SetupHost, ...]:
        return tuple(map(SetupHost.parse, (await self.find(beside)).hosts))

    async def _resolve(self, beside: Tree) -> PackageSources:
        """In an empty tree: a file of the repository's could answer for the managers."""
        if AUTO not in self._named or not self._backend.has_image:
            return await resolve_sources(self._named)
        async with new_folders(beside.folder, beside.uid) as folder:
            empty = replace(beside, folder=folder, base_objects=None, image="")
            sandbox = await self._backend.open(empty)
            try:
                return await resolve_in_image(sandbox, self._named)
            finally:
                await sandbox.close()
