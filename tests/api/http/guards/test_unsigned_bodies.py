"""Bodies whose senders nobody knows: together they hold so much memory and no more."""

import asyncio

from api.http.guards.unsigned_bodies import UnsignedBodies


async def read(bodies: UnsignedBodies, *sizes: int, ends: asyncio.Event) -> bool:
    """Take pieces of these sizes, then wait for what does not come; whether it was ended."""
    try:
        async with asyncio.timeout(60) as time:
            with bodies.reading(time) as count:
                for size in sizes:
                    count(size)
                await ends.wait()
    except TimeoutError:
        return True
    return False


async def test_of_too_much_the_one_that_is_read_longest_ends() -> None:
    bodies, ends = UnsignedBodies(100), asyncio.Event()
    first = asyncio.create_task(read(bodies, 40, ends=ends))
    await asyncio.sleep(0)
    second = asyncio.create_task(read(bodies, 40, ends=ends))
    await asyncio.sleep(0)
    third = asyncio.create_task(read(bodies, 10, 40, ends=ends))
    assert await first
    ends.set()
    assert not await second
    assert not await third
    fourth = asyncio.create_task(read(bodies, 100, ends=ends))
    assert not await fourth
    assert await read(bodies, 101, ends=asyncio.Event())


async def test_one_whose_time_is_just_over_fails_no_other() -> None:
    bodies, begun = UnsignedBodies(100), asyncio.get_running_loop().create_future()

    async def late() -> None:
        async with asyncio.timeout(60) as time:
            with bodies.reading(time) as count:
                count(60)
                begun.set_result(time)
                await asyncio.Event().wait()

    reading = asyncio.create_task(late())
    time = await begun
    time.reschedule(asyncio.get_running_loop().time())
    await asyncio.sleep(0)  # its time is over, and it does not know yet
    assert time.expired()
    assert not reading.done()
    ends = asyncio.Event()
    ends.set()
    assert not await read(bodies, 60, ends=ends)
    (end,) = await asyncio.gather(reading, return_exceptions=True)
    assert isinstance(end, TimeoutError)
    assert not await read(bodies, 100, ends=ends)
