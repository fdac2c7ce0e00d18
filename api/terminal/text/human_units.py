"""Durations, money and counts as people read them."""

from datetime import datetime

from graph import format_usd


def duration(seconds: float) -> str:
    """`0.4 s`, `12 s`, `3m 05s`, `2h 14m`."""
    if seconds < 9.95:
        return f"{max(seconds, 0.0):.1f} s"
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}m {rest:02d}s"
    return f"{minutes // 60}h {minutes % 60:02d}m"


def age(seconds: float) -> str:
    """A time in the largest unit that fits."""
    for unit, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= unit:
            return f"{int(seconds // unit)} {name}"
    return "now"


def count(number: float) -> str:
    """`812`, `12.4k`, `3.1M`."""
    if number < 1000:
        return f"{number:.0f}"
    if number < 999_500:
        return f"{number / 1000:.1f}k"
    return f"{number / 1_000_000:.1f}M"


def money(usd: float | None) -> str:
    """US dollars; None: a model without a known price ran."""
    return "cost unknown" if usd is None else format_usd(usd)


def plural(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def seconds_of(time: str) -> float | None:
    """RFC 3339 as Unix seconds; None where it is none."""
    try:
        return datetime.fromisoformat(time).timestamp()
    except (ValueError, OverflowError):
        return None
