"""The bash script that runs a command with services beside it, and ends them with it."""

import shlex
from collections.abc import Iterable
from typing import Final

from graph import LACKS_SERVICE, Service
from sandbox.core.shell_command import LONGEST_WORD

UNAVAILABLE: Final = 127
"""The exit code of what cannot be started: a check that has it is unavailable, not failed."""

# One command of a tree at a time: services keep their data and ports in it. What is left of them is
# ended as everything that a command starts.
_SCRIPT: Final = f"""\
services="$HOME/.services"
mkdir -p "$services"
if command -v flock >/dev/null; then exec {{turn}}>"$services/turn"; flock "$turn"; fi
names=() pids=() signals=()
is_open() {{ (: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }}
tell() {{
  printf '{LACKS_SERVICE}%s %s. Its last lines:\\n' "$1" "$2" >&2
  tail -c 2000 "$services/$1.log" >&2
}}
give_up() {{
  tell "$1" "$2"
  if "$needed"; then stop; exit {UNAVAILABLE}; fi
  touch "$services/$1.failed"
}}
start() {{
  local name=$1 port=$2 ready=$5 begun=$SECONDS pid
  if ! "$needed" && [ -e "$services/$name.failed" ]; then
    printf '{LACKS_SERVICE}%s does not run: see %s\\n' "$name" "$services/$name.log" >&2
    return
  fi
  : >"$services/$name.log"
  if is_open "$port"; then give_up "$name" "cannot have its port $port, which is taken"; return; fi
  /bin/bash -c "$4" bash </dev/null >"$services/$name.log" 2>&1 &
  pid=$!
  names+=("$name") pids+=("$pid") signals+=("$3")
  until is_open "$port" && /bin/bash -c "$ready" bash </dev/null >/dev/null 2>&1; do
    if ! kill -0 "$pid" 2>/dev/null; then
      give_up "$name" "ended before its port $port was ready"; return
    elif [ $((SECONDS - begun)) -ge "$patience" ]; then
      give_up "$name" "did not have its port $port ready in $patience s"; return
    fi
    sleep 0.05
  done
  rm -f "$services/$name.failed"
}}
stop() {{
  local each tries=100
  for each in "${{!pids[@]}}"; do kill "-${{signals[each]}}" "${{pids[each]}}" 2>/dev/null; done
  for each in "${{pids[@]}}"; do
    while kill -0 "$each" 2>/dev/null && [ $((tries--)) -gt 0 ]; do sleep 0.05; done
    kill -KILL "$each" 2>/dev/null
  done
}}
finish() {{
  local code=$1 each
  for each in "${{!pids[@]}}"; do
    if [ "$code" != 0 ] && ! kill -0 "${{pids[each]}}" 2>/dev/null; then
      tell "${{names[each]}}" "ended while the command ran"
      if "$needed"; then code={UNAVAILABLE}; fi
    fi
  done
  stop
  exit "$code"
}}
"""


def with_services(
    command: str, services: Iterable[Service], *, needed: bool, patience_s: int = 60
) -> str:
    """The command, begun when the services are ready.

    Where one does not come up, or ends meanwhile, the exit code is `UNAVAILABLE` if it is `needed`;
    else that is only told.
    """
    starts = "".join(
        f"start {shlex.quote(each.name)} {each.port} {each.stop}"
        f" {shlex.quote(each.command)} {shlex.quote(each.ready)}\n"
        for each in services
    )
    text = shlex.quote(command)
    runs = f"/bin/bash -c {text} bash"
    if len(text) > LONGEST_WORD // 4:
        runs = f"/bin/bash <(printf %s {text})"
    head = f"needed={'true' if needed else 'false'} patience={patience_s}\n"
    return f"{head}{_SCRIPT}{starts}{runs}\nfinish $?\n"
