"""Passwords that are tried first: a few common words, runs, keyboard rows and repeats, however decorated."""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

FEWEST_CHARACTERS = 5
"""Different ones, that is."""
PIECES = 2
"""A password of so few common pieces is found within minutes."""
SHORTEST_RUN = 3
LONGEST_UNIT = 6
"""Repeating something so short adds nothing to it."""

_WORDS = frozenset((Path(__file__).parent / "common_words.txt").read_text().split())
_LENGTHS = sorted({len(word) for word in _WORDS})
_ROWS = (
    *("1234567890", "abcdefghijklmnopqrstuvwxyz"),
    *("qwertyuiop", "qwertzuiop", "azertyuiop", "asdfghjkl", "zxcvbnm", "yxcvbnm"),
    *("1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p", "qazwsxedcrfvtgbyhnujmikolp"),
    *("q1w2e3r4t5y6u7i8o9p0", "1q2w3e4r5t6y7u8i9o0p"),
    *("zaqwsxcderfvbgtyhnmjuik", "qazxswedcvfrtgbnhyujmki"),
)
# Once around, and backwards.
_LINES = [line for row in _ROWS for line in (row * 2, (row * 2)[::-1])]
_TAIL = re.compile(r"[^a-z]{0,3}")
_NUMBER = re.compile(r"[0-9]{1,4}")
_SPACES = re.compile(r"[\s_.-]+")
_UNDISGUISED = [str.maketrans("01345@78$!+", f"o{one}easatbsit") for one in "il"]


def guessable(password: str) -> bool:
    """Whether it is one of those that are tried first."""
    plain = _SPACES.sub("", password.lower()) or password
    unit = plain[: (plain + plain).index(plain, 1)]
    return (
        len(set(plain)) < FEWEST_CHARACTERS
        or (unit != plain and len(unit) <= LONGEST_UNIT)
        or _pieces(unit) <= PIECES
    )


def _pieces(text: str) -> int:
    """Of how many common pieces `text` can be put together; what is put on at its end comes free."""
    spellings = {text, *(text.translate(table) for table in _UNDISGUISED)}

    @cache
    def rest(at: int, last: str) -> int:
        if _TAIL.fullmatch(text, at):
            return 0
        pieces = {*_words_at(spellings, at), *_runs_at(text, at)}
        return min(((piece != last) + rest(at + len(piece), piece) for piece in pieces), default=len(text))

    return rest(0, "")


def _words_at(spellings: Iterable[str], at: int) -> Iterator[str]:
    for text in spellings:
        for length in _LENGTHS:
            if text[at : at + length] in _WORDS and at + length <= len(text):
                yield text[at : at + length]


def _runs_at(text: str, at: int) -> Iterator[str]:
    for end in range(at + SHORTEST_RUN, len(text) + 1):
        piece = text[at:end]
        if len(set(piece)) > 1 and not any(piece in line for line in _LINES):
            break
        yield piece
    if number := _NUMBER.match(text, at):
        yield number[0]
