"""Values in checkpoints: read by today's names and by those of earlier releases, or not at all."""

from typing import Any

import pytest
from pydantic import Field

from graph.errors import VersionChanged
from graph.values import Base, Change, ChangeRef, Check, Plan, Value
from runs.checkpoints.checkpoint_serializer import CLASSES, RENAMED, CheckpointSerializer

CHANGE = Change(ref=ChangeRef(step=2, role="coder", digest="sha256:0"), tree="t", files=())
PLAN = Plan(summary="s", steps=("one",))
BASE = Base(address="https://forge/o/r", full_name="o/r", branch="main", sha="s", tree="t")


class Scheme(Value):
    """What a plan was called once."""

    summary: str
    steps: tuple[str, ...] = ()


class Numbered(Value):
    """A class that today needs a number."""

    number: int = Field(ge=1)


def read_back(value: Any, **renamed: type[Value]) -> Any:
    """The value as it is read where classes of this module are known under these names."""
    names = {(__name__, name): kind for name, kind in renamed.items()}
    written = CheckpointSerializer().dumps_typed(value)
    return CheckpointSerializer(names).loads_typed(written)


@pytest.mark.parametrize(
    "value", [None, b"bytes", {"base": BASE, "checks": [Check(command="make", source="plan")]}]
)
def test_what_was_written_is_read(value: object) -> None:
    assert read_back(value) == value


def test_a_class_is_read_by_the_name_that_it_had() -> None:
    kept = {"plan": Scheme(summary="s", steps=("one",)), "others": [Scheme(summary="t"), CHANGE]}
    assert read_back(kept, Scheme=Plan) == {
        "plan": PLAN,
        "others": [Plan(summary="t"), CHANGE],
    }


def test_a_graph_that_is_compiled_reads_the_same() -> None:
    """LangGraph makes a copy that also allows the classes of the graph's state."""
    serializer = CheckpointSerializer({(__name__, "Scheme"): Plan})
    copied = serializer.with_msgpack_allowlist([Plan, Numbered])
    written = serializer.dumps_typed([Scheme(summary="s")])
    assert copied.loads_typed(written) == [Plan(summary="s")]
    with pytest.raises(VersionChanged):
        copied.loads_typed(serializer.dumps_typed(Numbered(number=1)))


@pytest.mark.parametrize(
    ("value", "renamed"),
    [
        (Scheme(summary="s"), {}),
        ([{"deep": Scheme(summary="s")}], {}),
        (Scheme(summary="s"), {"Scheme": Numbered}),
    ],
    ids=["unknown", "unknown within", "does not fit"],
)
def test_a_value_that_cannot_be_read_is_named(value: object, renamed: dict[str, Any]) -> None:
    with pytest.raises(VersionChanged, match=rf"cannot read: {__name__}\.Scheme\."):
        read_back(value, **renamed)


def test_no_class_of_today_is_hidden_by_an_old_name() -> None:
    assert not CLASSES.keys() & RENAMED.keys()
    assert set(RENAMED.values()) <= set(CLASSES.values())
    serializer = CheckpointSerializer({(Plan.__module__, Plan.__name__): Scheme})
    assert serializer.loads_typed(serializer.dumps_typed(PLAN)) == PLAN
