"""`python -m benchmarks.pictures.github`: what a run that an issue began says on GitHub.

The texts are those of a whole run against the stand-in for GitHub. They are drawn in GitHub's
manner here: these are no pictures of GitHub's own pages.
"""

import asyncio
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Final

import httpx
from markdown_it import MarkdownIt

from tests.support.page.browser import Browser, open_browser
from tests.support.polling import until
from tests.support.whole_runs.claude_script import small_change
from tests.support.whole_runs.issue_label import (
    BODY,
    BOT,
    ISSUE,
    PROMPT,
    TITLE,
    comments_on,
    deliver_label,
    open_issue,
    world_with_app,
)

IMAGES: Final = Path(__file__).parents[2] / "docs" / "images"
_STYLE: Final = """\
body { margin: 0; padding: 24px; background: #fff; color: #1f2328;
  font: 14px/1.5 system-ui, "DejaVu Sans", sans-serif; }
h1 { font-size: 22px; font-weight: 400; margin: 0 0 16px; }
article { border: 1px solid #d1d9e0; border-radius: 6px; margin-bottom: 16px; }
header { background: #f6f8fa; border-bottom: 1px solid #d1d9e0; padding: 8px 16px; }
section { padding: 12px 16px; }
code { background: #eff1f3; border-radius: 4px; padding: 1px 4px; font-size: 12px; }
table { border-collapse: collapse; }
td, th { border: 1px solid #d1d9e0; padding: 4px 10px; text-align: left; }
a { color: #0969da; }
"""


@dataclass(frozen=True)
class Post:
    """What one account says, in Markdown."""

    author: str
    text: str


async def main() -> None:
    """Make the pictures of an issue, a pull request and a receipt."""
    async with open_browser() as browser:
        for name, (title, posts) in (await _run()).items():
            await _draw(browser, f"github-{name}", title, posts)
    print(f"The pictures are in {IMAGES}.")


async def _run() -> dict[str, tuple[str, list[Post]]]:
    """By picture its title and what is said there."""
    async with world_with_app() as world:
        repo = await world.host()
        open_issue(repo)
        world.cast.learn(PROMPT, small_change())
        address = world.service.http.base_url
        async with httpx.AsyncClient(base_url=address, trust_env=False) as http:
            await deliver_label(http, repo)
        await until(lambda: "Done." in "".join(comments_on(repo, BOT)), within_s=300)
        here = repo.url.removesuffix(f"/{repo.repository.full_name}")
        texts = [text.replace(here, "https://github.com") for text in comments_on(repo, BOT)]
        said = [Post(BOT, text) for text in texts]
        ((check,),) = repo.repository.checks.values()
        return {
            "issue": (f"{TITLE} #{ISSUE}", [Post("ada", BODY), *said]),
            "pull": (f"{repo.pull.title} #{repo.pull.number}", [Post(BOT, repo.pull.body)]),
            "receipt": (check["name"], [Post(check["conclusion"], check["output"]["summary"])]),
        }


async def _draw(browser: Browser, name: str, title: str, posts: list[Post]) -> None:
    markdown = MarkdownIt("gfm-like", {"linkify": False, "html": True})
    drawn = "".join(
        f"<article><header><b>{escape(post.author)}</b></header>"
        f"<section>{markdown.render(post.text)}</section></article>"
        for post in posts
    )
    page = f"<!doctype html><style>{_STYLE}</style><h1>{escape(title)}</h1>{drawn}"
    async with browser.tab("about:blank", width=900, height=600) as tab:
        await tab.page.set_content(page)
        height = await tab.page.evaluate("document.body.getBoundingClientRect().height")
        await tab.page.set_viewport_size({"width": 900, "height": round(height)})
        (IMAGES / f"{name}.webp").write_bytes(await tab.webp())


if __name__ == "__main__":
    asyncio.run(main())
