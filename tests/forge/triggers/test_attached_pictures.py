"""Which pictures of a text are attachments of the forge."""

from forge.triggers.attached_pictures import find_pictures, merge_pictures
from tests.support.pictures import address_of

WEB = "https://github.com"
FIRST, SECOND = address_of(WEB, 1), address_of(WEB, 2)
OLDER = f"https://user-images.githubusercontent.com/12/{address_of('', 3)[-36:]}.png"
EARLIER = f"{WEB}/octo/sample/assets/12/{address_of('', 4)[-36:]}"


def addresses(text: str, web: str = WEB) -> list[str]:
    return [place["address"] for place in find_pictures(text, 0, web)]


def test_attachments_are_found_as_markdown_and_as_html() -> None:
    text = (
        f'![shot]({FIRST}) <img width=\'10\' alt="x" src="{SECOND}"> ![]({OLDER})\n'
        f"![a]({EARLIER}) ![again]({FIRST})"
    )
    assert addresses(text) == [FIRST, SECOND, OLDER, EARLIER]


def test_what_lies_elsewhere_or_is_a_link_is_no_picture_of_ours() -> None:
    text = (
        f"![x](https://evil.example/user-attachments/assets/{FIRST[-36:]}) [file]({FIRST}) "
        f"![x]({WEB}.evil.example/{FIRST[-36:]}) ![logo]({WEB}/octo/logo.png) {FIRST}"
    )
    assert addresses(text) == []


def test_an_enterprise_has_its_own_alone() -> None:
    web = "https://github.example"
    assert addresses(f"![a]({address_of(web, 1)}) ![b]({FIRST}) ![c]({OLDER})", web) == [
        address_of(web, 1)
    ]


def test_an_address_counts_once_where_it_was_said_first() -> None:
    asked = find_pictures(f"![a]({FIRST})", 7, WEB)
    told = find_pictures(f"![a]({FIRST}) ![b]({SECOND})", 0, WEB)
    assert merge_pictures(asked, told) == [
        {"comment": 7, "address": FIRST},
        {"comment": 0, "address": SECOND},
    ]
