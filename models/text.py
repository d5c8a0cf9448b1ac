"""What text we take from outside, and small helpers on it."""

import re
import unicodedata

from models.errors import Invalid

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
KEY = re.compile(r"[a-z][a-z0-9_-]{0,31}")
"""The shape of an agent's key, a person's handle and a project's key."""


def clean(text: object, field: str, *, longest: int, shortest: int = 1) -> str:
    """`text` if both databases can hold it and its length in characters fits; else Invalid naming `field`."""
    if not isinstance(text, str):
        raise invalid(field, "must be text")
    if "\0" in text:
        raise invalid(field, "must not hold a NUL character")
    if _LONE_SURROGATE.search(text):
        raise invalid(field, "must be valid Unicode (it holds half of a surrogate pair)")
    if len(text) > longest:
        raise invalid(field, f"must be {longest:,} characters at most (this has {len(text):,})")
    if len(text.strip()) < shortest:
        raise invalid(
            field,
            "must not be empty" if shortest == 1 else f"must be {shortest} characters at least",
        )
    return text


def clean_key(text: object, field: str = "key") -> str:
    if not isinstance(text, str) or not KEY.fullmatch(text):
        raise invalid(field, "must be 1 to 32 of a-z, 0-9, - and _, and begin with a letter")
    return text


def invalid(field: str, why: str) -> Invalid:
    return Invalid(f"{field} {why}", fields={field: [why]})


def slug(name: str) -> str:
    """A key made of a name: ASCII, lower case, `x` where nothing is left."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-").lstrip("0123456789-")[:32] or "x"
