"""Where attachments are served, by what GitHub makes of a text."""

from forge.github.attachments import find_signed
from tests.support.pictures import address_of, picture_id

WEB = "https://github.com"
FIRST, SECOND = address_of(WEB, 1), address_of(WEB, 2)
SERVED = f"https://private-user-images.githubusercontent.com/1/2-{picture_id(1)}.png?jwt=ey.a&x=1"
OLDER = f"https://user-images.githubusercontent.com/1/2-{picture_id(2)}.png"


def rendered(*sources: str) -> str:
    escaped = [each.replace("&", "&amp;") for each in sources]
    return "".join(f'<a href="{each}"><img alt="shot" src="{each}"></a>' for each in escaped)


def test_each_address_has_the_one_that_serves_it() -> None:
    assert find_signed(rendered(OLDER, SERVED), WEB, [FIRST, SECOND]) == [SERVED, OLDER]


def test_what_github_does_not_show_has_none() -> None:
    assert find_signed(rendered(SERVED), WEB, [SECOND]) == [""]


def test_no_other_host_is_named() -> None:
    name = picture_id(1)
    elsewhere = [
        f"https://evil.example/{name}.png",
        f"https://private-user-images.githubusercontent.com.evil.example/{name}.png",
        f"https://private-user-images.githubusercontent.com@evil.example/{name}.png",
        f"https://user:word@private-user-images.githubusercontent.com/{name}.png",
        f"https://private-user-images.githubusercontent.com:8443/{name}.png",
        f"http://private-user-images.githubusercontent.com/{name}.png",
        f"https://evil.example/?{name}",
        f"https://[{name}",
    ]
    assert find_signed(rendered(*elsewhere), WEB, [FIRST]) == [""]


def test_an_enterprise_serves_its_own() -> None:
    web = "https://github.example"
    media = f"https://media.github.example/user/1/files/{picture_id(1)}?token=A"
    asked = [address_of(web, 1), address_of(web, 2)]
    assert find_signed(rendered(media, SERVED, OLDER), web, asked) == [media, ""]
