"""OpenTelemetry, where an endpoint is set and its extra installed: spans go there, and no content.

FastAPI and the Messages API's SDK bring spans of their own once there is a provider; runs and nodes
add theirs.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from opentelemetry import trace

if TYPE_CHECKING:
    from fastapi.telemetry import TelemetryConfig
    from opentelemetry.sdk.trace import TracerProvider

log = logging.getLogger(__name__)

_QUIET: Final = frozenset(("/health", "/ready", "/metrics"))
_EXPORT_S: Final = 2.0
"""An end of the process waits for no more than one last export."""

FASTAPI: "Final[TelemetryConfig]" = {
    "metrics": False,
    "logs": False,
    "operation_spans": False,
    "auto_configure": False,
    "exclude": lambda scope: scope.get("path") in _QUIET,
}
"""What FastAPI tells: spans of requests alone. Its logs would hold messages of exceptions."""


@contextmanager
def tracing(
    *, endpoint: str | None, headers: str, version: str, hide: Callable[[str], str] = str
) -> Iterator[None]:
    """Send spans to `endpoint` while the block runs.

    Nothing happens where there is none, or where this process has a provider already. `headers`
    are as OTEL_EXPORTER_OTLP_HEADERS has them: NAME=VALUE, separated by commas. `hide` takes
    secrets out of addresses.
    """
    provider = None
    if endpoint and isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        provider = _provider(endpoint, headers, version, hide)
    if provider is None:
        yield
        return
    trace.set_tracer_provider(provider)
    try:
        yield
    finally:
        provider.shutdown()


def _provider(
    endpoint: str, headers: str, version: str, hide: Callable[[str], str]
) -> "TracerProvider | None":
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.util.re import parse_env_headers
    except ImportError:
        log.warning(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, but no spans are sent: "
            "pip install 'modal-coding-agent[otel]'"
        )
        return None
    given: Mapping[str, str] = parse_env_headers(headers, liberal=True)
    exporter = OTLPSpanExporter(f"{endpoint}/v1/traces", headers=dict(given), timeout=_EXPORT_S)
    resource = Resource.create({"service.name": "coding-agent", "service.version": version})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(_plain_addresses(hide))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


def _plain_addresses(hide: Callable[[str], str]) -> Any:
    """A processor for addresses: callers put anything into a query, and keys into paths."""
    from opentelemetry.sdk.trace import Span, SpanProcessor

    class PlainAddresses(SpanProcessor):
        def on_start(self, span: Span, parent_context: object = None) -> None:  # noqa: ARG002
            attributes = span.attributes or {}
            if "url.query" in attributes:
                span.set_attribute("url.query", "")
            if path := attributes.get("url.path"):
                span.set_attribute("url.path", hide(unquote(str(path))))

    return PlainAddresses()
