"""Answers of a server, and httpx's errors, as errors of the client."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import httpx
from httpx_sse import SSEError

from api.client.server_error import ServerError

CHECK_ADDRESS: Final = "Check the address given as --server or CODING_AGENT_SERVER."


@contextmanager
def map_http_errors(client: httpx.AsyncClient) -> Iterator[None]:
    """httpx's errors as ours, which name the server and never what was sent."""
    try:
        yield
    except SSEError as error:
        raise ServerError("not_a_stream", "The answer is no event stream.", status=200) from error
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        raise ServerError(
            "server_unreachable",
            f"{client.base_url} cannot be reached.",
            "Check the address, and that the server runs (coding-agent serve).",
        ) from error
    except httpx.TransportError as error:
        raise ServerError("connection_lost", "the connection broke") from error
    except httpx.RequestError as error:
        raise ServerError(
            "unexpected_answer", "The answer cannot be decoded.", CHECK_ADDRESS
        ) from error


def problem_of(answer: httpx.Response) -> ServerError:
    """A refusal as an error: from its problem document, or from its status alone."""
    problem = json_of(answer)
    status = answer.status_code
    fallback = f"The server answered {status} {answer.reason_phrase}."
    details = [
        f"{item.get('pointer') or item.get('parameter') or ''} {item.get('message', '')}".strip()
        for item in problem.get("errors") or ()
        if isinstance(item, Mapping)
    ]
    detail = str(problem.get("detail") or problem.get("title") or fallback)
    hint = str(problem.get("hint") or "")
    if status == 401 and not hint:
        hint = "Set CODING_AGENT_API_KEY to a key of this server."
    if 300 <= status < 400:
        hint = "Give --server the address that answers itself; redirects are not followed."
    return ServerError(
        str(problem.get("code") or f"http_{status}"),
        "\n".join([detail, *(text for text in details if text not in detail)]),
        hint,
        status=status,
        retry_after_s=seconds_of(answer.headers.get("Retry-After")),
    )


def json_of(answer: httpx.Response) -> dict[str, Any]:
    """The object of a JSON answer, empty where it is none."""
    try:
        value = answer.json()
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def seconds_of(retry_after: str | None) -> float | None:
    return float(retry_after) if retry_after and retry_after.isdecimal() else None
