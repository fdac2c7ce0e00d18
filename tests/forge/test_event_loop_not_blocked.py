"""The event loop never waits for the disk, a process or the network: `langgraph dev` forbids it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import blockbuster
import pytest

import forge
from forge.publish.record import PublicationRecord, save
from tests.support.trusted_side import TrustedSide, make_repository, write_file


@contextmanager
def watched() -> Iterator[None]:
    """Blocking calls that come from files of the forge, in a running event loop, raise."""
    watch = blockbuster.BlockBuster(scanned_modules=[forge])
    watch.activate()
    try:
        yield
    finally:
        watch.deactivate()


async def test_the_watch_works(side: TrustedSide) -> None:
    run = side.run()
    with watched(), pytest.raises(blockbuster.BlockingError):
        save(run, PublicationRecord())


async def test_a_run_on_the_forge(side: TrustedSide) -> None:
    side.run()
    with watched():
        base = await side.repositories.prepare("r1", side.url, None, side.events.append)
        again = await side.repositories.prepare("r1", side.url, None, side.events.append)
    assert base == again
    change = await side.change(base, write_file)
    publication = side.publication(base, change)
    with watched():
        read = await side.repositories.read_change("r1", base, change.ref)
        gate = await side.publisher.gate("r1", base, read, ())
        done = await side.publish(publication)
    assert gate.passed
    assert done.number == 1


async def test_a_run_on_a_checkout(side: TrustedSide, tmp_path: Path) -> None:
    folder = make_repository(tmp_path / "local")
    side.run()
    with watched():
        base = await side.repositories.prepare("r1", str(folder), None, side.events.append)
    change = await side.change(base, write_file)
    publication = side.publication(base, change)
    with watched():
        done = await side.publish(publication)
    assert done.patch
