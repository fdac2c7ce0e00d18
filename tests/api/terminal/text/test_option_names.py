"""Fields of the interface in the command's words."""

import pytest

from api.terminal.text.option_names import name_options


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "maxCostUsd 9 is above the limit.",
            "--max-cost 9 is above the limit.",
        ),
        ("Give baseBranch as the repository has it.", "Give --base as the repository has it."),
        (
            "/labels/0 Should match\n/text is empty",
            "--label: Should match\nTEXT: is empty",
        ),
        ("reviewers.1.name: Input should be text", "--reviewer: Input should be text"),
        ("/maxCostUsd Input should be finite", "--max-cost: Input should be finite"),
        ("The prompt and its labels stay.", "The prompt and its labels stay."),
        ("https://host.example/model or /home/text", "https://host.example/model or /home/text"),
    ],
)
def test_fields_are_named_as_options(said: str, told: str) -> None:
    assert name_options(said) == told
