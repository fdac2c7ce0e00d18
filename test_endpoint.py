#!/usr/bin/env python3
"""A client, not a test: tries a running coding agent over HTTP, with the standard library alone.

    python test_endpoint.py http://127.0.0.1:8000 --auth-test
    python test_endpoint.py URL --repo https://github.com/OWNER/REPO --prompt "What to change"

Prints the run's progress as it streams and takes the stream up again where it breaks. Exit code:
0 succeeded; 3 nothing to change, or plan rejected; 1 incomplete, blocked or failed; 4 money, tokens
or time spent (also --timeout); 130 cancelled; 2 wrong usage.
"""

import argparse
import http.client
import json
import os
import re
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

EXIT_CODES = {
    "succeeded": 0,
    "no_changes": 3,
    "rejected": 3,
    "budget_exhausted": 4,
    "timed_out": 4,
    "cancelled": 130,
}
"""Every other status is a failure."""
FAILED, OUT_OF_TIME, CANCELLED = 1, 4, 130
PROMPT = "Correct one typo or unclear sentence in the README. Change nothing else."
SILENCE_S = 45.0
"""Three times the pause between a stream's comments: longer silence is a broken connection."""
PAUSES_S = (0.5, 1.0, 2.0, 5.0, 10.0)
LINES = {
    "run.queued": "queued, position {position}",
    "run.started": "started: {repoUrl}",
    "run.resumed": "carried on: {reason}",
    "node.started": "▶ {node}",
    "node.finished": "  {node}: {outcome}",
    "tool.started": "    {tool} {input}",
    "plan.waiting": "  the plan {planId} waits for an answer",
    "validation.finished": "  validation: {status}",
    "review.finished": "  review: {verdict}",
    "gate.finished": "  gate passed: {passed}",
    "pr.created": "  {branch} {url}",
    "pr.updated": "  {branch} {url}",
    "retry": "  trying {what} again: {reason}",
}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]+")

Event = dict[str, Any]


