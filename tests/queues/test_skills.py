"""Checks of skills: made where skills run, beside all other work, and told by the mirror."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest
from flask import Flask

from models import ExecutorRequest, Skill, db, labs
from models.user import Membership
from queues import errands, requests
from queues.database import DatabaseThread
from tests.queues import acting
from tests.queues.crew import Crew
from tests.queues.test_requests import ended
from tests.support.processes import wait_until

SHIPPED = {"oasis-op", "ops-check", "qa-audit", "security-audit"}
NEEDS_JQ = """---
name: own
description: Needs jq. Use it in tests.
metadata: {"openclaw": {"requires": {"bins": ["jq"]}, "install": [{"kind": "brew"}]}}
---
"""


@pytest.fixture
def bin_folder(app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setattr("queues.skills.PATH", str(folder))
    monkeypatch.setitem(app.config, "WORKSPACES_FOLDER", str(tmp_path / "workspaces"))
    return folder


@pytest.fixture
def crew(crew: Crew, tmp_path: Path) -> Crew:
    labs.write(crew.project.id, {"skills": True})
    db.session.commit()
    own = tmp_path / "workspaces/oasis/skills/own"
    own.mkdir(parents=True)
    (own / "SKILL.md").write_text(NEEDS_JQ)
    return crew


def check(app: Flask, crew: Crew, by: UUID | None = None) -> ExecutorRequest:
    """Ask, and let an executor work it off."""
    request_id = ask(crew, by)
    work_off(app)
    return db.session.get_one(ExecutorRequest, request_id, populate_existing=True)


def ask(crew: Crew, by: UUID | None = None) -> UUID:
    request = Skill.ask_for(crew.project.id, by)
    db.session.commit()
    return request.id


def work_off(app: Flask, queue: str = "runs") -> None:
    database = DatabaseThread(app)
    asyncio.run(requests.work_off(database, queue))
    database.close()


def skills(crew: Crew) -> dict[str, Skill]:
    db.session.expire_all()
    found = {skill.key: skill for skill in Skill.of_project(crew.project.id)}
    db.session.rollback()
    return found


def test_shipped_ones_and_the_projects_own_are_found(app: Flask, crew: Crew, bin_folder: Path) -> None:
    request = check(app, crew, crew.mara.id)

    assert (request.status, request.result) == ("processed", {"skills": 5, "warnings": []})
    found = skills(crew)
    assert set(found) == SHIPPED | {"own"}
    own = found["own"]
    assert (own.source, own.status, own.missing["bins"], own.path) == (
        "project",
        "needs_setup",
        ["jq"],
        "skills/own",
    )
    assert own.setup_steps[0]["command"] == "sudo apt-get install jq"
    assert own.warnings == ["Way 1 to install it is left out: its formula is no name of a package"]
    assert len(own.revision) == 64
    assert own.checked_on


def test_what_was_installed_is_seen_by_the_next_check(app: Flask, crew: Crew, bin_folder: Path) -> None:
    check(app, crew)
    own = skills(crew)["own"]
    before = own.status, own.id, own.checked_at
    (bin_folder / "jq").write_text("#!/bin/sh\n")
    (bin_folder / "jq").chmod(0o755)

    check(app, crew)

    after = skills(crew)["own"]
    assert (before[0], after.status, after.id) == ("needs_setup", "ready", before[1])
    assert after.checked_at > before[2]


def test_a_variable_counts_when_skills_are_given_it(
    app: Flask, crew: Crew, bin_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs_token = NEEDS_JQ.replace('"bins": ["jq"]', '"env": ["TOKEN"]')
    (tmp_path / "workspaces/oasis/skills/own/SKILL.md").write_text(needs_token)
    monkeypatch.setenv("TOKEN", "of the worker alone")
    check(app, crew)
    assert skills(crew)["own"].missing["env"] == ["TOKEN"]

    monkeypatch.setitem(app.config, "SKILL_ENVIRONMENT", {"TOKEN": "given"})
    check(app, crew)

    assert skills(crew)["own"].status == "ready"


def test_the_worker_of_answers_does_not_take_it(app: Flask, crew: Crew, bin_folder: Path) -> None:
    ask(crew)

    work_off(app, "chat")

    assert skills(crew) == {}


@pytest.mark.parametrize("lost", ["the flag", "the project", "the right"])
def test_what_changed_while_it_waited_is_looked_at_again(
    app: Flask, crew: Crew, bin_folder: Path, lost: str
) -> None:
    request_id = ask(crew, crew.mara.id)
    if lost == "the flag":
        labs.write(crew.project.id, {"skills": False})
    elif lost == "the project":
        crew.project.archive()
    else:
        membership = Membership.of(crew.project.id, crew.mara.id)
        assert membership
        membership.role = "member"
    db.session.commit()

    work_off(app)

    assert db.session.get_one(ExecutorRequest, request_id, populate_existing=True).status == "failed"
    assert skills(crew) == {}


def test_a_worker_looks_when_it_starts_and_when_it_is_asked(
    app: Flask, crew: Crew, bin_folder: Path, act: Callable[..., acting.Running]
) -> None:
    act(WORKSPACES_FOLDER=app.config["WORKSPACES_FOLDER"])
    wait_until(lambda: set(skills(crew)) == SHIPPED | {"own"}, what="the first look")
    (bin_folder / "jq").write_text("#!/bin/sh\n")
    (bin_folder / "jq").chmod(0o755)

    request_id = ask(crew, crew.mara.id)

    assert ended(request_id).status == "processed"
    assert skills(crew)["own"].status == "ready"


def test_a_slow_disk_holds_up_no_other_work(
    crew: Crew,
    act: Callable[..., acting.Running],
    office: acting.Office,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also what the worker asked for itself, at its start."""
    slow = threading.Event()
    monkeypatch.setattr("agents.skills.catalogue.read", lambda *given: slow.wait(60))
    act()

    try:
        proposal_id, _ = office.approved()
        office.wait(proposal_id)
    finally:
        slow.set()


def test_nothing_is_asked_for_at_the_start_of_the_worker_of_answers() -> None:
    assert set(errands.AT_START) == {"runs"}
