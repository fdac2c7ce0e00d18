"""Pictures of a request: where people put them, and what of them roles are shown."""

from typing import Final, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from graph.values import Value

MOST_PICTURES: Final = 5
MOST_PICTURE_BYTES: Final = 3 << 20


PictureText = Literal["comment", "line", "review"]
"""What has a picture: an issue or a comment below one, a comment at a line, or a whole review."""


class PicturePlace(TypedDict):
    """Where a picture is: its address, and the number of the comment, 0 for the issue itself.

    Without `of` it is a comment.
    """

    comment: int
    address: str
    of: NotRequired[PictureText]


class RequestPicture(Value):
    """A picture of the request. `left_out` says why it is not kept, and is empty where it is.

    `file` is the name of its file in the run's `pictures/`.
    """

    address: str
    file: str = Field(default="", pattern=r"^([0-9]{4}\.[a-z]{3,4})?$")
    media_type: str = ""
    left_out: str = ""
