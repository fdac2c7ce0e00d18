"""Writes of all runs keep the distance that GitHub asks for."""

import asyncio
import time

from forge.core.forge import PullText
from forge.github.connection.write_pacer import WritePacer
from tests.support.trusted_side import TrustedSide, open_github


def test_each_write_has_a_moment_of_its_own() -> None:
    now = 5.0
    pacer = WritePacer(2.0, clock=lambda: now)
    assert [pacer.reserve() for _ in range(3)] == [0, 2, 4]
    now = 10.0
    assert [pacer.reserve() for _ in range(2)] == [1, 3]
    now = 100.0
    assert pacer.reserve() == 0


async def test_writes_of_runs_at_once_keep_their_distance(side: TrustedSide) -> None:
    github = open_github(side.forge, seconds_between_writes=0.2)
    patient = github.patient(0)
    begun = time.monotonic()
    await asyncio.gather(
        *(
            forge.create_pull("octo/sample", "main", "nowhere", PullText("t", "b"), draft=False)
            for forge in (github, patient, github, patient)
        ),
        return_exceptions=True,
    )
    assert time.monotonic() - begun >= 3 * 0.2
    assert side.forge.calls("POST", "/pulls") == 4
    await github.close()
