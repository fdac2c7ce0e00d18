"""The command's whole run: what it shows, and the spans that it sends to a collector here."""

import gzip
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from demo.script.sample_repository import REQUEST
from demo.temporary_folder import temporary_folder

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "coding_agent", "demo"]


@dataclass
class Collector:
    """Takes what an exporter sends."""

    bodies: list[bytes] = field(default_factory=list)
    signed_in: list[str | None] = field(default_factory=list)
    address: str = ""

    @property
    def spans(self) -> list[Span]:
        requests = [ExportTraceServiceRequest.FromString(body) for body in self.bodies]
        return [
            span
            for request in requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def named(self, name: str) -> list[Span]:
        return [span for span in self.spans if span.name == name]


@contextmanager
def collecting() -> Iterator[Collector]:
    found = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            packed = self.headers["Content-Encoding"] == "gzip"
            assert self.path == "/v1/traces"
            found.bodies.append(gzip.decompress(body) if packed else body)
            found.signed_in.append(self.headers["Authorization"])
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    found.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def attributes(span: Span) -> dict[str, str]:
    return {each.key: each.value.string_value for each in span.attributes}


def environment(folder: Path, **more: str) -> dict[str, str]:
    path = os.environ["PATH"]
    return {"PATH": path, "HOME": str(folder), "PYTHONPATH": str(ROOT), **more}


@pytest.fixture(scope="module")
def told() -> Iterator[tuple[str, Collector]]:
    """What one run of the command printed, and what it sent; it leaves nothing behind."""
    with temporary_folder() as folder, collecting() as collector:
        temporary = folder / "temporary"
        temporary.mkdir(mode=0o711)
        ended = subprocess.run(
            COMMAND,
            env=environment(
                folder,
                TMPDIR=str(temporary),
                OTEL_EXPORTER_OTLP_ENDPOINT=collector.address,
                OTEL_EXPORTER_OTLP_HEADERS="Authorization=Bearer%20collectors-own-key",
            ),
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )
        assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout
        assert not list(temporary.iterdir())
        yield ended.stdout, collector


@pytest.mark.sandbox
def test_the_command_shows_the_pull_request(told: tuple[str, Collector]) -> None:
    printed, _ = told
    assert "Claude's replies are replayed" in printed
    _, _, shown = printed.partition("pull request #1 ──")
    assert "Let an invoice carry a discount" in shown
    assert "7 files changed" in shown
    assert "--diff" in shown


@pytest.mark.sandbox
def test_a_run_is_traced_from_node_to_request(told: tuple[str, Collector]) -> None:
    _, collector = told
    (run,) = collector.named("run")
    assert attributes(run)["coding_agent.status"] == "succeeded"
    nodes = [span for span in collector.spans if span.name.startswith("node ")]
    assert [(span.name, attributes(span)["coding_agent.outcome"]) for span in nodes][:4] == [
        ("node prepare", "ok"),
        ("node plan", "ok"),
        ("node code", "ok"),
        ("node validate", "failed"),
    ]
    assert {span.parent_span_id for span in nodes} == {run.span_id}
    assert {span.trace_id for span in nodes} == {run.trace_id}
    asked = collector.named("anthropic.messages.create")
    assert {span.parent_span_id for span in asked} <= {span.span_id for span in nodes}
    assert len(asked) > 10
    for reply in asked:
        assert attributes(reply)["gen_ai.response.model"]
        (tokens,) = (each for each in reply.attributes if each.key == "gen_ai.usage.output_tokens")
        assert tokens.value.int_value > 0
    assert collector.named("POST /code")
    check_said(collector)


def check_said(collector: Collector) -> None:
    """Nothing of the request, of replies or of secrets; each export signed in."""
    said = b"".join(collector.bodies)
    for content in (REQUEST, "discount", "AGENTS.md", "ghp_", "replayed-claude", "collectors-own"):
        assert content.encode() not in said
    assert set(collector.signed_in) == {"Bearer collectors-own-key"}


_WITHOUT_EXTRA = """
import sys
sys.modules["opentelemetry.sdk"] = None
from wiring.logging_setup import log_to_stderr
from api.http.telemetry import tracing
log_to_stderr(hide=str)
with tracing(endpoint="http://127.0.0.1:9", headers="", version="1"):
    pass
"""
_UNREACHABLE = """
import time
from opentelemetry import trace
from wiring.logging_setup import log_to_stderr
from api.http.telemetry import tracing
from graph.machine.tracing import span
from graph.errors import PushRejected
log_to_stderr(hide=lambda text: text.replace("secret", "***"), format="json")
begun = time.monotonic()
try:
    with tracing(endpoint="http://127.0.0.1:9", headers="k=secret", version="1"):
        with span("run", run_id="r"):
            raise PushRejected("the secret of a push")
except PushRejected:
    pass
print(time.monotonic() - begun)
"""


def script(text: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", text],
        env=environment(folder),
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )


def test_a_missing_extra_is_said_once(tmp_path: Path) -> None:
    ended = script(_WITHOUT_EXTRA, tmp_path)
    assert ended.stderr.count("pip install 'modal-coding-agent[otel]'") == 1


def test_a_collector_that_is_not_there_holds_nothing_up(tmp_path: Path) -> None:
    ended = script(_UNREACHABLE, tmp_path)
    assert float(ended.stdout) < 8
    assert "secret" not in ended.stderr
