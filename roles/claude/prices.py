"""What models cost and take, read from the dated table `prices.toml`."""

import re
import tomllib
from datetime import date
from functools import cache
from importlib import resources
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from graph import Effort, Usage

_PER_TOKEN = 1e-6
_ID: Final = re.compile(
    r"(?P<vendor>anthropic\.)?(?P<name>[a-z0-9.-]*?)(-\d{8})?(?(vendor)(-v\d+(:\d+)?)?)"
)


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Rates(_Entry):
    """US dollars per million tokens."""

    input: float = Field(gt=0)
    output: float = Field(gt=0)
    write_5m: float = Field(gt=0)
    write_1h: float = Field(gt=0)
    read: float = Field(gt=0)

    def cost(self, usage: Usage) -> float:
        return _PER_TOKEN * (
            usage.input_tokens * self.input
            + usage.cache_creation_input_tokens * self.write_5m
            + usage.cache_read_input_tokens * self.read
            + usage.output_tokens * self.output
        )


class LongPromptRates(Rates):
    """What all tokens of a request cost whose prompt is longer than `over` tokens."""

    over: int


class Model(Rates):
    """Prices and abilities of one model; prompt and output limits in tokens."""

    window: int
    max_output: int
    adaptive_thinking: bool
    efforts: tuple[Effort, ...]
    long_prompt: LongPromptRates | None = None

    def scaled(self, factor: float) -> "Model":
        """The model at so many times its prices."""
        longer = self.long_prompt and self.long_prompt.model_copy(
            update=_scaled_rates(self.long_prompt, factor)
        )
        return self.model_copy(update=_scaled_rates(self, factor) | {"long_prompt": longer})

    def rates(self, prompt_tokens: int) -> Rates:
        """The prices of a request by the length of its prompt."""
        if self.long_prompt and prompt_tokens > self.long_prompt.over:
            return self.long_prompt
        return self


def _scaled_rates(rates: Rates, factor: float) -> dict[str, float]:
    return {name: factor * getattr(rates, name) for name in Rates.model_fields}


class Table(_Entry):
    """All known models, and when their prices were read.

    `bedrock` is how many times as much Amazon Bedrock takes in a region.
    """

    dated: date
    bedrock: float = Field(ge=1)
    models: dict[str, Model]


TABLE: Final = Table.model_validate(
    tomllib.loads(
        resources.files("roles.claude").joinpath("prices.toml").read_text(encoding="utf-8")
    )
)


@cache
def find_model(name: str) -> Model | None:
    """The model of that id; None where the table lacks it.

    The id may be dated (`-YYYYMMDD`), and be Bedrock's (`anthropic.`, `-v1:0`), at its prices.
    """
    known = _ID.fullmatch(name)
    model = TABLE.models.get(known["name"]) if known else None
    return model.scaled(TABLE.bedrock) if model and known and known["vendor"] else model


def has_price(name: str) -> bool:
    """Whether the price of the model is known."""
    return find_model(name) is not None


def prompt_tokens(usage: Usage) -> int:
    """The prompt's true size: what was read from the cache or written to it is part of it."""
    return usage.input_tokens + usage.cache_creation_input_tokens + usage.cache_read_input_tokens


def cost_usd(model: str, usage: Usage) -> float | None:
    """What one reply cost; None where the model's price is not known.

    Requests of this product ask for the cache's short life only, so all writes are priced so.
    """
    known = find_model(model)
    return known.rates(prompt_tokens(usage)).cost(usage) if known else None