class Refused(Exception):
    """Raised when the server answers with an error; `passing` ones may go by."""

    def __init__(self, message: str, *, status: int = 0, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.passing = status in (408, 429) or status >= 500
        self.retry_after_s = retry_after_s


class OutOfTime(Exception):
    """Raised when --timeout is over; the run goes on without us."""


class SameOrigin(urllib.request.HTTPRedirectHandler):
    """Follows a redirect within the server only: the key is sent to nobody else."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        asked, told = urllib.parse.urlsplit(req.full_url), urllib.parse.urlsplit(newurl)
        if (asked.scheme, asked.netloc) != (told.scheme, told.netloc):
            raise Refused("The server sends us elsewhere; give that address if you trust it.")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


@dataclass
class Endpoint:
    """A server, and the time there is to talk to it."""

    url: str
    api_key: str
    until: float
    opener: urllib.request.OpenerDirector = field(
        default_factory=lambda: urllib.request.build_opener(SameOrigin)
    )

    def open(
        self, path: str, *, body: Any = None, headers: dict[str, str] | None = None
    ) -> http.client.HTTPResponse:
        """The answer to a call. Raises Refused, OutOfTime or OSError."""
        request = urllib.request.Request(self.url + path, headers=headers or {})  # noqa: S310
        request.add_header("User-Agent", "test_endpoint")
        if self.api_key:
            request.add_header("Authorization", f"Bearer {self.api_key}")
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        try:
            answer: http.client.HTTPResponse = self.opener.open(request, timeout=self.left())
        except urllib.error.HTTPError as error:
            raise refusal(error) from None
        return answer

    def get(self, path: str) -> Any:
        """The JSON that a call answers with."""
        with self.open(path) as answer:
            return json.loads(answer.read())

    def left(self) -> float:
        """Seconds that a single read may take."""
        left = self.until - time.monotonic()
        if left <= 0:
            raise OutOfTime
        return min(left, SILENCE_S)

    def pause(self, seconds: float) -> None:
        time.sleep(min(seconds, self.left()))


def refusal(error: urllib.error.HTTPError) -> Refused:
    """The error as the server's problem document tells it."""
    told: dict[str, Any] = {}
    with suppress(ValueError, OSError, http.client.HTTPException):
        told = json.loads(error.read(65_536))
    parts = [f"{error.code} {told.get('code', error.reason)}"]
    parts += [str(told[name]) for name in ("detail", "hint") if told.get(name)]
    parts += [f"{item['pointer']}: {item['message']}" for item in told.get("errors") or []]
    after = error.headers.get("Retry-After") or "0"
    return Refused(
        " · ".join(parts),
        status=error.code,
        retry_after_s=float(after) if after.isdigit() else 0.0,
    )


def frames(endpoint: Endpoint, answer: http.client.HTTPResponse) -> Iterator[tuple[str, Event]]:
    """Type and data of each server-sent event of one stream."""
    kind, data = "", []
    while line := answer.readline(1_000_000):
        endpoint.left()
        name, _, value = line.decode("utf-8", "replace").rstrip("\r\n").partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            kind = value
        elif name == "data":
            data.append(value)
        elif not name and not value and data:
            yield kind, json.loads("\n".join(data))
            kind, data = "", []


@dataclass
class Watch:
    """One run, watched over as many streams as it takes."""

    endpoint: Endpoint
    run_id: str = ""
    events: list[Event] = field(default_factory=list)
    whole: bool = False
    """The newest stream was ended by the server."""

    @property
    def ended(self) -> bool:
        return bool(self.events) and self.events[-1]["type"] == "run.finished"

    @property
    def after(self) -> int:
        return int(self.events[-1]["seq"]) if self.events else 0

    def run(self, repo: str, prompt: str) -> Iterator[Event]:
        """Start a run, or join it where an answer was lost, and watch it to its end."""
        body = {"repoUrl": repo, "prompt": prompt}
        key, tries = str(uuid.uuid4()), 0
        while not (self.ended and self.whole):
            known = len(self.events)
            try:
                if self.run_id:
                    headers = {"Last-Event-ID": str(self.after)}
                    path = f"/runs/{self.run_id}/events"
                    yield from self.read(self.endpoint.open(path, headers=headers))
                else:
                    headers = {"Idempotency-Key": key}
                    yield from self.read(self.endpoint.open("/code", body=body, headers=headers))
            except (OSError, http.client.HTTPException, Refused) as error:
                if not self.run_id and tries == len(PAUSES_S):
                    raise
                if isinstance(error, Refused) and not error.passing:
                    raise
                self.endpoint.pause(getattr(error, "retry_after_s", 0.0))
            tries = 0 if len(self.events) > known else tries + 1
            if tries:
                self.endpoint.pause(PAUSES_S[min(tries, len(PAUSES_S)) - 1])

    def read(self, answer: http.client.HTTPResponse) -> Iterator[Event]:
        """The new events of one stream."""
        self.whole = False
        with answer:
            self.run_id = self.run_id or answer.headers.get("X-Run-Id") or ""
            for kind, event in frames(self.endpoint, answer):
                if kind != "stream.end" and event["seq"] == self.after + 1:
                    self.events.append(event)
                    yield event
        self.whole = True


def clean(value: object, length: int = 200) -> str:
    """Text of a stranger on one line, without control characters."""
    text = _CONTROL.sub(" ", str(value))
    return text if len(text) <= length else text[: length - 1] + "…"


class Fields(dict[str, Any]):
    """An event's fields; what it does not have is empty."""

    def __missing__(self, name: str) -> str:
        return ""


def lines(events: Iterable[Event]) -> Iterator[str]:
    """The events in lines, without details; what a role says in pieces is one."""
    said = ""
    for event in events:
        if event["type"] == "role.text":
            said = (said or f"  {event['role']}: ") + event["text"]
            continue
        told = LINES.get(event["type"], "").format_map(Fields(event)).rstrip()
        yield from filter(None, (said, told))
        said = ""


def result(watch: Watch) -> tuple[str, int]:
    """The last line, and the exit code."""
    end = watch.events[-1]
    status, error = end["status"], end.get("error") or {}
    cost = end.get("costUsd")
    parts = [status, end.get("prUrl") or end.get("branch"), end.get("explanation")]
    parts += [f"${cost:.2f}" if cost is not None else "cost unknown"]
    parts += [error.get("code"), error.get("message"), error.get("hint")]
    return " · ".join(str(part) for part in parts if part), EXIT_CODES.get(status, FAILED)


def try_credentials(endpoint: Endpoint, repo: str | None) -> int:
    """Ask the server to try its credentials; nothing is changed."""
    query = f"?{urllib.parse.urlencode({'repoUrl': repo})}" if repo else ""
    print(f"server  {clean(endpoint.get('/health').get('version'))}")
    answer = endpoint.get(f"/auth-test{query}")
    print(f"claude  {clean(answer['claude'])}")
    print(f"github  {clean(answer['github'])}")
    held = answer["claude"] == answer["github"] == "ok"
    if rights := answer.get("repo"):
        print(f"repo    read {rights['read']}, push {rights['push']}")
        held = held and rights["read"] and rights["push"]
    return 0 if held else FAILED


def save(name: str, watch: Watch, code: int, seconds: float) -> None:
    """Write what was seen as JSON."""
    name = name or f"test_results_{re.sub(r'[^0-9A-Za-z_-]', '', watch.run_id) or 'none'}.json"
    results = {
        "url": watch.endpoint.url,
        "runId": watch.run_id,
        "status": watch.events[-1]["status"] if watch.ended else None,
        "exitCode": code,
        "seconds": round(seconds, 1),
        "events": watch.events,
    }
    with open(name, "w", encoding="utf-8") as file:  # noqa: PTH123
        json.dump(results, file, indent=2, ensure_ascii=False)
    print(f"Saved to {name}")


def try_run(endpoint: Endpoint, options: argparse.Namespace) -> int:
    """Start a run and show it to its end."""
    watch, start, code = Watch(endpoint), time.monotonic(), FAILED
    try:
        for line in lines(watch.run(options.repo, options.prompt)):
            if not options.quiet:
                print(f"{time.monotonic() - start:7.1f} s  {clean(line)}", flush=True)
        line, code = result(watch)
        print(clean(line, 1000))
    except OutOfTime:
        code = OUT_OF_TIME
        print(f"Out of time; the run goes on: {endpoint.url}/runs/{watch.run_id}", file=sys.stderr)
    except KeyboardInterrupt:
        code = CANCELLED
        print(f"\nThe run goes on: {endpoint.url}/runs/{watch.run_id}", file=sys.stderr)
    finally:
        if options.save_results is not None:
            save(options.save_results, watch, code, time.monotonic() - start)
    return code


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Try a running coding agent over HTTP.")
    parser.add_argument("url", metavar="URL", help="such as http://127.0.0.1:8000")
    parser.add_argument("--repo", metavar="URL", help="the repository to change")
    parser.add_argument("--prompt", default=PROMPT, help="what to change (default: %(default)s)")
    parser.add_argument("--auth-test", action="store_true", help="try credentials, change nothing")
    parser.add_argument("--quiet", action="store_true", help="print the result alone")
    keep = "keep all events as JSON (default name: test_results_<run id>.json)"
    parser.add_argument("--save-results", metavar="FILE", nargs="?", const="", help=keep)
    parser.add_argument("--timeout", metavar="S", type=float, default=600.0, help="seconds (600)")
    parser.add_argument("--api-key", metavar="KEY", help="(CODING_AGENT_API_KEY)")
    options = parser.parse_args(arguments)
    parts = urllib.parse.urlsplit(options.url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        parser.error("URL must begin with http:// or https://")
    if not options.auth_test and not options.repo:
        parser.error("--repo is needed, or --auth-test")
    if not options.timeout > 0:
        parser.error("--timeout must be above 0")
    return options


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    endpoint = Endpoint(
        url=options.url.rstrip("/"),
        api_key=options.api_key or os.environ.get("CODING_AGENT_API_KEY", ""),
        until=time.monotonic() + options.timeout,
    )
    try:
        if options.auth_test:
            return try_credentials(endpoint, options.repo)
        return try_run(endpoint, options)
    except OutOfTime:
        print("The server did not answer in time.", file=sys.stderr)
        return OUT_OF_TIME
    except (Refused, OSError, http.client.HTTPException, ValueError) as error:
        print(clean(error, 1000), file=sys.stderr)
        return FAILED


if __name__ == "__main__":
    sys.exit(main())
