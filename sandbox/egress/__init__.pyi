from .suggest_hosts import try_hosts as try_hosts
