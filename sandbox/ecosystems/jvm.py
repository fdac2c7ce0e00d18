"""Java, Kotlin and others of the JVM: Maven and Gradle."""

import re
from collections.abc import Iterator

from sandbox.ecosystems.base import (
    Ecosystem,
    Lines,
    ReportReader,
    any_line,
    failures_like,
    program_versions,
)
from sandbox.ecosystems.project import Project

_SETTINGS = ("settings.gradle", "settings.gradle.kts")
_GRADLE = ("build.gradle", "build.gradle.kts", *_SETTINGS)
_MODULE = re.compile(r"<module>\s*+(?:\./)?([^<>\s]+?)(?:/pom\.xml|/)?\s*+</module>")
_SUREFIRE_END = re.compile(r"[^<]*<<< (?:ERROR|FAILURE)!")


def _tests(project: Project) -> Iterator[str]:
    """Every test, also after one that failed."""
    if project.has("pom.xml") and not _is_module(project):
        yield f"{'./mvnw' if project.has('mvnw') else 'mvn'} -B -fae test"
    covered = any(folder.has(*_SETTINGS) for folder in project.outer())
    if project.has(*_SETTINGS) or (project.has(*_GRADLE) and not covered):
        yield f"{'./gradlew' if project.has('gradlew') else 'gradle'} test --continue"


def _is_module(project: Project) -> bool:
    """Whether a folder around it names it as a module, which is tested from there."""
    for outer in project.outer():
        path = project.folder.removeprefix(outer.folder).lstrip("/")
        if path in _MODULE.findall(outer.text("pom.xml")):
            return True
    return False


def _surefire(lines: Lines) -> Iterator[str]:
    """`[ERROR] demo.SumTest.adds -- Time elapsed: 0.01 s <<< FAILURE!`, and as it was before."""
    for line in lines:
        head, elapsed, end = line.removeprefix("[ERROR]").strip().partition("Time elapsed: ")
        test = head.rstrip().removesuffix("--").rstrip()
        if elapsed and test and _SUREFIRE_END.fullmatch(end) and not test.startswith("Tests run:"):
            yield test


JVM = Ecosystem(
    name="jvm",
    manifests=r"pom\.xml|(build|settings)\.gradle(\.kts)?",
    versions=program_versions(
        java="java -version 2>&1", mvn="mvn --version", gradle="gradle --version"
    ),
    seen="mvnw|gradlew",
    tests=_tests,
    test_calls=r"\b(?:mvnw?|gradlew?)\b",
    reports=(
        ReportReader("surefire", _surefire, any_line(r"(?:\[\w+\] )?Tests run: [1-9]\d*,")),
        ReportReader(  # a line of a task begins with `>`
            "gradle",
            failures_like(r"(?=.* FAILED$)([^>\s].* > .+) FAILED"),
            any_line(r"(?=.* (?:PASSED|FAILED)$)[^>].* > "),
        ),
    ),
    counts=r"(?:\[\w+\] )?Tests (run: \d+, Failures: \d+, Errors: \d+), .*Time elapsed: .*"
    r"|(\d+ tests completed, \d+ failed).*",
    failures_begin=r"\[ERROR\] .*|[^>\s].* > .+ FAILED",
    noise=r"\[INFO\] .*|\[INFO\]|Download(?:ing|ed) .*|.* PASSED",
    sources=r"[^/]+\.(?:java|kts?|scala|groovy)",
    test_files=r"src/\w*[tT]est\w*/(?:java|kotlin|scala|groovy|resources)/.*",
    test_line=r"[ \t]*(@(Parameterized|Repeated|org\.junit\.)?Test($|[^A-Za-z])"
    r"|(test|should|it)\(\"|def \")",
    config="mvnw|gradlew|gradle/wrapper/[^/]+",
    mixed_config=r"pom\.xml|(?:build|settings)\.gradle(?:\.kts)?",
    test_definition=r"\s*+(?:public\s++|private\s++)?(?:void|fun)\s++`?+(\w[\w ]*+)`?+\s*+\(",
    assertion=r"\bassert\w*\b|\bverify\s*+\(",
    skip=r"@(?:Disabled|Ignore)\b",
    suppression=r"@SuppressWarnings\b|//\s*+NOSONAR\b",
    runner_access=r"\bSystem\.exit\s*+\(\s*+0?\s*+\)",
)
