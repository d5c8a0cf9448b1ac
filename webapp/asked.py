"""Numbers and words that the address of a page may hold."""

from collections.abc import Collection

from flask import request

from webapp.schemas import LAST_SEQ


def number(name: str) -> int | None:
    """The number of this name; what is none counts as not given."""
    text = request.args.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        return None
    return min(int(text), LAST_SEQ)


def text(name: str, longest: int) -> str:
    """What stands under this name, cut to `longest` characters."""
    return request.args.get(name, "").strip()[:longest]


def one_of(name: str, known: Collection[str]) -> str:
    """One of these words; any other counts as not given."""
    word = request.args.get(name, "")
    return word if word in known else ""
