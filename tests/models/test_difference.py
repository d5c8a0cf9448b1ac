"""Comparing texts: nothing is lost, little is said to have changed, and no text takes long."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import difference
from models.difference import Line, compare, hunks, side_by_side, unified

TEXTS = st.lists(st.sampled_from(["a", "b", "c", "", "a\r"]), max_size=12).map("\n".join)


def side(lines: list[Line], without: str) -> str:
    return "\n".join(line.text for line in lines if line.sign != without)


def longest_common(a: list[str], b: list[str]) -> int:
    """By the table that everybody knows."""
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            table[i + 1][j + 1] = table[i][j] + 1 if x == y else max(table[i][j + 1], table[i + 1][j])
    return table[-1][-1]


@settings(deadline=None)
@given(TEXTS, TEXTS)
def test_both_texts_can_be_read_from_it_and_no_less_could_change(old: str, new: str) -> None:
    lines = compare(old, new)

    assert (side(lines, "+"), side(lines, "-")) == (old, new)
    stays = sum(line.sign == " " for line in lines)
    assert stays == longest_common(old.split("\n"), new.split("\n"))
    assert [line.old for line in lines if line.old] == list(range(1, old.count("\n") + 2))
    assert [line.new for line in lines if line.new] == list(range(1, new.count("\n") + 2))


def test_what_differs_stands_among_three_lines_of_what_does_not() -> None:
    old = "\n".join(map(str, range(20)))
    new = old.replace("\n10\n", "\nten\n") + "\n20"

    assert unified(old, new) == [
        "@@ -8,7 +8,7 @@", " 7", " 8", " 9", "-10", "+ten", " 11", " 12", " 13",
        "@@ -18,3 +18,4 @@", " 17", " 18", " 19", "+20",
    ]  # fmt: skip
    assert unified(old, old) == []


def test_the_end_of_a_line_is_a_difference() -> None:
    assert unified("a\n", "a\r\n") == ["@@ -1,2 +1,2 @@", "-a", "+a\r", " "]


def test_what_would_fill_a_page_for_ever_is_not_compared() -> None:
    assert unified("\n" * 9_000, "\n" * 1_001) == ["@@ too long to compare: 9,001 lines become 1,002 @@"]
    assert unified("\n" * 9_000, "\n" * 1_000)[0].startswith("@@ -")


def test_what_goes_stands_beside_what_comes() -> None:
    [hunk] = hunks(compare("one\ntwo\nthree", "one\n2\n2b\nthree"))

    shown = [(old and old.text, new and new.text) for old, new in side_by_side(hunk)]

    assert shown == [("one", "one"), ("two", "2"), (None, "2b"), ("three", "three")]


def numbered(step: int, modulo: int) -> str:
    return "\n".join(str(each * step % modulo) for each in range(20_000))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (numbered(1, 10**6), numbered(-1, 10**6)),
        (numbered(1, 7), numbered(3, 11)),
        ("a\n" * 30_000, "a\nb\n" * 15_000),
        (numbered(7919, 101), numbered(104_729, 103)),
        ("x" * 60_000, "x" * 59_999 + "y"),
    ],
)
def test_no_text_takes_long(old: str, new: str) -> None:
    began = time.process_time()
    lines = compare(old, new)

    assert time.process_time() - began < 2
    assert (side(lines, "+"), side(lines, "-")) == (old, new)


def test_a_search_that_costs_too_much_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: it is the limit that keeps the time short, and what it leaves is still true."""
    monkeypatch.setattr(difference, "STEPS", 10)
    old, new = f"same\nx\n{numbered(1, 7)}\nsame", f"same\n{numbered(3, 11)}\nalso\nsame"

    lines = compare(old, new)

    assert sum(line.sign == " " for line in lines) == 2
    assert (side(lines, "+"), side(lines, "-")) == (old, new)
