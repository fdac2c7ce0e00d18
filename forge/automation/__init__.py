"""The repository's own automation: workflows that a push or pull request starts."""
