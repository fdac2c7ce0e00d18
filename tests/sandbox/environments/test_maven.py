"""A build of Maven, whose plugins and libraries a repository of packages serves over TLS.

The repository is what this machine's own Maven keeps of the public one.
"""

import asyncio
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from benchmarks.environments import measure
from tests.sandbox.environments.test_shapes import Shape, repository
from tests.standins.package_index import PackageIndex
from tests.support.needed_programs import needs
from wiring import Machine, Settings

KEPT = Path.home() / ".m2" / "repository"
NEEDED = (
    "org/apache/maven/plugins/maven-surefire-plugin/3.2.5/maven-surefire-plugin-3.2.5.jar",
    "org/apache/maven/surefire/surefire-junit-platform/3.2.5/surefire-junit-platform-3.2.5.jar",
    "org/junit/jupiter/junit-jupiter/5.14.1/junit-jupiter-5.14.1.jar",
)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.sandbox,
    pytest.mark.timeout(600),
    needs("mvn", "javac"),
    pytest.mark.skipif(
        not all((KEPT / name).exists() for name in NEEDED),
        reason="what Maven needs is optional, and not kept on this machine",
    ),
]
POM = """\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>demo</groupId><artifactId>demo</artifactId><version>1</version>
  <properties>
    <maven.compiler.release>17</maven.compiler.release>
    <project.build.sourceEncoding>UTF-8</project.build.sourceEncoding>
  </properties>
  <repositories><repository><id>central</id><url>{url}</url></repository></repositories>
  <pluginRepositories>
    <pluginRepository><id>central</id><url>{url}</url></pluginRepository>
  </pluginRepositories>
  <dependencies><dependency>
    <groupId>org.junit.jupiter</groupId><artifactId>junit-jupiter</artifactId>
    <version>5.14.1</version><scope>test</scope>
  </dependency></dependencies>
  <build><plugins>
    <plugin><artifactId>maven-resources-plugin</artifactId><version>3.4.0</version></plugin>
    <plugin><artifactId>maven-compiler-plugin</artifactId><version>3.14.1</version></plugin>
    <plugin><artifactId>maven-surefire-plugin</artifactId><version>3.2.5</version></plugin>
  </plugins></build>
</project>
"""
TRUST = "-Dmaven.wagon.http.ssl.insecure=true -Dmaven.wagon.http.ssl.allowall=true\n"
SUM = """\
package demo;
class Sum { static int of(int a, int b) { return a + b; } }
"""
SUM_TEST = """\
package demo;
import static org.junit.jupiter.api.Assertions.assertEquals;
import org.junit.jupiter.api.Test;
class SumTest {
  @Test void adds() { assertEquals(3, Sum.of(1, 2)); }
  @Test void fails() { assertEquals(4, Sum.of(1, 2)); }
}
"""


@pytest_asyncio.fixture
async def name(monkeypatch: pytest.MonkeyPatch) -> str:
    """A name for this machine with a dot in it: Java names no server in TLS that has none."""
    loop = asyncio.get_running_loop()
    resolve, name = loop.getaddrinfo, "maven.test"

    async def answer(host: str, port: int, **more: Any) -> Any:
        return await resolve("127.0.0.1" if host == name else host, port, **more)

    monkeypatch.setattr(loop, "getaddrinfo", answer)
    return name


async def test_tests_run_offline_with_what_set_up_loaded(data_dir: Path, name: str) -> None:
    folder = data_dir / "demo"
    await asyncio.to_thread(folder.mkdir)
    with PackageIndex(data_dir, KEPT) as index:
        host = f"{name}:{index.port}"
        shape = Shape(
            {
                "pom.xml": POM.format(url=f"https://{host}"),
                ".mvn/jvm.config": TRUST,
                "src/main/java/demo/Sum.java": SUM,
                "src/test/java/demo/SumTest.java": SUM_TEST,
            }
        )
        await asyncio.to_thread(repository, folder, shape)
        settings = Settings(data_dir=data_dir / "data", setup_hosts=(host,))
        async with Machine(settings) as machine:
            row = await measure(machine, folder)
    assert (row.ended, row.left_out) == ("failed", []), row.output
    assert row.failures == ["demo.SumTest.fails"]
    assert "Tests run: 2, Failures: 1, Errors: 0" in row.output
