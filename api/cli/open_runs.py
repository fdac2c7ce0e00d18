"""The runs that a command works on: those of the server, or of this machine."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from api.client.runs_protocol import Runs

if TYPE_CHECKING:
    from wiring import Settings


@asynccontextmanager
async def open_runs(
    settings: "Settings", notice: Callable[[str], None] = lambda _: None
) -> AsyncIterator[Runs]:
    """The runs of the server, or of this machine."""
    if settings.server:
        from api.client.remote_runs import RemoteRuns

        key = settings.api_key.get_secret_value() if settings.api_key else None
        async with RemoteRuns.open(
            settings.server, key, version=release(), notice=notice
        ) as remote:
            yield remote
        return
    from api.cli.local.checked_runs import CheckedRuns
    from wiring import Configuration, open_service, start_log

    start_log(settings, "warning")
    async with open_service(settings) as service:
        yield CheckedRuns(service, check_address=Configuration(settings, release()).full_name)


def release() -> str:
    """The version of the installed package."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("modal-coding-agent")
    except PackageNotFoundError:  # run from a source tree that was not installed
        return "0"
