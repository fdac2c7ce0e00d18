from .suggest_hosts import proposed_hosts as proposed_hosts
from .suggest_hosts import resolve_hosts as resolve_hosts
from .suggest_hosts import try_hosts as try_hosts
