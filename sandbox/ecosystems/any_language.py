"""What holds for a repository whatever its language."""

from typing import Final

from sandbox.ecosystems.base import Ecosystem, Mark

FRAGMENT_FOLDERS: Final = r"changelog\.d|newsfragments|changelog|changes|CHANGES|news|\.changes"
FRAGMENT_NAMES: Final = (
    r"[^/]{1,60}\.(feature|bugfix|fix|docs?|removal|deprecation|deprecated|breaking|changed?|added"
    r"|misc|trivial|internal|improvement|enhancement|security|fixed|removed|packaging|contrib|vendor)"
    r"(\.[0-9]{1,3})?(\.(md|rst|txt))?"
)
"""Notes for the next release, a file each."""
UNRELEASED: Final = "unreleased changes"

ANY_LANGUAGE = Ecosystem(
    name="any language",
    read=r"\.gitlab-ci\.yml|\.pre-commit-config\.yaml|\.coding-agent\.toml|workflows/[^/]*\.ya?ml"
    r"|\.?devcontainer\.json|CONTRIBUTING(\.[A-Za-z]+)?|towncrier\.toml"
    r"|\.(python|ruby|node|tool)-versions?|\.nvmrc|rust-toolchain(\.toml)?",
    seen=rf"\.changeset/config\.json|({FRAGMENT_FOLDERS})/({FRAGMENT_NAMES})",
    marks=(
        Mark(
            UNRELEASED,
            ":(icase)*change*",
            r"^(#{1,3}[[:space:]](.*[^[:alnum:]])?|`)?\[?(Unreleased|UNRELEASED|unreleased)[])]?"
            r"([[:space:]]*(\(|<|-|$).*)?$",
        ),
    ),
    test_calls="test|spec|check|verify",
    test_files=r"[^/]*_spec\.\w+|[^/]*[.-](?:test|spec)\.\w+",
    test_like=r"test_[^/]*|[^/]*_test\.\w+|[^/]*Tests?\.\w+|tests?\.\w+",
    test_folders="tests?|specs?|testing|e2e",
    lacking=r"(?:.* )?(\S++(?<=:) command not found)|.*sh: \d++: (\S++(?<=:) not found)",
    config=r"phpunit\.xml(?:\.dist)?",
    mixed_config=r"\.coding-agent\.toml|\.pre-commit-config\.yaml|\.github/workflows/.*",
    assertion=r"\bassert\w*\b|\bexpect\s*+\(|\bshould\b",
    suppression=r"\|\|\s*+true\b|--exit-zero|continue-on-error",
)
