"""Numbers that the address of a page may hold."""

from flask import request

from webapp.schemas import LAST_SEQ


def number(name: str) -> int | None:
    """The number of this name; what is none counts as not given."""
    text = request.args.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        return None
    return min(int(text), LAST_SEQ)
