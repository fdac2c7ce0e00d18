"""The schemas of events: what runs really say fits them, and what they never say does not."""

import json
from pathlib import Path
from typing import Any, get_args

import pytest
from jsonschema_rs import Draft202012Validator, ValidationError

from graph import Event
from tests.api.http.routes.test_openapi import document
from tests.standins.servers.run_events import whole_run
from tests.standins.services.run_service import House, log_of, started
from tests.standins.services.scripted_services import FAILED, PASSED


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


async def validator() -> Draft202012Validator:
    """Of one event, among all schemas of the document."""
    found = await document()
    schema = {"$ref": "#/components/schemas/Event", "components": found["components"]}
    return Draft202012Validator(schema)


async def test_what_runs_say_fits_the_schemas(house: House) -> None:
    house.script.validations = [FAILED, PASSED]
    async with house.open() as service:
        run_id = await started(service)
        told = [json.loads(event.payload) for event in await log_of(service, run_id)]
    events = await validator()
    for event in [*told, *whole_run()]:
        events.validate(event)
    assert {event["type"] for event in told} >= {"run.started", "usage", "run.finished"}


@pytest.mark.parametrize(
    "change", [{"type": "run.vanished"}, {"seq": 0}, {"seq": None}, {"time": 5}, {"attempt": "one"}]
)
async def test_other_events_do_not_fit(change: dict[str, Any]) -> None:
    events = await validator()
    first = next(event for event in whole_run() if event["type"] == "run.started")
    events.validate(first)
    with pytest.raises(ValidationError):
        events.validate(first | change)


async def test_every_type_has_a_schema_without_what_the_log_keeps_to_itself() -> None:
    schemas = (await document())["components"]["schemas"]
    names = schemas["Event"]["discriminator"]["mapping"]
    assert len(names) == len(get_args(Event))
    for reference in names.values():
        properties = schemas[reference.rpartition("/")[2]]["properties"]
        assert {"seq", "runId", "time", "type"} <= properties.keys()
        assert "key" not in properties
