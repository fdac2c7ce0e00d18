"""The local forge: real git and REST over HTTP, refusing as GitHub does."""

import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.standins.github_server.repository import HostedRepository
from tests.standins.github_server.server import ForgeServer
from tests.support.trusted_side import ENVIRONMENT, git, make_repository

TOKEN = "ghp_opens_this_forge_only"


async def served(server: ForgeServer, folder: Path, **facts: Any) -> HostedRepository:
    return await server.add_repository("octo/sample", make_repository(folder / "source"), **facts)


def get(url: str) -> httpx.Response:
    """The server has a thread of its own, so this one may wait."""
    return httpx.get(url)


def ask(server: ForgeServer, method: str, path: str, token: str = TOKEN, **more: Any) -> Any:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.request(method, f"{server.api_url}{path}", headers=headers, **more)


def clone(url: str, folder: Path) -> int:
    line = ["git", "clone", "-q", url, str(folder)]
    environment = {**ENVIRONMENT, "GIT_TERMINAL_PROMPT": "0"}
    return subprocess.run(line, env=environment, check=False, capture_output=True).returncode


async def test_it_starts_and_stops(tmp_path: Path) -> None:
    async with ForgeServer(token=TOKEN) as server:
        assert get(f"{server.api_url}/user").status_code == 401
        folder = (await served(server, tmp_path)).git_dir
    assert not folder.exists()
    with pytest.raises(httpx.ConnectError):
        get(server.api_url)


async def test_git_is_spoken(tmp_path: Path) -> None:
    async with ForgeServer(token=TOKEN) as server:
        repository = await served(server, tmp_path)
        url = f"{server.address}/octo/sample.git"
        assert clone(url, tmp_path / "clone") == 0
        work = tmp_path / "clone"
        git(work, "checkout", "-q", "-b", "more")
        git(work, "commit", "-q", "--allow-empty", "-m", "more")
        mine = url.replace("//", f"//x-access-token:{TOKEN}@")
        assert clone(f"{server.address}/octo/none.git", tmp_path / "no") != 0
        git(work, "push", "-q", mine, "more")
        assert await repository.sha("more") == git(work, "rev-parse", "HEAD").decode().strip()
        assert await repository.has_commits_between("main", "more")
        repository.private = True
        assert clone(url, tmp_path / "again") != 0
        assert clone(url.replace("//", "//x:y@"), tmp_path / "again") != 0
        assert clone(mine, tmp_path / "again") == 0
        repository.push = False
        with pytest.raises(subprocess.CalledProcessError):
            git(work, "push", "-q", mine, "more:other")


async def test_a_pull_request_lives(tmp_path: Path) -> None:
    async with ForgeServer(token=TOKEN) as server:
        repository = await served(server, tmp_path)
        git(repository.git_dir, "branch", "same", "main")
        tree = git(repository.git_dir, "rev-parse", "main^{tree}").decode().strip()
        sha = git(repository.git_dir, "commit-tree", tree, "-p", "main", "-m", "x")
        git(repository.git_dir, "branch", "more", sha.decode().strip())
        pulls = "/repos/octo/sample/pulls"
        asked = {"title": "T", "body": "B", "base": "main", "head": "more", "draft": True}
        for wrong, said in (
            ({"base": "none"}, "base"),
            ({"head": "none"}, "head"),
            ({"head": "same"}, "No commits between"),
        ):
            answer = ask(server, "POST", pulls, json=asked | wrong)
            assert answer.status_code == 422
            assert said in answer.text
        made = ask(server, "POST", pulls, json=asked)
        assert made.status_code == 201
        assert made.json()["head"]["sha"] == sha.decode().strip()
        assert "already exists" in ask(server, "POST", pulls, json=asked).text
        assert ask(server, "PATCH", f"{pulls}/1", json={"title": "U"}).json()["title"] == "U"
        assert ask(server, "GET", f"{pulls}?head=octo:more&base=main").json()[0]["number"] == 1
        assert ask(server, "GET", f"{pulls}?head=octo:none").json() == []
        assert ask(server, "GET", f"{pulls}/2").status_code == 404
        page = get(made.json()["html_url"])
        assert page.text == "U\n\nB\n"
        assert ask(server, "GET", f"{pulls}/1", token="").json()["state"] == "open"


async def test_who_may_not_is_told(tmp_path: Path) -> None:
    async with ForgeServer(token=TOKEN) as server:
        repository = await served(server, tmp_path, private=True)
        assert ask(server, "GET", "/repos/octo/sample", token="").status_code == 404
        assert ask(server, "GET", "/repos/octo/sample", token="wrong").status_code == 401
        assert ask(server, "GET", "/user", token="").status_code == 401
        assert ask(server, "GET", "/user").json()["login"] == "coding-agent"
        assert ask(server, "GET", "/repos/octo/sample/branches/main").json()["name"] == "main"
        assert ask(server, "GET", "/repos/octo/sample/git/ref/heads/none").status_code == 404
        assert ask(server, "PATCH", "/repos/octo/sample/pulls/1", token="").status_code == 404
        repository.archived = True
        answer = ask(server, "PATCH", "/repos/octo/sample/pulls/1", json={})
        assert answer.status_code == 403
        assert "archived" in answer.json()["message"]


async def test_a_long_list_names_its_other_pages(tmp_path: Path) -> None:
    async with ForgeServer(token=TOKEN) as server:
        repository = await served(server, tmp_path)
        repository.issues[1] = ("T", "B")
        for number in range(5):
            repository.say(1, "ada", f"comment {number}")
        comments = "/repos/octo/sample/issues/1/comments?per_page=2"
        pages = {"": "next last", "&page=2": "prev first next last", "&page=3": "prev first"}
        for query, wanted in pages.items():
            links = ask(server, "GET", comments + query).links
            assert links.keys() == set(wanted.split())
        following = ask(server, "GET", comments).links["next"]["url"]
        assert following == f"{server.api_url}{comments}&page=2"
        assert "link" not in ask(server, "GET", comments.partition("?")[0]).headers


async def test_a_new_name_is_led_to(tmp_path: Path) -> None:
    async with ForgeServer(token=TOKEN) as server:
        repository = await served(server, tmp_path)
        server.rename(repository, "octo/other")
        answer = ask(server, "GET", "/repos/octo/sample/commits?per_page=1")
        assert answer.status_code == 301
        place = f"{server.api_url}/repositories/{repository.id}"
        assert answer.headers["location"] == f"{place}/commits?per_page=1"
        there = ask(server, "GET", f"/repositories/{repository.id}")
        assert there.json()["full_name"] == "octo/other"
        labels = {"labels": ["bug"]}
        written = ask(server, "POST", "/repos/octo/sample/issues/1/labels", json=labels)
        assert (written.status_code, written.headers["location"]) == (
            307,
            f"{place}/issues/1/labels",
        )
        assert ask(server, "GET", "/repos/octo/other").json()["full_name"] == "octo/other"


async def test_what_is_no_repository_is_not_hosted(tmp_path: Path) -> None:
    async with ForgeServer(token=TOKEN) as server:
        with pytest.raises(RuntimeError, match="cannot be cloned"):
            await server.add_repository("octo/none", tmp_path)
