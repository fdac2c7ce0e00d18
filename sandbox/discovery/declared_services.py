"""`services` of `.coding-agent.toml`: what runs beside checks, from what is installed."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Final

from graph import Service

_MOST: Final = 8
_LONGEST_COMMAND: Final = 4000
_LOWEST_PORT, _HIGHEST_PORT = 1024, 65535

# The data stays with the tree: a command finds what those before it made. What makes writing safe
# against a loss of power is off.
_POSTGRES_PATH: Final = """\
for bin in /usr/lib/postgresql/*/bin /usr/pgsql-*/bin; do PATH="$PATH:$bin"; done
"""
_POSTGRES: Final = f"""\
{_POSTGRES_PATH}data="$HOME/.services/postgres"
for program in initdb postgres; do
  command -v "$program" >/dev/null || {{ echo "$program is not installed" >&2; exit 127; }}
done
if [ ! -e "$data/ready" ]; then
  rm -rf "$data"
  initdb -D "$data" -U postgres --auth=trust --no-sync --no-locale -E UTF8 || exit 1
  touch "$data/ready"
fi
rm -f "$data/postmaster.pid"
exec postgres -D "$data" -h 127.0.0.1 -p 5432 -k "$data" -c fsync=off -c full_page_writes=off \\
  -c synchronous_commit=off
"""
# Its port is open while it still recovers from an end by force, and refuses every client.
_POSTGRES_READY: Final = f"""\
{_POSTGRES_PATH}command -v pg_isready >/dev/null || exit 0
pg_isready -q -h 127.0.0.1 -p 5432
"""
_REDIS: Final = """\
mkdir -p "$HOME/.services/redis"
server=$(command -v redis-server || command -v valkey-server) ||
  { echo "redis-server is not installed" >&2; exit 127; }
exec "$server" --bind 127.0.0.1 --port 6379 --dir "$HOME/.services/redis" --save "" --appendonly no
"""
_POSTGRES_URL: Final = "postgresql://postgres:postgres@127.0.0.1:5432/postgres"
_KNOWN: Final[Mapping[str, tuple[Service, Mapping[str, str]]]] = {
    "postgres": (
        Service(name="postgres", command=_POSTGRES, port=5432, ready=_POSTGRES_READY, stop="INT"),
        {
            "DATABASE_URL": _POSTGRES_URL,
            "PGHOST": "127.0.0.1",
            "PGPORT": "5432",
            "PGUSER": "postgres",
            "PGPASSWORD": "postgres",
            "PGDATABASE": "postgres",
        },
    ),
    "redis": (
        Service(name="redis", command=_REDIS, port=6379),
        {"REDIS_URL": "redis://127.0.0.1:6379/0"},
    ),
}
"""Each with the variables by which clients know it."""


_IMAGES: Final = {
    "postgres": "postgres",
    "postgis": "postgres",
    "pgvector": "postgres",
    "redis": "redis",
    "valkey": "redis",
}
"""By the last part of an image's name, the service that stands in for it."""


def suggested_lines(images: Iterable[str]) -> tuple[str, ...]:
    """The line of `.coding-agent.toml` that has those services of images that we know."""
    names = dict.fromkeys(name for image in images if (name := _known_as(image)))
    return (f"services = {json.dumps(list(names))}",) if names else ()


def line_for(image: str) -> str:
    """The line of `.coding-agent.toml` that has the service of an image run beside checks."""
    known = _known_as(image)
    return f'services = ["{known}"]' if known else 'services = [{command = "…", port = …}]'


def _known_as(image: str) -> str | None:
    return _IMAGES.get(re.split(r"[:@]", image.rpartition("/")[2])[0])


def read_services(value: object) -> tuple[tuple[Service, ...], dict[str, str], list[str]]:
    """The services, the variables that tell of them, and what is left out, as sentences' ends."""
    if not isinstance(value, list) or len(value) > _MOST:
        return (), {}, [f"`services` is left out: it must be a list of at most {_MOST}."]
    services: list[Service] = []
    variables: dict[str, str] = {}
    notes: list[str] = []
    for number, one in enumerate(value, start=1):
        service, told = _KNOWN.get(one, (None, {})) if isinstance(one, str) else (_own(one), {})
        if service is None:
            notes.append(
                f"`services`: entry {number} is left out: it must be `postgres`, `redis` or"
                f' `{{command = "…", port = {_LOWEST_PORT} to {_HIGHEST_PORT}}}`.'
            )
        elif any(service.port == other.port for other in services):
            notes.append(f"`services`: port {service.port} is asked for twice.")
        else:
            services.append(service)
            variables |= told
    return tuple(services), variables, notes


def _own(value: object) -> Service | None:
    match value:
        case {"command": str() as command, "port": int() as port, **more} if not more:
            fits = "\0" not in command and len(command) <= _LONGEST_COMMAND
            if command.strip() and fits and _LOWEST_PORT <= port <= _HIGHEST_PORT:
                return Service(name=f"port-{port}", command=command, port=port)
    return None
