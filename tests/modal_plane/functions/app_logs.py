"""What an app's containers write, as `modal run` and `modal serve` show it."""

import asyncio
from collections.abc import AsyncIterator

from modal_proto import api_pb2 as pb

from tests.modal_plane.functions.apps import Apps
from tests.modal_plane.functions.scheduler import Scheduler

LOOK = 0.1


class Logs:
    def __init__(self, apps: Apps, scheduler: Scheduler) -> None:
        self._apps = apps
        self._scheduler = scheduler

    async def app_get_logs(self, request: pb.AppGetLogsRequest) -> AsyncIterator[pb.TaskLogsBatch]:
        """What is new in the logs; where in each one the client is, is its last entry's name."""
        places = _places(request.last_entry_id)
        ends = asyncio.get_running_loop().time() + request.timeout
        while True:
            over = self._apps.by_id[request.app_id].stopped
            for batch in self._new(request.app_id, places):
                yield batch
            if over:
                yield pb.TaskLogsBatch(app_done=True)
                return
            if asyncio.get_running_loop().time() >= ends:
                return
            await asyncio.sleep(LOOK)

    def _new(self, app_id: str, places: dict[str, int]) -> list[pb.TaskLogsBatch]:
        found = []
        for container in self._scheduler.containers.values():
            if container.function.app_id != app_id or not container.log.exists():
                continue
            text = container.log.read_text(encoding="utf-8", errors="replace")
            place = places.get(container.task_id, 0)
            if len(text) <= place:
                continue
            places[container.task_id] = len(text)
            item = pb.TaskLogs(data=text[place:], file_descriptor=pb.FILE_DESCRIPTOR_STDOUT)
            found.append(
                pb.TaskLogsBatch(task_id=container.task_id, items=[item], entry_id=_name(places))
            )
        return found


def _places(name: str) -> dict[str, int]:
    pairs = [word.split("=") for word in name.split(",") if word]
    return {task_id: int(place) for task_id, place in pairs}


def _name(places: dict[str, int]) -> str:
    return ",".join(f"{task_id}={place}" for task_id, place in places.items())
