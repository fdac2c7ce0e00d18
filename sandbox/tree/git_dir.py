"""The git directories inside a sandbox: made by hand, with the base's objects borrowed."""

from shlex import quote

from graph import Base
from sandbox.core.protocol import BASE_OBJECTS

IGNORED_BY_SETUP = '"$HOME"/.config/git/ignore'
"""Where git looks for ignored names outside a repository: what set-up made is listed there."""

# `?` stands for a line break.
NAME_AS_PATTERN = r"s/[][*?\\]/\\&/g; s/\n/?/g; s/ $/\\ /; s/^/\//"
"""For `sed -z`: a name of any bytes becomes a pattern of git that matches this path alone."""

# What is in a work tree is byte for byte what is in git, whatever the repository's attributes say.
_ATTRIBUTES = "* -text -ident -filter -merge !diff !eol -working-tree-encoding"
_CONFIG = """\
[core]
	repositoryformatversion = {version}
	filemode = true
	bare = false
	logallrefupdates = true
[user]
	name = Coding Agent
	email = coding-agent@localhost
[gc]
	auto = 0
[maintenance]
	auto = false
"""
_SHA256 = "[extensions]\n\tobjectformat = sha256\n"


def make_git_dir(folder: str, base: Base) -> str:
    """A script that makes the git directory `folder`, whose branch `work` is the base."""
    sha256 = len(base.sha) == 64
    config = _CONFIG.format(version=int(sha256)) + (_SHA256 if sha256 else "")
    return f"""\
mkdir -p {folder}/objects/info {folder}/objects/pack {folder}/refs/heads {folder}/info
echo {BASE_OBJECTS} > {folder}/objects/info/alternates
printf %s {quote(config)} > {folder}/config
echo {quote(_ATTRIBUTES)} > {folder}/info/attributes
echo {quote(base.sha)} > {folder}/refs/heads/work
echo ref: refs/heads/work > {folder}/HEAD
"""
