"""The trusted side of git and GitHub. The only holder of the GitHub token."""
