"""What pydantic found wrong, in words."""

from typing import Annotated

import pytest
from pydantic import AfterValidator, BaseModel, TypeAdapter, ValidationError

from graph import describe_faults


def _even(value: int) -> int:
    if value % 2:
        raise ValueError("must be even")
    return value


class _Inner(BaseModel):
    sizes: list[Annotated[int, AfterValidator(_even)]]


class _Outer(BaseModel):
    inner: _Inner
    name: str


def test_each_place_is_told_and_no_value() -> None:
    with pytest.raises(ValidationError) as raised:
        _Outer.model_validate({"inner": {"sizes": [2, 6431]}, "name": 6433})
    faults = describe_faults(raised.value)
    assert faults == ["inner.sizes.1: must be even", "name: Input should be a valid string"]


def test_a_value_without_a_place_is_told() -> None:
    with pytest.raises(ValidationError) as raised:
        TypeAdapter(int).validate_python("many")
    assert describe_faults(raised.value)[0].startswith("Input should be a valid integer")
