"""What text we take from outside, and small helpers on it."""

import re
import unicodedata

from models.errors import Invalid

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
KEY = re.compile(r"[a-z][a-z0-9_-]{0,31}")
"""The shape of an agent's key, a person's handle and a project's key."""

_JOINERS = "\u200c\u200d"
"""They shape letters of some scripts, and join emoji: the only invisible characters that a name may need."""
_BLANKS = "\u115f\u1160\u2800\u3164\uffa0"
"""Letters and signs by their category that nobody sees."""
_SELECTORS = "\u034f\u17b4\u17b5\u180b\u180c\u180d\u180f" + "".join(map(chr, range(0xFE00, 0xFE10)))
"""Marks that only say how the character before them looks."""
_TAGS = "\U000e0000"
"""Where the plane of tags begins, which nobody sees either."""


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
    if shortest and not any(map(_visible, text)):
        raise invalid(field, "must hold something that can be seen")
    return text


def clean_name(text: object, field: str = "name", *, longest: int = 80, shortest: int = 1) -> str:
    """`clean`, for what stands among other words: it hides nothing, stays in its line, turns no other text.

    Names are also told to agents, beside their instructions.
    """
    text = clean(text, field, longest=longest, shortest=shortest).strip()
    if any(_hidden(char) for char in text):
        raise invalid(field, "must be one line, without control characters and hidden ones")
    return text


def one_line(text: str) -> str:
    """What was named before that was asked: the same, with a space for each thing that is refused now."""
    if not text.isprintable() or max(text, default="") >= _TAGS:  # else none can be in it
        text = "".join(" " if _hidden(char) else char for char in text)
    return " ".join(text.split())


def _visible(char: str) -> bool:
    kind = unicodedata.category(char)
    # An emoji that is newer than Python's tables is not assigned there; plane 14 is all invisible.
    seen = kind[0] in "LMNPS" or kind in ("Cn", "Co")
    return seen and char not in _BLANKS and char not in _SELECTORS and not _tag(char)


def _hidden(char: str) -> bool:
    return (unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp") and char not in _JOINERS) or _tag(char)


def _tag(char: str) -> bool:
    return _TAGS <= char <= "\U000effff"


def file_size(count: int) -> str:
    """A number of bytes as people say it."""
    if count < 1000:
        return f"{count} B"
    if count < 1000 << 10:
        return f"{max(count >> 10, 1)} KB"
    return f"{count / (1 << 20):.1f}".removesuffix(".0") + " MB"


def told(text: str, longest: int = 2000) -> str:
    """What the world or a program said, as both databases can hold it; a cut is marked."""
    text = text.replace("\0", "").encode("utf-8", "replace").decode()
    return text if len(text) <= longest else f"{text[:longest]}… (cut off here)"


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
