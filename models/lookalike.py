"""Names that can be taken for others: what a card says, so that nobody approves one and means another."""

import re
import unicodedata

_ALIKE = ("Armenian", "Cherokee", "Coptic", "Cyrillic", "Greek")
"""Alphabets with letters that look like Latin ones; in one word with those they are a trap (UTS 39, 5.2)."""
_WORD = re.compile(r"[^\W\d_]+")


def mistakable(name: str) -> bool:
    """Whether a word of it mixes such alphabets, or an accent stands apart from its letter."""
    mixed = any(len(_alphabets(word)) > 1 for word in _WORD.findall(name))
    return mixed or not unicodedata.is_normalized("NFC", name)


def told_apart(name: str) -> str:
    """The sentences that follow a name, to tell it from one that looks the same; mostly none."""
    foreign = [alphabet for alphabet in _alphabets(name) if alphabet in _ALIKE]
    letters = f" The name has {' and '.join(foreign)} letters." if foreign else ""
    apart = (
        ""
        if unicodedata.is_normalized("NFC", name)
        else " In the name, accents stand apart from their letters."
    )
    return letters + apart


def _alphabets(text: str) -> list[str]:
    found = {unicodedata.name(char, "").partition(" ")[0].title() for char in text}
    return [alphabet for alphabet in (*_ALIKE, "Latin") if alphabet in found]
