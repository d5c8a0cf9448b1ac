"""Presence: one truth of all processes, which outlives none of them."""

from typing import Any

from realtime.presence import ANNOUNCE_SECONDS, EXPIRES_SECONDS, Presence


class Process:
    """A Presence with a clock of its own and ears."""

    def __init__(self, name: str) -> None:
        self.now = 0.0
        self.told: list[list[str]] = []
        self.published: list[dict[str, Any]] = []
        self.presence = Presence(
            name, lambda said: self.told.append(said["online"]), self.published.append, lambda: self.now
        )

    def after(self, seconds: float) -> None:
        self.now += seconds
        self.presence.tick()


def test_two_pages_of_a_person_are_one_person_until_the_last_goes() -> None:
    process = Process("a")

    process.presence.arrive("p", "ada")
    process.presence.arrive("p", "ada")
    process.after(1)
    process.presence.leave("p", "ada")
    process.after(1)
    assert process.told == [["ada"]]

    process.presence.leave("p", "ada")
    process.after(1)

    assert process.told == [["ada"], []]


def test_a_page_that_reloads_within_a_tick_does_not_flicker() -> None:
    process = Process("a")
    process.presence.arrive("p", "ada")
    process.after(1)

    process.presence.leave("p", "ada")
    process.presence.arrive("p", "ada")
    process.after(1)

    assert [] not in process.told


def test_when_everybody_reloads_the_first_page_hears_of_the_last() -> None:
    process = Process("a")
    for name in ("ada", "bob"):
        process.presence.arrive("p", name)
    process.after(1)
    for name in ("ada", "bob"):
        process.presence.leave("p", name)

    process.presence.arrive("p", "ada")
    assert process.presence.online("p") == ["ada"]
    process.presence.arrive("p", "bob")
    process.after(1)

    assert process.told == [["ada", "bob"], ["ada", "bob"]]


def test_what_another_process_says_counts_until_it_falls_silent() -> None:
    a, b = Process("a"), Process("b")
    b.presence.arrive("p", "bob")
    b.after(1)

    a.presence.heard(b.published[-1])
    a.presence.arrive("p", "ada")
    a.after(1)
    a.after(EXPIRES_SECONDS)

    assert a.told == [["ada", "bob"], ["ada"]]


def test_a_process_says_again_that_it_is_there_and_at_the_end_that_it_is_not() -> None:
    process = Process("a")
    process.presence.arrive("p", "ada")
    for _ in range(ANNOUNCE_SECONDS + 1):
        process.after(1)
    assert [said["online"] for said in process.published] == [["ada"], ["ada"]]

    process.presence.close()

    assert process.published[-1] == {"process": "a", "project_id": "p", "online": []}


def test_what_is_no_announcement_is_not_heard() -> None:
    process = Process("a")

    for said in ({}, {"process": 1, "project_id": "p", "online": []}, {"project_id": "p", "online": "ada"}):
        process.presence.heard(said)
    process.presence.heard({"process": "b", "project_id": "p", "online": ["bob", 7, None]})

    assert process.presence.online("p") == ["bob"]


def test_nothing_is_kept_of_projects_where_nobody_is() -> None:
    process = Process("a")
    for number in range(100):
        process.presence.arrive(f"p{number}", "ada")
        process.presence.heard({"process": "b", "project_id": f"q{number}", "online": ["bob"]})
        process.presence.leave(f"p{number}", "ada")

    for _ in range(3):
        process.after(EXPIRES_SECONDS)

    held = (process.presence._here, process.presence._elsewhere, process.presence._told)
    assert [len(each) for each in held] == [0, 0, 0]
