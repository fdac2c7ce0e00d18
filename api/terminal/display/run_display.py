"""What every way to show a run has in common, and the loop that feeds it."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from typing import Any, ClassVar, Protocol, Self

from api.exit_codes import exit_code
from api.terminal.display.ticking import ticking

Event = Mapping[str, Any]
_TICK_S = 0.125


class RunDisplay(ABC):
    """Shows a run while it is entered. `draws`: a foot that it can show typed text in."""

    draws: ClassVar[bool] = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Show what is left to show."""
        return

    @abstractmethod
    def show(self, event: Event) -> None:
        """Take in the run's next event."""

    @abstractmethod
    def note(self, text: str) -> None:
        """Say something that is not the run's."""

    def tick(self) -> None:
        """Time has passed."""
        return

    def ring(self) -> None:
        """Call a person who looks elsewhere."""
        return

    def show_typed(self, text: str | None) -> None:  # noqa: ARG002  # for what draws a foot
        """Show the line that is typed; None: nothing can be typed now."""
        return

    def pause(self) -> None:
        """Leave the terminal to a question."""
        return

    def go_on(self) -> None:
        """Take the terminal back."""
        return


class Watcher(Protocol):
    """Learns of each event before it is drawn, and of the end."""

    async def on_event(self, event: Event) -> None: ...

    async def close(self) -> None: ...


async def draw(events: AsyncIterator[dict[str, Any]], display: RunDisplay) -> int:
    """Show a run to the end of its events; the exit code of its last `run.finished`."""
    with display:
        end = await follow(events, display) or {}
        return exit_code(end.get("status"))


async def follow(
    events: AsyncIterator[dict[str, Any]], display: RunDisplay, watcher: Watcher | None = None
) -> Event | None:
    """Feed a drawing that is entered already; its last `run.finished`. `watcher` is told all."""
    end: Event | None = None
    async with ticking(display.tick, _TICK_S):
        try:
            async for event in events:
                if watcher:
                    await watcher.on_event(event)
                if event.get("type") == "run.finished":
                    end = event
                display.show(event)
        finally:
            if watcher:
                await watcher.close()
    return end
