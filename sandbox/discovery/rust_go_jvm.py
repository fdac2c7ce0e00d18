"""The checks of Rust, Go and Java packages."""

import re
from collections.abc import Iterator

from sandbox.discovery.repository_facts import Package

_GRADLE = ("build.gradle", "build.gradle.kts", "settings.gradle", "settings.gradle.kts")
_GRADLE_SETTINGS = _GRADLE[2:]
_LINTS = re.compile(r"(?m)^\[(?:workspace\.)?lints\b")


def compiled_tests(package: Package) -> Iterator[str]:
    """Every test, also after one that failed."""
    if package.has("Cargo.toml"):
        workspace = "--workspace " if _is_workspace(package) else ""
        yield f"cargo test {workspace}--no-fail-fast"
    if package.has("go.mod"):
        yield "go test ./..."
    if package.has("pom.xml") and not _is_part(package, "pom.xml", "<module"):
        yield f"{'./mvnw' if package.has('mvnw') else 'mvn'} -B -fae test"
    if package.has(*_GRADLE) and not _is_gradle_part(package):
        yield f"{'./gradlew' if package.has('gradlew') else 'gradle'} test --continue"


def compiled_lints(package: Package) -> Iterator[str]:
    """Of those that are configured, or that the repository's own automation runs."""
    if package.has("Cargo.toml") and not _is_part(package, "Cargo.toml", "[workspace"):
        everything = "--workspace " if _is_workspace(package) else ""
        configured = package.has("clippy.toml", ".clippy.toml")
        if configured or _LINTS.search(package.text("Cargo.toml")) or _runs(package, "clippy"):
            yield f"cargo clippy {everything}--all-targets"
        if package.has("rustfmt.toml", ".rustfmt.toml") or _runs(package, "cargo fmt"):
            yield "cargo fmt --all --check"
    if package.has("go.mod"):
        if any(name.startswith(".golangci.") for name in package.names):
            yield "golangci-lint run"
        if _runs(package, "go vet"):
            yield "go vet ./..."


def _is_workspace(package: Package) -> bool:
    return "[workspace" in package.text("Cargo.toml")


def _is_part(package: Package, manifest: str, mark: str) -> bool:
    """Whether a folder around it has a manifest that names parts: what runs there covers it."""
    return any(mark in folder.text(manifest) for folder in package.outer())


def _is_gradle_part(package: Package) -> bool:
    return not package.has(*_GRADLE_SETTINGS) and any(
        folder.has(*_GRADLE_SETTINGS) for folder in package.outer()
    )


def _runs(package: Package, words: str) -> bool:
    """Whether a makefile beside it, or what the repository runs on a push, has these words."""
    top = Package(package.facts)
    texts = [
        package.text("Makefile"),
        top.text("Makefile", ".gitlab-ci.yml", ".pre-commit-config.yaml"),
    ]
    workflows = Package(package.facts, ".github/workflows")
    texts += [workflows.text(name) for name in workflows.names]
    return any(words in text for text in texts)
