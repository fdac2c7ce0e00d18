"""A notice as JSON, signed as Standard Webhooks has it."""

import json
import time
from datetime import UTC, datetime
from typing import Final

import httpx
from pydantic import SecretStr

from api.webhooks.notice import Notice
from runs.model import rfc3339

_PREFIX: Final = "whsec_"


class StandardEndpoint:
    """`secret` is `whsec_` and base64; its receiver knows it, too."""

    name = "the webhook"

    def __init__(self, url: SecretStr, secret: SecretStr) -> None:
        from standardwebhooks import Webhook

        self._url = url
        self._webhook = Webhook(secret.get_secret_value().removeprefix(_PREFIX))

    def request(self, notice: Notice) -> httpx.Request:
        """The call, signed anew each time: a receiver refuses old signatures."""
        document = {
            "type": notice.kind,
            "timestamp": rfc3339(notice.time),
            "data": notice.run.row(),
        }
        body, now = json.dumps(document, ensure_ascii=False), int(time.time())
        signature = self._webhook.sign(notice.name, datetime.fromtimestamp(now, UTC), body)
        headers = {
            "Content-Type": "application/json",
            "webhook-id": notice.name,
            "webhook-timestamp": str(now),
            "webhook-signature": signature,
        }
        url = self._url.get_secret_value()
        return httpx.Request("POST", url, content=body.encode(), headers=headers)
