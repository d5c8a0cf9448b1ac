"""Documents as pages show them: rendered, and compared; each in a thread of its own when it is long."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from flask import current_app

from models.difference import Line, compare, side_by_side, too_long
from models.difference import hunks as changed
from models.hidden import hidden, made_visible
from models.markup import render
from webapp.kept import Recent

SHORT = 4000
"""Characters of a text on which work is quicker than a thread."""
KEPT = 200

Made = TypeVar("Made")

_rendered: Recent[str] = Recent(KEPT)


@dataclass(frozen=True)
class Hunk:
    """A part of a comparison: where it begins on either side, and its rows."""

    old: int
    new: int
    rows: list[tuple[Line | None, Line | None]]


def html_of(content: str, digest: str) -> str:
    """The document as safe HTML, with hidden characters written out. The same content is rendered once."""
    kept = _rendered.get(digest)
    if kept is None:
        kept = _beside(content, lambda: render(made_visible(content)).html)
        _rendered.put(digest, kept)
    return kept


def hidden_in(content: str) -> list[str]:
    """The numbers of characters that an editor cannot show."""
    return _beside(content, partial(hidden, content))


def hunks(old: str, new: str) -> list[Hunk] | None:
    """What differs, with hidden characters written out; empty when nothing does, None when it is too long."""
    if too_long(old, new):
        return None
    return _beside(old + new, lambda: [_hunk(lines) for lines in changed(compare(old, new))])


def _hunk(lines: list[Line]) -> Hunk:
    shown = [Line(line.sign, made_visible(line.text), line.old, line.new) for line in lines]
    old = next((line.old for line in lines if line.old is not None), 0)
    new = next((line.new for line in lines if line.new is not None), 0)
    return Hunk(old, new, list(side_by_side(shown)))


def _beside(text: str, work: Callable[[], Made]) -> Made:
    if len(text) <= SHORT:
        return work()
    made: Made = current_app.extensions["offload"](work)
    return made
