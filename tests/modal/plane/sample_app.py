"""A small app that uses what the plane answers: functions, a generator, a Volume, the web."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import modal
import modal.exception

app = modal.App("sample")
volume = modal.Volume.from_name("files", create_if_missing=True, version=2)
events = modal.Queue.from_name("sample-events", create_if_missing=True)
secret = modal.Secret.from_name("sample-key", required_keys=["SAMPLE_KEY"])
image = modal.Image.debian_slim(python_version="3.11").uv_pip_install("fastapi")
FILES = Path("/files")


@app.function(image=image, volumes={"/files": volume}, secrets=[secret], timeout=60)
def write(name: str, text: str, *, commit: bool = True) -> None:
    (FILES / name).write_text(text)
    if commit:
        volume.commit()


@app.function(image=image, volumes={"/files": volume})
def read(name: str, *, reload: bool = True) -> str | None:
    if reload:
        volume.reload()
    path = FILES / name
    return path.read_text() if path.exists() else None


@app.function(image=image, volumes={"/files": volume})
def reload_while_open(name: str) -> None:
    with (FILES / name).open():
        volume.reload()


@app.function(image=image)
def count(numbers: int) -> Iterator[int]:
    yield from range(numbers)


@app.function(image=image)
def echo(data: bytes) -> bytes:
    return data


@app.function(image=image, timeout=1)
def sleep(seconds: float) -> None:
    time.sleep(seconds)


@app.function(image=image)
def fall(message: str) -> None:
    raise ValueError(message)


@app.function(image=image, timeout=60)
def work(name: str) -> int:
    """Take long at the first attempt; tell what happens to it."""
    try:
        events.put("begin", partition=name)
        if events.len(partition=name) == 1:
            time.sleep(30)
    except BaseException as error:
        events.put(type(error).__name__, partition=name)
        raise
    return events.len(partition=name)


@app.function(image=image, timeout=60)
async def work_async(name: str) -> int:
    """The same in an event loop."""
    try:
        await events.put.aio("begin", partition=name)
        if await events.len.aio(partition=name) == 1:
            await asyncio.sleep(30)
    except BaseException as error:
        await events.put.aio(type(error).__name__, partition=name)
        raise
    return await events.len.aio(partition=name)


@app.function(image=image, retries=1)
def flaky(name: str) -> int:
    """Fail at the first attempt."""
    events.put("begin", partition=name)
    if events.len(partition=name) == 1:
        raise ValueError("the first attempt")
    return events.len(partition=name)


@app.function(image=image, timeout=60)
def numbers(name: str) -> Iterator[int]:
    """Yield some numbers, and stop in the middle of the first attempt."""
    events.put("begin", partition=name)
    yield 1
    yield 2
    if events.len(partition=name) == 1:
        time.sleep(30)
    yield 3


@app.function(image=image, schedule=modal.Period(hours=1))
def tick() -> str:
    events.put("tick", partition="ticks")
    return "ticked"


@app.function(image=image, restrict_modal_access=True, single_use_containers=True)
def restricted() -> str:
    try:
        events.put("out")
    except modal.exception.PermissionDeniedError:
        return "refused"
    return "allowed"


@app.function(image=image)
@modal.concurrent(max_inputs=10)
@modal.asgi_app()
def web() -> Any:
    from fastapi import FastAPI, Response
    from fastapi.responses import StreamingResponse

    api = FastAPI()

    @api.get("/endless")
    async def endless() -> StreamingResponse:
        async def ticking() -> Any:
            try:
                while True:
                    yield "data: tick\n\n"
                    await asyncio.sleep(0.05)
            finally:
                events.put("left", partition="endless")

        return StreamingResponse(ticking(), media_type="text/event-stream")

    @api.get("/large")
    async def large() -> Response:
        return Response(b"x" * (5 << 20))

    @api.get("/slow")
    async def slow() -> str:
        await asyncio.sleep(1)
        return "at last"

    @api.post("/count")
    async def stream(body: dict[str, int]) -> StreamingResponse:
        async def events() -> Any:
            async for number in count.remote_gen.aio(body["numbers"]):
                yield f"data: {number}\n\n"

        return StreamingResponse(events(), media_type="text/event-stream")

    return api
