"""Pictures of the request that roles are shown."""

from typing import Any

from graph.request.run_request import RunRequest
from graph.services import Repositories
from graph.values import Base


async def keep_pictures(
    repositories: Repositories, run_id: str, request: RunRequest, base: Base
) -> dict[str, Any]:
    """The pictures of the request, and the base with a note on each that is left out."""
    places = request.get("pictures")
    number = base.pull.number if base.pull else request.get("closes")
    if not places or not number:
        return {"base": base}
    pictures = await repositories.keep_pictures(run_id, base, number, places)
    notes = [
        f"A picture of the request is not shown to the roles: {each.left_out}."
        for each in pictures
        if each.left_out
    ]
    noted = base.model_copy(update={"notes": (*base.notes, *dict.fromkeys(notes))})
    return {"base": noted, "shown_pictures": [*pictures]}
