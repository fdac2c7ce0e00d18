"""Many runs whose servers are killed, and whose Claude and forge fail; all must end well."""

from benchmarks.soak.soak import Plan, soak

__all__ = ["Plan", "soak"]
