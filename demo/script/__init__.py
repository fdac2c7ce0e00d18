"""The script of the demo: sample repository, story, replayed replies."""
