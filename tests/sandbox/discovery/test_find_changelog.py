"""Where repositories note their changes: a file, fragments of towncrier, changesets."""

import pytest

from sandbox.discovery.find_changelog import find_changelog
from sandbox.ecosystems.any_language import UNRELEASED
from sandbox.ecosystems.project import RepositoryFiles

TOWNCRIER = "[tool.towncrier]\nname = 'x'\n"


@pytest.mark.parametrize(
    ("files", "unreleased", "place"),
    [
        ({}, (), ""),
        ({"CHANGELOG.md": ""}, (), ""),
        ({"CHANGELOG.md": ""}, ("CHANGELOG.md",), "CHANGELOG.md"),
        ({}, ("docs/changes.rst", "CHANGES.rst"), "CHANGES.rst"),
        ({}, ("packages/a/CHANGELOG.md", "exchange.md"), ""),
        ({".changeset/config.json": ""}, ("CHANGELOG.md",), ".changeset/"),
        ({"pyproject.toml": TOWNCRIER}, (), "newsfragments/"),
        ({"pyproject.toml": f"{TOWNCRIER}directory = 'changelog/'"}, (), "changelog/"),
        ({"towncrier.toml": "[tool.towncrier]\ndirectory = './docs/changes'"}, (), "docs/changes/"),
        ({"pyproject.toml": f"{TOWNCRIER}directory = '../etc'"}, (), ""),
        ({"pyproject.toml": f"{TOWNCRIER}directory = '.'"}, (), ""),
        ({"pyproject.toml": f"{TOWNCRIER}package = 'x'"}, (), "x/newsfragments/"),
        (
            {"pyproject.toml": f"{TOWNCRIER}package = 'x'\npackage_dir = './src'"},
            (),
            "src/x/newsfragments/",
        ),
        ({"pyproject.toml": f"{TOWNCRIER}package = 'x'\ndirectory = 'news'"}, (), "news/"),
        ({"pyproject.toml": f"{TOWNCRIER}package = 'x'\npackage_dir = '../y'"}, (), ""),
        ({"pyproject.toml": f"[project]\nname = 'x'\n{TOWNCRIER}"}, (), "x/newsfragments/"),
        (
            {"pyproject.toml": "[project]\nname = 'x'", "towncrier.toml": TOWNCRIER},
            (),
            "x/newsfragments/",
        ),
        (
            {
                "pyproject.toml": f"[project]\nname = 'x'\n{TOWNCRIER}",
                "newsfragments/1.fix": "",
            },
            (),
            "newsfragments/",
        ),
        ({"pyproject.toml": "tool = 3"}, (), ""),
        ({"pyproject.toml": "tool = {"}, (), ""),
        ({"news/12.bugfix.rst": "", "news/+x.feature": ""}, (), "news/"),
        ({"CHANGES/12.bugfix.rst": "", "src/changes/app.py": ""}, (), "CHANGES/"),
        ({"news/2024.md": "", "changes/main.js": ""}, (), ""),
    ],
)
def test_the_place(files: dict[str, str], unreleased: tuple[str, ...], place: str) -> None:
    assert find_changelog(RepositoryFiles(files, {UNRELEASED: unreleased})) == place
