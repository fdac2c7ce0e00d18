"""The page's files: what is vendored is unchanged, what is ours keeps to the policy."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.standins.servers.http_service import client_of
from tests.standins.services.in_memory_run_service import MemoryService

PAGE = Path(__file__).parents[3] / "api" / "http" / "page"
MODULES = sorted((PAGE / "app").rglob("*.js"))
VENDORED = json.loads((PAGE / "vendored.json").read_text(encoding="utf-8"))
_IMPORT = re.compile(r'^(?:import|export) [^"]*from "([^"]+)";', re.MULTILINE)
_ADDRESS = re.compile(r'"(/assets/[^"]+)"')


@pytest.mark.parametrize("package", VENDORED, ids=lambda package: package["name"])
def test_a_vendored_file_is_what_its_package_holds(package: dict[str, Any]) -> None:
    files: dict[str, str] = package["files"]
    found = {path: hashlib.sha256((PAGE / path).read_bytes()).hexdigest() for path in files}
    assert found == files
    assert package["licence"]
    assert package["version"]


def test_every_vendored_file_is_listed() -> None:
    listed = {path for package in VENDORED for path in package["files"]}
    folders = {Path(path).parts[0] for path in listed}
    there = {
        path.relative_to(PAGE).as_posix() for name in folders for path in (PAGE / name).iterdir()
    }
    assert {path for path in there if not path.endswith("README.md")} == listed


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PAGE).as_posix())
def test_a_module_keeps_to_the_policy(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 350
    assert text.startswith("// ")
    for word in ("innerHTML", "eval(", "new Function", "document.write", "https://", "import("):
        assert word not in text, word
    for name in _IMPORT.findall(text):
        assert (path.parent / name).resolve().is_file(), name


def test_every_module_is_used() -> None:
    imported = {
        (path.parent / name).resolve()
        for path in MODULES
        for name in _IMPORT.findall(path.read_text(encoding="utf-8"))
    }
    assert set(MODULES) - imported == {PAGE / "app" / "main.js"}


def test_every_class_that_is_styled_is_drawn() -> None:
    sheets = [path.read_text(encoding="utf-8") for path in sorted((PAGE / "app").glob("*.css"))]
    assert all(len(sheet.splitlines()) <= 350 for sheet in sheets)
    style = re.sub(r"/\*.*?\*/", "", "".join(sheets))
    selectors = re.sub(r"\{[^{}]*\}", "", style)
    names = set(re.findall(r"\.([a-z][a-z-]+)", selectors))
    drawn = "\n".join(path.read_text(encoding="utf-8") for path in MODULES)
    values = {"planner", "coder", "reviewer", "fixer"}  # roles, as events name them
    assert {name for name in names if name not in drawn} <= values


async def test_the_page_is_served_under_the_policy() -> None:
    async with client_of(MemoryService()) as client:
        page = await client.get("/")
        assert page.status_code == 200
        assert page.headers["Content-Type"].startswith("text/html")
        policy = page.headers["Content-Security-Policy"]
        assert "script-src 'self';" in policy
        assert "style-src 'self';" in policy
        assert "unsafe" not in policy
        for word in ("<style", " style=", "<script>", "onload", "http://", "https://"):
            assert word not in page.text
        kinds = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
        for address in _ADDRESS.findall(page.text):
            answer = await client.get(address)
            assert answer.status_code == 200, address
            assert answer.headers["Content-Type"].startswith(kinds[Path(address).suffix])
