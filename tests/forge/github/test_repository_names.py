"""Which repositories an account, or an App, is a member of."""

from dataclasses import replace

import pytest

from graph.errors import ForgeUnauthorized
from tests.forge.github.test_app import as_app
from tests.standins.github import Fault
from tests.support.trusted_side import TrustedSide
from wiring.known_repositories import KnownRepositories


async def test_the_last_pushed_come_first(side: TrustedSide) -> None:
    await side.forge.add_repository("elsewhere/newer", side.source)
    await side.forge.add_repository("octo/old", side.source, archived=True)
    assert await side.github.repository_names(10) == ["elsewhere/newer", "octo/sample"]
    assert await side.github.repository_names(1) == ["elsewhere/newer"]


async def test_archived_ones_leave_room_for_those_of_the_next_page(side: TrustedSide) -> None:
    for number in range(110):
        side.forge.add_name(f"octo/old{number}", replace(side.hosted, archived=True))
    assert await side.github.repository_names(100) == ["octo/sample"]
    assert side.forge.calls("GET", "/user/repos") == 2


async def test_an_app_has_those_that_it_is_installed_on(side: TrustedSide) -> None:
    await side.forge.add_repository("elsewhere/newer", side.source)
    ours, app = as_app(side)
    assert await ours.github.repository_names(10) == ["octo/sample"]
    assert app.minted[-1].permissions == {"metadata": "read"}
    app.suspended = True
    assert await ours.github.repository_names(10) == []


async def test_an_app_has_the_last_pushed_of_many(side: TrustedSide) -> None:
    for number in range(120):
        side.forge.add_name(f"octo/r{number}", side.hosted)
    ours, _ = as_app(side)
    assert await ours.github.repository_names(3) == ["octo/r119", "octo/r118", "octo/r117"]


async def test_an_installation_that_is_refused_hides_no_other(side: TrustedSide) -> None:
    ours, _ = as_app(side, refused=(76, 78))
    assert await ours.github.repository_names(10) == ["octo/sample"]


async def test_they_are_asked_once_and_none_where_they_are_not_told(side: TrustedSide) -> None:
    known = KnownRepositories(lambda: side.github.repository_names(10))
    assert await known() == await known() == ("octo/sample",)
    assert side.forge.calls("GET", "/user/repos") == 1
    side.forge.fail("GET", "/user/repos", Fault(401, "Bad credentials", times=2))
    with pytest.raises(ForgeUnauthorized):
        await side.github.repository_names(10)
    assert await KnownRepositories(lambda: side.github.repository_names(10))() == ()
