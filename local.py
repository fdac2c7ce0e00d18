"""The door for Python and Studio to the graph on this machine.

`open_graph` gives the compiled graph to Python, `open_services` what its nodes call, `studio_graph`
the same graph to LangGraph Studio.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from wiring import Machine, Settings, load_settings

if TYPE_CHECKING:
    from langgraph.graph.state import CompiledStateGraph

    from graph import Services
    from runs.driving import GraphRecorder


@asynccontextmanager
async def open_graph(
    settings: Settings | None = None, *, services: "Services | None" = None
) -> AsyncIterator["CompiledStateGraph[Any]"]:
    """The compiled graph with checkpoints in the data folder.

    `services` are those of `open_services`, changed; without them the graph has this machine's.
    `thread_id` is the run's id, under which `coding-agent runs` lists it too. Input:
    `graph.RunRequest`. Raises SettingsError or StoreError.
    """
    async with (
        Machine(settings or load_settings()) as machine,
        machine.open_checkpointer() as checkpointer,
        machine.recorder() as recorder,
    ):
        yield machine.graph(services, recorder).compile(checkpointer=checkpointer)


@asynccontextmanager
async def open_services(settings: Settings | None = None) -> AsyncIterator["Services"]:
    """This machine's services; `dataclasses.replace` puts others in. Raises SettingsError."""
    async with Machine(settings or load_settings()) as machine:
        yield machine.services


async def studio_graph() -> "CompiledStateGraph[Any]":
    """The graph as `langgraph.json` names it: no checkpointer, services open at first use.

    The server lets nothing block its event loop, and asks for every run and every read.
    """
    machine = await asyncio.to_thread(_studio_machine)
    recorder = await asyncio.shield(_studio_recorder(machine))
    return machine.graph(recorder=recorder).compile(name="coding_agent")


@cache
def _studio_machine() -> Machine:
    """The services of all runs in Studio, made once."""
    machine = Machine(load_settings())
    machine.make_data_dir()
    return machine


@cache
def _studio_recorder(machine: Machine) -> "asyncio.Future[GraphRecorder]":
    """Keeps the runs of Studio, opened once; the end of the process closes it."""
    return asyncio.ensure_future(machine.recorder().__aenter__())
