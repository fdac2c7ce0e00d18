"""Pictures of an issue over a real forge's calls: what is kept, and why the rest is left out."""

from pathlib import Path

import pytest

from forge.base.request_pictures import keep_request_pictures
from graph import MOST_PICTURE_BYTES, PicturePlace, RequestPicture
from tests.standins.github_attachments import HostedAttachment
from tests.support.pictures import GIF, JPEG, PNG, WEBP, address_of, picture_id, png_of
from tests.support.trusted_side import TrustedSide

pytestmark = pytest.mark.slow

NAME, ISSUE = "octo/sample", 7
SVG = b"<svg xmlns='http://www.w3.org/2000/svg'/>"
HTML = b"<!doctype html><title>Sign in</title>"


def attach(side: TrustedSide, *attachments: HostedAttachment | None) -> list[PicturePlace]:
    """Show these in an issue; None is one that the forge does not have."""
    web = side.github.access.web
    numbers = range(1, len(attachments) + 1)
    for number, attachment in zip(numbers, attachments, strict=True):
        if attachment:
            side.hosted.attachments[picture_id(number)] = attachment
    addresses = [address_of(web, number) for number in numbers]
    side.hosted.issues[ISSUE] = ("Shots", "\n".join(f"![shot]({each})" for each in addresses))
    return [PicturePlace(comment=0, address=each) for each in addresses]


async def keep(
    side: TrustedSide, folder: Path, places: list[PicturePlace], timeout_s: float = 60.0
) -> tuple[RequestPicture, ...]:
    return await keep_request_pictures(
        side.github, folder / "pictures", NAME, ISSUE, places, timeout_s=timeout_s
    )


async def test_each_kind_is_kept_byte_by_byte(side: TrustedSide, tmp_path: Path) -> None:
    contents = {"image/png": PNG, "image/gif": GIF, "image/jpeg": JPEG, "image/webp": WEBP}
    places = attach(side, *map(HostedAttachment, contents.values()))
    kept = await keep(side, tmp_path, places)
    assert [each.media_type for each in kept] == [*contents]
    for picture, content in zip(kept, contents.values(), strict=True):
        assert (tmp_path / "pictures" / picture.file).read_bytes() == content


async def test_one_of_a_comment_is_asked_of_that_comment(side: TrustedSide, tmp_path: Path) -> None:
    (place,) = attach(side, HostedAttachment(PNG))
    side.hosted.issues[ISSUE] = ("Shots", "None here.")
    said = side.hosted.say(ISSUE, "ada", f"![shot]({place['address']})")
    found = PicturePlace(comment=said.id, address=place["address"])
    of_issue, of_comment = await keep(side, tmp_path, [place, found])
    assert "does not show it" in of_issue.left_out
    assert of_comment.file == "0002.png"


async def test_those_of_a_review_and_its_lines_are_asked_of_them(
    side: TrustedSide, tmp_path: Path
) -> None:
    addresses = [place["address"] for place in attach(side, *[HostedAttachment(PNG)] * 2)]
    rows = [{"id": 900 + at, "body": f"![a]({each})"} for at, each in enumerate(addresses)]
    side.hosted.reviews[900] = [*rows]
    of_review = PicturePlace(comment=900, address=addresses[0], of="review")
    of_line = PicturePlace(comment=901, address=addresses[1], of="line")
    kept = await keep(side, tmp_path, [of_review, of_line])
    assert [(each.file, each.left_out) for each in kept] == [("0001.png", ""), ("0002.png", "")]


@pytest.mark.parametrize(
    ("attachment", "why"),
    [
        (HostedAttachment(PNG + bytes(MOST_PICTURE_BYTES)), "larger than 3 MB"),
        (HostedAttachment(SVG), "no PNG, JPEG, GIF or WebP"),
        (HostedAttachment(HTML), "no PNG, JPEG, GIF or WebP"),
        (HostedAttachment(PNG[:20]), "it is damaged"),
        (HostedAttachment(png_of(1200, 12_000)), "more than 8000 pixels"),
        (HostedAttachment(b""), "no PNG, JPEG, GIF or WebP"),
        (HostedAttachment(PNG, moved_to="http://127.0.0.1:9/shot.png"), "leads elsewhere"),
        (HostedAttachment(PNG, status=500), "answers 500"),
        (HostedAttachment(PNG, lives_s=-60), "answers 404"),
        (None, "answers 404"),
    ],
)
async def test_what_cannot_be_shown_is_left_out_and_the_rest_is_kept(
    side: TrustedSide, tmp_path: Path, attachment: HostedAttachment | None, why: str
) -> None:
    bad, good = await keep(side, tmp_path, attach(side, attachment, HostedAttachment(GIF)))
    assert why in bad.left_out
    assert (bad.file, good.file, good.left_out) == ("", "0002.gif", "")
    assert [path.name for path in (tmp_path / "pictures").iterdir()] == ["0002.gif"]


async def test_the_sixth_is_left_out(side: TrustedSide, tmp_path: Path) -> None:
    kept = await keep(side, tmp_path, attach(side, *[HostedAttachment(PNG)] * 6))
    assert [bool(each.file) for each in kept] == [True] * 5 + [False]
    assert kept[5].left_out == "there are more than 5"


async def test_a_host_that_does_not_answer_keeps_nothing_up(
    side: TrustedSide, tmp_path: Path
) -> None:
    places = attach(side, HostedAttachment(PNG, delay_s=30.0))
    (late,) = await keep(side, tmp_path, places, timeout_s=0.2)
    assert late.left_out == "it did not come in time"


async def test_an_issue_that_is_gone_leaves_all_of_its_pictures_out(
    side: TrustedSide, tmp_path: Path
) -> None:
    places = attach(side, HostedAttachment(PNG))
    del side.hosted.issues[ISSUE]
    (gone,) = await keep(side, tmp_path, places)
    assert "GitHub does not show it" in gone.left_out


async def test_what_was_kept_before_is_not_asked_for_again(
    side: TrustedSide, tmp_path: Path
) -> None:
    places = attach(side, HostedAttachment(PNG))
    before = await keep(side, tmp_path, places)
    side.hosted.attachments.clear()
    assert await keep(side, tmp_path, places) == before
