"""Errors of a role that did not come to an answer."""

from graph.errors.base import CodingAgentError


class RoleError(CodingAgentError):
    """Raised when a role did not come to an answer."""

    code = "role_error"


class RoleTurnLimit(RoleError):
    """Raised when a role used all its turns."""

    code = "role_turn_limit"
    default_hint = "Ask for less in one run, or resume it."


class RoleNoAnswer(RoleError):
    """Raised when a role's answer does not fit its form, asked again too."""

    code = "role_no_answer"
    default_hint = "Resume the run, or use another model."


class RoleInCircles(RoleError):
    """Raised when a role does the same again and again, told that it does so too."""

    code = "role_in_circles"


class RoleSuperseded(RoleError):
    """Raised when a newer call of the same run took over from this one."""

    code = "role_superseded"
    default_hint = "Nothing to do: the newer call goes on."


class RoleLost(RoleError):
    """Raised when what played a role elsewhere ended again and again without an answer."""

    code = "role_lost"
    default_hint = "See the log of the role's function, then resume the run."


class SecretInChange(RoleError):
    """Raised when a change holds the Claude key."""

    code = "secret_in_change"
    default_hint = "Change the key: the repository or its tools have printed it."


class PriceUnknown(RoleError):
    """Raised when a model has no known price and no token limit is set."""

    code = "price_unknown"
    default_hint = "Set CODING_AGENT_MAX_TOKENS, or use a model with a known price."
