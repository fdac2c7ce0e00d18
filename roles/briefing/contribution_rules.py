"""What a repository says of generated contributions, for a run whose account has no write there."""

import asyncio
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from roles.briefing.base_files import list_base_files, read_base_files
from roles.briefing.untrusted_text import quote_untrusted
from sandbox import Sandbox

_MAX_LISTED: Final = 1 << 18
_MAX_BYTES: Final = 1 << 16
"""Of each file."""
_MOST_FILES: Final = 8
_SHOWN: Final = 8_000
_SHORTEST: Final = 12
_LONGEST: Final = 400
_LONGEST_HEADING: Final = 300
"""What is longer is a paragraph; each paragraph below a heading repeats it."""
_LIST: Final = f"""\
for folder in "" .github/ docs/; do
  "$git" ls-tree -z --name-only "$tree" $folder 2>/dev/null | head -c {_MAX_LISTED}
done
"""
_POLICY: Final = re.compile(
    r"(?i)(?:\.github/|docs/)?(?:[a-z0-9]{1,20}[_-])?(?:gen)?(?:ai|llms?)[_-][a-z_-]{1,40}"
    r"(?:\.(?:md|rst|txt|adoc))?"
)
_GUIDE: Final = re.compile(
    r"(?i)(?:\.github/|docs/)?(?:contribut(?:e|ing)(?:[_-][a-z]{1,20})?|agents)"
    r"(?:\.(?:md|rst|txt|adoc))?"
)
_ABOUT: Final = re.compile(
    r"\bAIs?\b|(?i:\b(?:LLMs?|chat ?gpt|copilot|claude|codex|gemini|artificial intelligence"
    r"|language models?|generative|(?:machine|auto|bot|agent)[ -]?(?:generated|written|assisted)"
    r"|(?:coding|autonomous|automated) agents?|vibe[ -]?cod(?:ed|ing)|bots?"
    r"|automated (?:contributions?|pull requests?|PRs?))\b)"
)
_HEADING: Final = re.compile(r"(?m)^(#{1,6} .*|\S.*\n(?:={3,}|-{3,}|~{3,}|\^{3,}))$")
_MARKUP: Final = re.compile(r"[*_`>#|]+")
_QUOTES: Final = " \t\n\"'\u2018\u2019\u201c\u201d\u00ab\u00bb"
_END: Final = re.compile(r"[.!?](?=\s|\Z)")


@dataclass(frozen=True)
class ContributionRules:
    """Paragraphs about generated contributions, with the name of the file each is from."""

    paragraphs: tuple[tuple[str, str], ...] = ()

    def describe(self) -> str:
        """What the planner is told of them; nothing where there are none."""
        if not self.paragraphs:
            return ""
        names = dict.fromkeys(name for name, _ in self.paragraphs)
        shown = "\n\n".join(
            "\n\n".join([f"{name}:", *(text for of, text in self.paragraphs if of == name)])
            for name in names
        )
        return (
            "The pull request will come from outside, as one that an agent made. This is what the"
            " repository says of such contributions:\n"
            f"{quote_untrusted('contribution_rules', shown, _SHOWN)}\n"
            'Where it refuses them, submit the route "refused" at once, with the sentence that'
            " does, word for word, as summary. Conditions are no refusal: quote them in the steps."
        )

    def find(self, quote: str) -> str:
        """The file and its whole sentence that holds a quote; nothing where none does."""
        wanted = _plain(quote).strip(_QUOTES).rstrip(".!?")
        if len(wanted) < _SHORTEST:
            return ""
        for name, text in self.paragraphs:
            plain = _plain(text)
            if (at := plain.find(wanted)) >= 0:
                sentence = _around(plain, at, at + len(wanted))
                cut = sentence if len(sentence) <= _LONGEST else wanted[:_LONGEST]
                return f"{name}: \u201c{cut}\u201d"
        return ""


NO_RULES: Final = ContributionRules()


async def read_contribution_rules(sandbox: Sandbox, tree: str) -> ContributionRules:
    """The rules of a base, `tree` being the id of its tree."""
    names = await list_base_files(sandbox, tree, _LIST, 4 * _MAX_LISTED)
    policies = [name for name in names if _POLICY.fullmatch(name)]
    guides = [name for name in names if _GUIDE.fullmatch(name) and name not in policies]
    wanted = [*policies, *guides][:_MOST_FILES]
    if not wanted:
        return NO_RULES
    files, _ = await read_base_files(sandbox, tree, wanted, max_bytes=_MAX_BYTES)
    return await asyncio.to_thread(_collect, files, frozenset(policies))


def _collect(files: Sequence[tuple[str, str]], policies: frozenset[str]) -> ContributionRules:
    found = [
        (name, part) for name, content in files for part in _parts(content, whole=name in policies)
    ]
    return ContributionRules(tuple(dict.fromkeys(found)))


def _parts(content: str, *, whole: bool) -> Iterator[str]:
    """Paragraphs about generated contributions, the heading above before them; `whole`: all."""
    heading, about = "", False
    text = _HEADING.sub(r"\n\1\n\n", content.replace("\r\n", "\n"))
    for block in filter(None, map(str.strip, re.split(r"\n[ \t]*\n", text))):
        if len(block) <= _LONGEST_HEADING and _HEADING.fullmatch(block):
            heading, about = block, bool(_ABOUT.search(block))
        elif whole or about or _ABOUT.search(block):
            yield from filter(None, (heading, block))


def _plain(text: str) -> str:
    """The words of a text on one line, without markup."""
    return " ".join(_MARKUP.sub("", text).split())


def _around(text: str, begin: int, end: int) -> str:
    """The whole sentences that hold a part of a text."""
    before = [each.end() for each in _END.finditer(text, 0, begin)]
    after = _END.search(text, max(begin, end - 1))
    return text[before[-1] if before else 0 : after.end() if after else len(text)].strip()
