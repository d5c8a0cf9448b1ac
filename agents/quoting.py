"""Text from people, agents and tools as data: between two lines that the text cannot forge."""

import re
import secrets

from models.text import one_line

LIMIT = 16_000
TAIL = 4_000
FENCE = re.compile(
    r"^\[data (?P<code>[0-9a-f]{16}) (?P<source>[^\]\n]*)\]\n(?P<text>.*?)\n\[/data (?P=code)\]$",
    re.DOTALL | re.MULTILINE,
)


def boundary() -> str:
    """A code that nobody who wrote the quoted text can know."""
    return secrets.token_hex(8)


def quote(text: str, source: str, code: str | None = None) -> str:
    """The text as data with its source, for instance `quote(rows, "search_messages")`."""
    code = code or boundary()
    return f"[data {code} {plain(source)}]\n{text.replace(code, '')}\n[/data {code}]"


def first_quote(text: str) -> str | None:
    """What the first quote in the text holds; None when there is none."""
    found = FENCE.search(text)
    return found["text"] if found else None


def last_quote(text: str) -> str | None:
    """What the last quote in the text holds; None when there is none."""
    quotes = list(FENCE.finditer(text))
    return quotes[-1]["text"] if quotes else None


def plain(label: str) -> str:
    """A label that cannot leave its line or its bracket, nor say what nobody sees."""
    return one_line(re.sub(r"[\[\]]+", " ", label))


def capped(text: str, limit: int = LIMIT, tail: int = TAIL) -> str:
    """The text, or its head and tail when it is longer than the limit."""
    if len(text) <= limit:
        return text
    head = text[: limit - tail]
    left_out = len(text) - limit
    return f"{head}\n[… {left_out} characters left out …]\n{text[-tail:]}"


def storable(text: str) -> str:
    """The text without what a database refuses: NUL and halves of surrogate pairs."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()
