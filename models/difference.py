"""What differs between two texts, line by line, in a time that no text can stretch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile, zip_longest

STEPS = 200_000
"""What a comparison may cost, about 0.1 s: over 600 changed lines, after which all of them are changed."""
LINES = 10_000
"""Of two longer texts no comparison is shown: a page of so many lines would hold up everybody else."""
CONTEXT = 3
"""How many lines stay around a change."""

Pairs = list[tuple[int, int]]


@dataclass(frozen=True)
class Line:
    """A line that stays (` `), goes (`-`) or comes (`+`), with its numbers from 1 on either side."""

    sign: str
    text: str
    old: int | None
    new: int | None


def too_long(old: str, new: str) -> bool:
    return old.count("\n") + new.count("\n") > LINES


def compare(old: str, new: str) -> list[Line]:
    """Every line of both, in order; what goes stands before what comes in its place.

    Only a line feed ends a line: another end of line is a difference that shows.
    """
    before, after = old.split("\n"), new.split("\n")
    lines: list[Line] = []
    x = y = 0
    for x2, y2 in [*_kept(before, after), (len(before), len(after))]:
        lines += [Line("-", before[at], at + 1, None) for at in range(x, x2)]
        lines += [Line("+", after[at], None, at + 1) for at in range(y, y2)]
        if x2 < len(before):
            lines.append(Line(" ", before[x2], x2 + 1, y2 + 1))
        x, y = x2 + 1, y2 + 1
    return lines


def hunks(lines: Sequence[Line], context: int = CONTEXT) -> list[list[Line]]:
    """The changed lines with those around them; none when nothing changed."""
    near = {
        place + offset
        for place, line in enumerate(lines)
        if line.sign != " "
        for offset in range(-context, context + 1)
    }
    found: list[list[Line]] = []
    for place, line in enumerate(lines):
        if place in near:
            if not found or place - 1 not in near:
                found.append([])
            found[-1].append(line)
    return found


def side_by_side(hunk: Sequence[Line]) -> Iterator[tuple[Line | None, Line | None]]:
    """The rows of a hunk: what was, and what is in its place; None where one side has nothing."""
    gone: list[Line] = []
    came: list[Line] = []
    for line in hunk:
        if line.sign == "-":
            gone.append(line)
        elif line.sign == "+":
            came.append(line)
        else:
            yield from zip_longest(gone, came)
            yield line, line
            gone, came = [], []
    yield from zip_longest(gone, came)


def unified(old: str, new: str, context: int = CONTEXT) -> list[str]:
    """The lines of a unified diff, from its first `@@` on; none when nothing changed."""
    if too_long(old, new):
        before, after = (text.count("\n") + 1 for text in (old, new))
        return [f"@@ too long to compare: {before:,} lines become {after:,} @@"]
    return [
        text
        for hunk in hunks(compare(old, new), context)
        for text in (_head(hunk), *(f"{line.sign}{line.text}" for line in hunk))
    ]


def _head(hunk: Sequence[Line]) -> str:
    old = [line.old for line in hunk if line.old is not None]
    new = [line.new for line in hunk if line.new is not None]
    return f"@@ -{old[0] if old else 0},{len(old)} +{new[0] if new else 0},{len(new)} @@"


def _kept(before: list[str], after: list[str]) -> Pairs:
    """The places of the lines that stay, in both texts, in order."""
    numbers: dict[str, int] = {}  # so that a long line is compared once
    a, b = ([numbers.setdefault(line, len(numbers)) for line in lines] for lines in (before, after))
    head = _alike(a, b)
    tail = _alike(a[head:][::-1], b[head:][::-1])
    middle = _path(a[head : len(a) - tail], b[head : len(b) - tail])
    return [
        *((at, at) for at in range(head)),
        *((head + x, head + y) for x, y in middle),
        *((len(a) - tail + at, len(b) - tail + at) for at in range(tail)),
    ]


def _alike(a: list[int], b: list[int]) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False)))


def _path(a: list[int], b: list[int]) -> Pairs:
    """The longest that stays, by Myers' greedy search (An O(ND) Difference Algorithm, 1986).

    None of it once the search has cost STEPS: then all is said to have changed.
    """
    rows: list[list[int]] = []  # rows[d][i]: how far d changes lead on the diagonal 2i - d
    steps = 0
    while steps < STEPS:
        depth, row = len(rows), []
        for place in range(depth + 1):
            x = _begin(rows, place)[0]
            y = start = x - (2 * place - depth)
            while x < len(a) and y < len(b) and a[x] == b[y]:
                x, y = x + 1, y + 1
            row.append(x)
            steps += 1 + y - start
            if x >= len(a) and y >= len(b):
                return _back([*rows, row], place)
        rows.append(row)
    return []


def _begin(rows: list[list[int]], place: int) -> tuple[int, int]:
    """Where the next change leads on a diagonal, and the place in the last row it comes from."""
    if not rows:
        return 0, 0
    last = rows[-1]
    if place == 0 or (place < len(last) and last[place - 1] < last[place]):
        return last[place], place
    return last[place - 1] + 1, place - 1


def _back(rows: list[list[int]], place: int) -> Pairs:
    pairs: Pairs = []
    for depth in range(len(rows) - 1, -1, -1):
        start, came_from = _begin(rows[:depth], place)
        diagonal = 2 * place - depth
        pairs += [(x, x - diagonal) for x in range(rows[depth][place] - 1, start - 1, -1)]
        place = came_from
    return pairs[::-1]
