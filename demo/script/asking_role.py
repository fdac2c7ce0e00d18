"""Which role a request of the Messages API comes from, and the tool that ends it."""

from collections.abc import Iterator
from typing import Any

from demo.script.reply_stream import Block, tool_use
from graph import RoleName
from roles import ROLES
from roles.conversation import TAKEN


def find_role(request: dict[str, Any]) -> RoleName | None:
    """The role whose prompt it has, and whose instructions came last."""
    system = text_of(request.get("system") or "")
    asking = [name for name, role in ROLES.items() if role.spec.system == system]
    if len(asking) < 2:
        return asking[0] if asking else None
    for said in reversed([*_user_texts(request)]):
        for name in asking:
            if ROLES[name].spec.instructions in said:
                return name
    return None


def own_messages(request: dict[str, Any]) -> list[dict[str, Any]]:
    """What was said since the newest role call of a conversation began."""
    messages: list[dict[str, Any]] = request["messages"]
    ends = [number for number, said in enumerate(messages) if _ends_a_role(said)]
    return messages[ends[-1] if ends else 0 :]


def count_replies(request: dict[str, Any]) -> int:
    """Replies of the role call that asks."""
    return sum(message["role"] == "assistant" for message in own_messages(request))


def submit(**fields: Any) -> Block:
    """The call that ends the role whose form has all these fields; those left out are empty."""
    for role in ROLES.values():
        schema = role.spec.answer.definition["input_schema"]["properties"]
        if fields.keys() <= schema.keys():
            empty = {name: _EMPTY.get(part.get("type"), "") for name, part in schema.items()}
            return tool_use(role.spec.answer.name, empty | fields)
    raise ValueError(f"no role ends with {', '.join(fields)}")


_EMPTY: dict[Any, Any] = {"array": [], "boolean": True}


def text_of(content: Any) -> str:
    """All texts of a message's content."""
    if isinstance(content, str):
        return content
    return "\n".join(str(block.get("text", "")) for block in content)


def _ends_a_role(message: dict[str, Any]) -> bool:
    blocks = message["content"] if isinstance(message["content"], list) else ()
    return any(b["type"] == "tool_result" and b.get("content") == TAKEN for b in blocks)


def _user_texts(request: dict[str, Any]) -> Iterator[str]:
    for message in request["messages"]:
        if message["role"] == "user":
            yield text_of(message["content"])
