"""What holds for a repository whatever its language."""

from sandbox.ecosystems.base import Ecosystem

ANY_LANGUAGE = Ecosystem(
    name="any language",
    read=r"\.gitlab-ci\.yml|\.pre-commit-config\.yaml|\.coding-agent\.toml|workflows/[^/]*\.ya?ml"
    r"|\.?devcontainer\.json|CONTRIBUTING(\.[A-Za-z]+)?"
    r"|\.(python|ruby|node|tool)-versions?|\.nvmrc|rust-toolchain(\.toml)?",
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
