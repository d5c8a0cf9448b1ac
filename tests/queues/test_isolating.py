"""A worker finds out what holds commands, says so in its row, and starts without it, too."""

import asyncio
from collections.abc import Callable

import pytest
from flask import Flask

from models import Worker, db
from models.base import reading
from models.isolation import NONE, REFUSED, SENTENCES
from queues import isolating
from tests.queues import acting
from tests.support.processes import wait_until
from webapp import doctor

Act = Callable[..., acting.Running]
pytestmark = pytest.mark.databases("sqlite")


@pytest.fixture(autouse=True)
def anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolating, "_found", {})


def told() -> set[str]:
    """What healthy workers say of themselves; read in a transaction that holds nobody up."""
    with reading():
        found = Worker.isolations()
        db.session.rollback()
    return found


def test_what_works_is_told_by_the_workers_row_and_by_doctor(act: Act) -> None:
    running = act()
    wait_until(told, what="a beat")
    isolation = running.worker.turns.isolation
    name = isolation.name if isolation else REFUSED

    assert told() == {name}
    check = doctor.isolation()
    assert (check.ok, check.detail) == (name not in (NONE, REFUSED), SENTENCES[name])


@pytest.mark.parametrize(("setting", "name"), [("no", REFUSED), ("yes", NONE)])
def test_where_nothing_holds_nothing_runs_but_by_the_setting(
    act: Act, monkeypatch: pytest.MonkeyPatch, setting: str, name: str
) -> None:
    monkeypatch.setattr("agents.shell.probing.levels", list)
    running = act(SHELL_WITHOUT_ISOLATION=setting)
    wait_until(told, what="a beat")

    assert (running.worker.turns.isolation is None) == (name == REFUSED)
    check = doctor.isolation()
    assert (check.ok, check.detail, check.command) == (
        False, SENTENCES[name], "apt-get install bubblewrap"
    )  # fmt: skip


def test_a_folder_that_cannot_be_used_stops_no_worker(
    make_app: Callable[..., Flask],
    tmp_path,
    caplog: pytest.LogCaptureFixture,  # type: ignore[no-untyped-def]
) -> None:
    (tmp_path / "file").touch()

    assert asyncio.run(isolating.found(make_app(WORKSPACES_FOLDER=str(tmp_path / "file/none")))) is None
    assert "WORKSPACES_FOLDER cannot be used" in caplog.text


def test_it_is_tried_once(make_app: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch) -> None:
    app, tried = make_app(), []

    async def trying(folder: object, unisolated: bool) -> None:
        tried.append(folder)

    monkeypatch.setattr(isolating, "probe", trying)

    assert [asyncio.run(isolating.found(app)) for _ in range(3)] == [None] * 3
    assert len(tried) == 1
