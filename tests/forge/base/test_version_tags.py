"""The version of a commit by the tags of its repository."""

import pytest

from forge.base.version_tags import tags_of, version_of

HERE = "a" * 40
THERE = "b" * 40


@pytest.mark.parametrize(
    ("tags", "version"),
    [
        ({}, ""),
        ({"latest": HERE, "v1": HERE, "2026": HERE}, ""),
        ({"v3.2.0": HERE, "v3.1.0": THERE}, "3.2.0"),
        ({"v3.2.0": THERE, "v3.10.1": THERE}, "3.10.2.dev1"),
        ({"1.4": THERE, "v2.0.0rc1": THERE}, "1.5.dev1"),
        ({"core-9.0.0": THERE, "1.0.0": THERE}, "1.0.1.dev1"),
        ({"core-9.0.0": THERE}, "9.0.1.dev1"),
        ({"v" + "9" * 50 + ".1": THERE, "a" * 200 + "-1.1": THERE}, ""),
    ],
)
def test_the_version_is_the_tag_or_the_next(tags: dict[str, str], version: str) -> None:
    assert version_of(tags, HERE) == version


def test_an_annotated_tag_is_what_it_names() -> None:
    refs = {
        "refs/heads/main": HERE,
        "refs/tags/v1.0": THERE,
        "refs/tags/v1.0^{}": HERE,
        "refs/tags/v0.9": THERE,
    }
    assert tags_of(refs) == {"v1.0": HERE, "v0.9": THERE}
