"""Deliveries of GitHub: signed over their very bytes, kept before they are answered."""

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import httpx
import pytest

from api.http.deliveries import DeliveryInbox, is_signed
from api.http.guards.auth import Auth
from graph.errors import InvalidRequest, StoreLocked
from tests.standins.servers.http_service import KEYS, client_of
from tests.standins.services.in_memory_run_service import MemoryService

OLD, NEW = "the-old-secret-of-24-chars", "the-new-secret-of-24-chars"
PATH = "/webhooks/github"
BODY = b'{"action": "created"}'


@dataclass
class KeptDeliveries:
    """Keeps what it is given; fails as it is told."""

    fault: Exception | None = None
    kept: list[tuple[str, str, bytes]] = field(default_factory=list)

    async def take(self, event: str, delivery: str, body: bytes) -> None:
        if self.fault:
            raise self.fault
        self.kept.append((event, delivery, body))


def signed(body: bytes, secret: str = NEW) -> dict[str, str]:
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {
        "Content-Type": "application/json",
        "X-GitHub-Event": "issues",
        "X-GitHub-Delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
        "X-Hub-Signature-256": f"sha256={signature}",
    }


@asynccontextmanager
async def opened(inbox: KeptDeliveries) -> AsyncIterator[httpx.AsyncClient]:
    deliveries = DeliveryInbox(inbox, (NEW, OLD))
    async with client_of(MemoryService(), auth=Auth(KEYS), deliveries=deliveries) as client:
        yield client


def test_a_signature_that_github_publishes() -> None:
    secret = "It's a Secret to Everybody"
    signature = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    assert is_signed(b"Hello, World!", f"sha256={signature}", [secret])
    assert not is_signed(b"Hello, World.", f"sha256={signature}", [secret])


@pytest.mark.parametrize("secret", [OLD, NEW])
async def test_a_delivery_is_kept_then_answered(secret: str) -> None:
    inbox = KeptDeliveries()
    async with opened(inbox) as client:
        answer = await client.post(PATH, content=BODY, headers=signed(BODY, secret))
    assert (answer.status_code, answer.content) == (202, b"")
    assert inbox.kept == [("issues", "72d3162e-cc78-11e3-81ab-4c9367dc0958", BODY)]


async def test_it_is_answered_as_soon_as_it_is_kept_and_no_sooner() -> None:
    begun, durable = asyncio.Event(), asyncio.Event()

    class SlowDisk(KeptDeliveries):
        async def take(self, event: str, delivery: str, body: bytes) -> None:
            begun.set()
            await durable.wait()
            await super().take(event, delivery, body)

    inbox = SlowDisk()
    async with opened(inbox) as client:
        posting = asyncio.create_task(client.post(PATH, content=BODY, headers=signed(BODY)))
        await begun.wait()
        assert not posting.done()
        durable.set()
        assert (await posting).status_code == 202
    assert len(inbox.kept) == 1


WRONG = {
    "another secret": signed(BODY, "another-secret-of-24-chars"),
    "other bytes": signed(BODY + b" "),
    "none": {**signed(BODY), "X-Hub-Signature-256": ""},
    "sha1": {
        **signed(BODY),
        "X-Hub-Signature-256": f"sha1={hmac.new(NEW.encode(), BODY, 'sha1').hexdigest()}",
    },
    "no prefix": {
        **signed(BODY),
        "X-Hub-Signature-256": signed(BODY)["X-Hub-Signature-256"].removeprefix("sha256="),
    },
    "no header at all": {"Content-Type": "application/json"},
    "a long one": {**signed(BODY), "X-Hub-Signature-256": "sha256=" + "a" * 300},
    "an event of no name": {**signed(b""), "X-GitHub-Event": "a b"},
    "a delivery of no name": {**signed(b""), "X-GitHub-Delivery": "../x"},
    "not ASCII": {**signed(BODY), "X-Hub-Signature-256": "sha256=\xe9"},
}


@pytest.mark.slow
@pytest.mark.parametrize("headers", WRONG.values(), ids=WRONG)
async def test_without_a_right_signature_nothing_is_kept(headers: dict[str, str]) -> None:
    inbox = KeptDeliveries()
    async with opened(inbox) as client:
        answer = await client.post(PATH, content=BODY, headers=httpx.Headers(headers, "latin-1"))
    assert answer.status_code == 401
    assert answer.json()["code"] == "unauthorized"
    assert not inbox.kept


@pytest.mark.slow
async def test_a_key_is_no_signature() -> None:
    inbox = KeptDeliveries()
    headers = {**signed(BODY, "x" * 24), "Authorization": f"Bearer {KEYS[0][1]}"}
    async with opened(inbox) as client:
        assert (await client.post(PATH, content=BODY, headers=headers)).status_code == 401


@pytest.mark.slow
async def test_a_body_may_be_as_large_as_github_sends() -> None:
    inbox = KeptDeliveries()
    body = b'{"a":"' + b"x" * (25 * 1024 * 1024 - 8) + b'"}'
    async with opened(inbox) as client:
        answer = await client.post(PATH, content=body, headers=signed(body), timeout=60)
        assert answer.status_code == 202
        body += b" "
        with suppress(httpx.TransportError):  # the answer may come before all is sent
            more = await client.post(PATH, content=body, headers=signed(body), timeout=60)
            assert more.status_code == 413
    assert [len(kept) for _, _, kept in inbox.kept] == [25 * 1024 * 1024]


@pytest.mark.slow
async def test_what_could_not_be_kept_is_not_answered_as_if(subtests: pytest.Subtests) -> None:
    for fault, status in ((StoreLocked("locked"), 503), (InvalidRequest("odd"), 422)):
        with subtests.test(status=status):
            async with opened(KeptDeliveries(fault)) as client:
                answer = await client.post(PATH, content=BODY, headers=signed(BODY))
                assert answer.status_code == status


@pytest.mark.slow
async def test_a_form_is_refused() -> None:
    headers = {**signed(BODY), "Content-Type": "application/x-www-form-urlencoded"}
    async with opened(KeptDeliveries()) as client:
        assert (await client.post(PATH, content=BODY, headers=headers)).status_code == 415


@pytest.mark.slow
@pytest.mark.parametrize("name", ["X-GitHub-Event", "X-GitHub-Delivery"])
async def test_names_are_checked(name: str) -> None:
    async with opened(KeptDeliveries()) as client:
        for value in ("", "a b", "../x", "a" * 101):
            headers = {**signed(BODY), name: value}
            answer = await client.post(PATH, content=BODY, headers=headers)
            assert answer.status_code == 422


@pytest.mark.slow
async def test_without_secrets_there_is_no_such_place() -> None:
    async with client_of(MemoryService()) as client:
        answer = await client.post(PATH, content=BODY, headers=signed(BODY))
        assert answer.status_code == 404
