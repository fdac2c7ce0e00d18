"""Java, Kotlin and others of the JVM: Maven and Gradle."""

import re
from collections.abc import Iterator
from typing import Final

from sandbox.ecosystems.base import (
    Ecosystem,
    Lines,
    ReportReader,
    any_line,
    failures_like,
    only,
    program_versions,
)
from sandbox.ecosystems.install_step import NOTHING_TO_INSTALL, InstallPlan, InstallStep
from sandbox.ecosystems.project import Project

_SETTINGS = ("settings.gradle", "settings.gradle.kts")
_GRADLE = ("build.gradle", "build.gradle.kts", *_SETTINGS)
_MODULE = re.compile(r"<module>\s*+(?:\./)?([^<>\s]+?)(?:/pom\.xml|/)?\s*+</module>")
# Of tests Gradle says only in a task what they need when they run.
_FETCH: Final = (
    'allprojects { tasks.register("fetchForTests") { doLast { configurations.findAll '
    "{ it.canBeResolved && it.name ==~ /(?i).*test.*classpath/ }.each { it.files } } } }"
)
_SUREFIRE_END = re.compile(r"[^<]*<<< (?:ERROR|FAILURE)!")


def _tests(project: Project) -> Iterator[str]:
    """Every test, also after one that failed."""
    if project.has("pom.xml") and not _is_module(project):
        yield f"{_program(project, 'mvn')} -B -fae test"
    if project.has(*_SETTINGS) or (project.has(*_GRADLE) and not _is_covered(project)):
        yield f"{_program(project, 'gradle')} test --continue"


def _plan(project: Project) -> InstallPlan:
    if project.has("pom.xml") and not _is_module(project):
        return InstallPlan(tuple(_maven(f"{_program(project, 'mvn')} -B -ntp -q")))
    if project.has(*_SETTINGS) or (project.has(*_GRADLE) and not _is_covered(project)):
        return InstallPlan((_gradle(_program(project, "gradle")),))
    return NOTHING_TO_INSTALL


def _maven(program: str) -> Iterator[InstallStep]:
    """Maven loads what runs tests as it starts them: they are started, by a Java that is none.

    Compiled classes are removed: checks would run those whose source a change deletes.
    """
    java = "/tmp/none/bin/java"  # noqa: S108 - in the sandbox
    yield InstallStep("what `pom.xml` names", f"{program} -fae -DskipTests test")
    yield InstallStep(
        "what runs the tests of `pom.xml`",
        f"mkdir -p {java.removesuffix('/java')} && ln -sf /bin/true {java} && "
        f"{program} -fn -Djvm={java} test && "
        "git clean -ffdxq -- ':(glob)**/target/**' ':(exclude,glob)**/node_modules/**'",
    )


def _gradle(program: str) -> InstallStep:
    file = "/tmp/fetch.gradle"  # noqa: S108 - in the sandbox
    return InstallStep(
        "what Gradle's build names",
        f"echo '{_FETCH}' > {file} && {program} --no-daemon --console=plain -q -I {file} "
        "-Dorg.gradle.configuration-cache=false testClasses fetchForTests",
    )


def _program(project: Project, name: str) -> str:
    """As the project brings it along, else as it is installed."""
    return f"./{name}w" if project.has(f"{name}w") else name


def _is_covered(project: Project) -> bool:
    """Whether a build around it has it as a part."""
    return any(folder.has(*_SETTINGS) for folder in project.outer())


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
        java="env -u JAVA_TOOL_OPTIONS java -version 2>&1",  # it would begin with its value
        mvn="mvn --version",
        gradle="gradle --version",
    ),
    locks=r"gradle\.lockfile",
    seen="mvnw|gradlew",
    tests=_tests,
    test_calls=r"\b(?:mvnw?|gradlew?)\b",
    ends_first=r"(?<!\S)--?fail-fast(?![\w=./-])",
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
    cut_short=lambda lines: any(
        each.startswith("[INFO] ") and each.endswith(". SKIPPED") for each in lines
    ),
    idle=any_line(r"\[INFO\] No tests to run\."),
    noise=r"\[INFO\] .*|\[INFO\]|Download(?:ing|ed) .*|.* PASSED",
    lacking=r"\[(?:ERROR|FATAL)\] .*?(Could not (?:find|transfer) artifact \S++).*"
    r"|> (Could not (?:resolve|find) \S++)\..*",
    plan=_plan,
    installs_only=only(r"(?:\./mvnw|mvn)(?: -\S+)* dependency:(?:go-offline|resolve)"),
    install_reads=r"pom\.xml|.*\.gradle(?:\.kts)?|gradle\.properties|.*\.versions\.toml"
    r"|\.mvn/.*|gradle/wrapper/.*",
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
