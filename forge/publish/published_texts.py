"""What a publication tells, without what may be a secret."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from forge.core.forge import PullText, ReviewText
from forge.receipt import PURPOSE, Receipt, ReceiptText, build_receipt, write_receipt
from forge.secret_scan.kingfisher import CatalogueFailed, CatalogueMissing, SecretCatalogue
from forge.signing import SigningKey
from forge.text import pull_request
from forge.text.commit_message import commit_message
from forge.text.conventions import Conventions
from forge.text.review import line_comments, lines_of, review_body
from forge.text.sections import receipt_sections
from graph import Publication, Review, SecretForms
from graph.errors import PushRejected, SecretSearchFailed

_RUN_ID: Final = "\0run\0"


@dataclass(frozen=True)
class PublishedTexts:
    """Writes texts for one forge.

    `forms` are those of its token, `catalogue` knows other secrets. `sign_off`: `Name <email>`.
    Receipts are signed by the `key`; `models` are those of the roles, `version` is the product's.
    """

    forge_name: str
    forms: SecretForms
    catalogue: SecretCatalogue
    sign_off: str = ""
    key: SigningKey | None = None
    models: Mapping[str, str] = field(default_factory=dict)
    version: str = ""

    async def write(
        self,
        publication: Publication,
        conventions: Conventions,
        template: str = "",
        later: str = "",
    ) -> tuple[PullText, str]:
        """What the pull request and the commit say; `later` is what may be added to the first.

        Raises PushRejected where it is our token.
        """
        title = pull_request.title(publication, conventions)
        body = pull_request.body(publication, template, later)
        message = commit_message(publication, conventions, self.sign_off)
        self._refuse_token(title, body, message, publication.branch)
        title, body, message = await self._hide([title, body, message], publication.run_id)
        return PullText(title, body), message

    async def write_review(
        self, run_id: str, review: Review, sha: str, diff: bytes
    ) -> tuple[ReviewText, str]:
        """A review with line comments where the diff has the line, and the same without any."""
        shown = await asyncio.to_thread(lines_of, diff)
        comments = line_comments(review, shown)
        told = {(comment.path, comment.line) for comment in comments}
        listed = [each for each in review.findings if (each.path, each.line) not in told]
        bodies = [review_body(review, some, run_id) for some in (listed, review.findings)]
        texts = [*bodies, *(comment.body for comment in comments)]
        self._refuse_token(*texts)
        body, alone, *rest = await self._hide(texts, run_id)
        hidden = (replace(each, body=text) for each, text in zip(comments, rest, strict=True))
        return ReviewText(body, sha, tuple(hidden)), alone

    async def write_receipt(
        self, publication: Publication, commit: str, starts: Sequence[str]
    ) -> ReceiptText:
        """The receipt of a commit; `starts`: what the repository's automation will do."""
        receipt = build_receipt(publication, commit, models=self.models, version=self.version)
        sections = receipt_sections(publication, starts)
        told = receipt.canonical.decode()
        self._refuse_token(told, sections)
        told, sections = await self._hide([told, sections], publication.run_id)
        receipt = Receipt.model_validate_json(told)
        signature = await self.key.sign(receipt.canonical, PURPOSE) if self.key else ""
        return write_receipt(receipt, sections, signature)

    async def hide(self, texts: list[str], run_id: str) -> list[str]:
        """Texts without secrets. Raises PushRejected where one is our token."""
        self._refuse_token(*texts)
        return await self._hide(texts, run_id)

    async def _hide(self, texts: list[str], run_id: str) -> list[str]:
        """The texts without what the catalogue takes for a secret; a run's id is none."""
        marked = [text.replace(run_id, _RUN_ID) for text in texts]
        try:
            hidden = await asyncio.to_thread(self.catalogue.hide, marked)
        except CatalogueMissing as missing:
            raise SecretSearchFailed(
                f"What is to be published could not be searched for secrets: {missing}.",
                "Install it with `pip install kingfisher-secret-scanner`, then resume the run.",
            ) from None
        except CatalogueFailed as failed:
            raise SecretSearchFailed(
                f"What is to be published could not be searched for secrets: {failed}."
            ) from None
        return [text.replace(_RUN_ID, run_id) for text in hidden]

    def _refuse_token(self, *texts: str) -> None:
        if any(self.forms.position(text.encode("utf-8", "replace")) >= 0 for text in texts):
            raise PushRejected(f"The text of the pull request holds the {self.forge_name} token.")
