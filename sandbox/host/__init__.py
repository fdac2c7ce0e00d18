"""What this machine offers: cgroups, users, mounts, system-call filter, resource watching."""
