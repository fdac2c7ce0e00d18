"""A Modal control plane on loopback, for tests that run the real client and real containers.

It speaks the client's own gRPC protocol (`modal_proto`, as the pinned `modal` ships it), so that
`modal deploy`, `modal run` and `modal serve` work unchanged, and what they deployed runs:
functions, generators, web functions, schedules, Volumes, Queues, Dicts and Sandboxes. No account,
no network, no image build. It needs bubblewrap and user namespaces;
`availability.need_containers` skips a test where they are missing, and fails it where `CI=true`.

    async with modal_plane() as plane, connected(plane):        # `connected`: this process's client
        plane.secrets.add("github-token", {"GITHUB_TOKEN": "x"})
        await deploy(plane, "deploy.py", folder=ROOT)           # `modal deploy`, as a command
        call = await modal.Function.from_name("app", "run").spawn.aio(run_id)
        await plane.preempt("run")                              # and it runs again elsewhere
        assert not plane.errors, "\\n".join(plane.errors)

The plane runs in the test's own event loop: call the client through `.aio` only, or in a process
of its own with `plane.env`. `modal_plane("langgraph.graph", ...)` names libraries that the
containers begin with, because a fork is cheaper than an import; `own=` names modules of the app.

What a test can do: `plane.preempt(function or task, hard=)`, `lose_sandbox(name)`,
`fire(function)` for a schedule, `scale(function, n)` for n containers that take turns,
`faults.fail(rpc, status)`, `faults.delay(rpc, seconds)` and `faults.holding(rpc)`,
`faults.latencies` and `scheduler.start_s` for what Modal's own calls and cold starts take,
`volumes.background = seconds` for commits at any moment, `queues.expire(name, partition)`,
`queues.ttl`, `dicts.expire(name, *keys)`, `calls.expire(id)`, `images.forget(id)`,
`sandboxes.most` and `scheduler.most` for the limits of containers, `web.limit` for the 150
seconds after which a web function that did not begin to answer sends its client elsewhere,
`function(name).idle` for how long a container stays warm. What it can look at: `function(name)`
with the definition that was deployed, `sandboxes.named(name)` with the request that made it,
`mounts.names`, `secrets.names`, `images.commands`, `volumes.named(name).files`, `faults.seen`
and `faults.calls`, and `report()`, which `report.py` adds to a failed test.

A function's container is the real `modal._container_entrypoint`, forked into a bubblewrap
container with a root of its own: the machine's programs and this interpreter read-only, the files
that the deployment added, Secrets, and a copy of each Volume. A commit brings the copy's changes
to the store, last writer wins by file; a reload brings the others'. A Sandbox is such a container
too, with its own process space, and commands enter it.

It can catch: a deployment that fails; local source that was not added to the image; a Secret that
is missing or goes to the wrong function; arguments, results and errors that do not pickle; a
missing `commit()` or `reload()`; a reload with a file open or a working folder inside; a commit
in the middle of a change; work that is not idempotent, when its input runs again; a generator
whose reader skips what it had seen; state that leaks between calls of a warm container; an old
container that lives on after a new deployment; a Queue or Dict over its limits or expired; a
Sandbox's exit code, output, input, time limits, name, loss and left-overs; access to Modal where
it was given up.

It does not cover: images (`apt_install`, `uv_pip_install` and `run_commands` are kept for
assertions, not run: the interpreter is the image), GPUs, regions, limits of processor, memory and
disk, `min_containers`, the clock of schedules, tunnels, `Cls`, memory snapshots, directory
snapshots, proxy authentication, custom domains, WebSockets, billing, the rate limits and the
capacity of a workspace, Volumes of version 1 from outside, and real cold starts. A domain
allow-list is kept, not enforced: a Sandbox's network is on or off. In a function only root exists,
in a Sandbox other users too where the tests are root's. An input whose containers fall five times
fails, where Modal goes on for ever; retries wait at most
50 ms. It is for tests: **nothing here isolates** a function from the machine's network, and how
Modal's own walls hold must be tried on Modal. An RPC that is not here answers `UNIMPLEMENTED:
<name>: not in the local plane`, and stands in `plane.errors`.
"""

from tests.modal_plane.client import connected, deploy, run
from tests.modal_plane.plane import Plane, modal_plane

__all__ = ["Plane", "connected", "deploy", "modal_plane", "run"]
