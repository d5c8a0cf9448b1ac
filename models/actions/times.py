"""How often: the two ways in which a schedule is written."""

import re
from collections.abc import Sequence
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_EVERY = re.compile(r"([1-9]\d{0,3})([mhd])")
_PART = re.compile(r"(\*|(\d+)(?:-(\d+))?)(?:/(\d+))?")
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
_FIELDS: tuple[tuple[str, int, int, Sequence[str]], ...] = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of the month", 1, 31, ()),
    ("month", 1, 12, ("", *_MONTHS)),
    ("day of the week", 0, 7, _DAYS),
)


def every(text: str) -> str:
    """As `15m`, `6h` or `1d`; ValueError for anything else."""
    if not _EVERY.fullmatch(text):
        raise ValueError("must be a number and m, h or d, as in 15m")
    return text


def cron(text: str) -> str:
    """Five fields, as in `0 9 * * mon-fri`; ValueError says which one is wrong."""
    fields = text.split(" ")
    if len(fields) != len(_FIELDS):
        raise ValueError("must have five fields: minute, hour, day, month, day of the week")
    for field, (name, lowest, highest, words) in zip(fields, _FIELDS, strict=True):
        if not all(_fits(part, lowest, highest, words) for part in field.split(",")):
            raise ValueError(f"has a {name} that cannot be: {field}")
    return text


def _fits(part: str, lowest: int, highest: int, words: Sequence[str]) -> bool:
    for number, word in enumerate(words):
        if word:
            part = re.sub(rf"\b{word}\b", str(number), part.lower())
    found = _PART.fullmatch(part)
    if found is None or found[4] == "0":
        return False
    first, last = found[2], found[3] or found[2]
    return first is None or lowest <= int(first) <= int(last) <= highest


def zone(name: str) -> str:
    """A name of the IANA list, as Europe/Berlin."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("must be a time zone, as Europe/Berlin") from None
    return name
