"""Records of environments in the archive that all functions of a deployment see."""

from pydantic import ValidationError

from graph import ENVIRONMENTS, EnvironmentRecord, EnvironmentRecords, record_file
from runs.shared import Archive, Mount


class ArchivedEnvironments(EnvironmentRecords):
    """Read from the archive; written by a function that has its `mount`."""

    def __init__(self, archive: Archive, mount: Mount | None = None) -> None:
        self._archive = archive
        self._mount = mount

    async def get(self, repo: str) -> EnvironmentRecord | None:
        kept = await self._archive.read(_path(repo))
        try:
            return EnvironmentRecord.model_validate_json(kept) if kept else None
        except ValidationError:
            return None  # one that cannot be read is written anew

    async def put(self, record: EnvironmentRecord) -> None:
        if self._mount:
            await self._mount.keep({_path(record.repo): record.model_dump_json().encode()})

    async def forget(self, repo: str) -> bool:
        known = await self.get(repo)
        await self._archive.remove(_path(repo))
        return known is not None


def _path(repo: str) -> str:
    return f"{ENVIRONMENTS}/{record_file(repo)}"
