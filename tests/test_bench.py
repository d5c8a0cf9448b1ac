"""The benchmarks work and judge rightly; how fast we are is not asked here."""

import asyncio
import json
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from bench import report
from bench.__main__ import BENCHMARKS
from bench.measure import QUICK, Effort, Outcome, Row, at_least, at_most, interleaved, percentile, short
from bench.screens import Screen, nobody
from bench.servers import Stage, stage
from tests.support.forked import Forked

BRIEF = Effort(rounds=1, seconds=0.6, quick=True)


@pytest.fixture(scope="module")
def room() -> Iterator[Stage]:
    with stage(Forked) as room:
        yield room


@pytest.mark.parametrize("name", BENCHMARKS)
def test_each_benchmark_measures_both_sides(name: str, room: Stage) -> None:
    outcome = import_module(f"bench.{name}").run(room, BRIEF)

    assert any(row.goal for row in outcome.rows) or name == "fanout"
    assert all(row.ours > 0 for row in outcome.rows if "share" not in row.what)
    assert any(row.other for row in outcome.rows)
    assert outcome.notes


def test_a_quick_run_writes_nothing() -> None:
    assert QUICK.quick
    assert QUICK.scaled(full=1_000_000, quick=20) == 20
    assert Effort().scaled(full=1_000_000, quick=20) == 1_000_000


def test_a_percentile_is_one_of_the_values() -> None:
    values = [float(number) for number in range(1, 101)]

    assert percentile(values, 0.5) == 50
    assert percentile(values, 0.95) == 95
    assert percentile([3.0, 1.0, 2.0], 1.0) == 3
    with pytest.raises(ValueError, match="nothing"):
        percentile([], 0.5)


def test_rounds_take_turns_and_answer_the_median() -> None:
    order: list[str] = []
    values = {"ours": iter([1.0, 9.0, 2.0]), "theirs": iter([5.0, 5.0, 5.0])}

    def subject(name: str) -> dict[str, float]:
        order.append(name)
        return {"ms": next(values[name])}

    found = interleaved({name: lambda name=name: subject(name) for name in values}, 3, say=lambda text: None)

    assert found == {"ours": {"ms": 2.0}, "theirs": {"ms": 5.0}}
    assert order == ["ours", "theirs", "theirs", "ours", "ours", "theirs"]


@pytest.mark.parametrize(
    ("row", "reached"),
    [
        (Row("posts/s", 61, 100, "the limit", at_least(0.6)), True),
        (Row("posts/s", 59, 100, "the limit", at_least(0.6)), False),
        (Row("p95 ms", 99, 10, "the limit", at_most(100, ratio=False)), True),
        (Row("p95 ms", 101, 1000, "the limit", at_most(100, ratio=False)), False),
        (Row("p95 ms", 101), None),
        (Row("a ratio to nothing", 101, goal=at_least(0.6)), False),
    ],
)
def test_a_goal_judges_the_ratio_or_the_figure(row: Row, reached: bool | None) -> None:
    assert row.reached is reached


def test_results_keep_what_other_benchmarks_found(tmp_path: Path) -> None:
    bad = Row("1,000 clients: deliveries/s", 1234.5, 2469, "Node", at_least(1.5))
    report.keep("fanout", Outcome("(a) Fan-out", [bad], ["A note."]), 3, tmp_path)
    report.keep("firstload", Outcome("(f) First load", [Row("KB", 77.91)], []), 1, tmp_path)

    text = (tmp_path / "RESULTS.md").read_text()

    assert "| 1,000 clients: deliveries/s | 1,234 | Node | 2,469 | 0.50 × | ≥ 1.5 × | **missed** |" in text
    assert "`python -m bench fanout`, 3 rounds" in text
    assert text.index("(a) Fan-out") < text.index("(f) First load")
    assert json.loads((tmp_path / "results.json").read_text())["firstload"]["rows"][0]["ours"] == 77.91


def test_figures_are_short() -> None:
    assert [short(value) for value in (1234567.8, 12.345, 0.04567, 3)] == ["1,234,568", "12.3", "0.0457", "3"]


def test_a_page_notices_a_gap_between_packets() -> None:
    async def follow() -> int:
        page = Screen(0, None, "project:1", nobody)  # type: ignore[arg-type]
        page.at = 5
        for first, last in ((5, 6), (6, 8), (9, 10)):
            page._follow({"from": first, "to": last})
        return page.gaps

    assert asyncio.run(follow()) == 1
