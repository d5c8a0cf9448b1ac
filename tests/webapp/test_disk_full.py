"""On a full disk: reading and signing in work, writing answers 507, and nothing breaks."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event, make_url

from models import Attachment
from models.base import new_id
from tests import factories
from tests.support.databases import Database
from tests.webapp.conftest import Site
from tests.webapp.test_sessions import sign_in
from webapp import ballast

pytestmark = pytest.mark.databases("sqlite")
SPARE = 64


@pytest.fixture
def full(app: Flask, site: Site, database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A database that may not grow; each piece of ballast that is let go gives it a few pages more."""
    path = Path(str(make_url(database.url).database))
    factories.db.session.commit()
    factories.db.engine.dispose()
    connection = sqlite3.connect(path)
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.close()

    def limit(driver: Any, record: Any, proxy: Any) -> None:
        gone = ballast.PIECES - len(list(ballast.folder(database.url).iterdir()))  # type: ignore[union-attr]
        driver.execute(f"PRAGMA max_page_count={pages + gone * SPARE}")

    ballast.lay(database.url)
    engine = factories.db.engine
    event.listen(engine, "checkout", limit)
    yield path
    event.remove(engine, "checkout", limit)


def fill(client: FlaskClient) -> int:
    for number in range(400):
        answer = client.post("/api/projects", json={"name": f"Project {number} " + "x" * 60})
        if answer.status_code != 201:
            return answer.status_code
    return 0


def test_writing_answers_507_and_reading_goes_on(site: Site, full: Path) -> None:
    owner = site.browser("owner")
    factories.db.session.commit()

    assert fill(owner) == 507

    answer = owner.post("/api/projects", json={"name": "One more"})
    assert answer.json["error"]["code"] == "disk_full"  # type: ignore[index]
    assert owner.get(f"/{site.project.key}/chat").status_code == 200
    connection = sqlite3.connect(full)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


def test_a_file_is_not_kept_by_half(site: Site, full: Path) -> None:
    owner = site.browser("owner")
    factories.db.session.commit()
    address = f"/api/threads/{site.project.room.id}/attachments/{new_id()}?name=a.bin"

    answer = owner.put(address, data=b"x" * (4 << 20))

    assert (answer.status_code, answer.get_json()["error"]["code"]) == (507, "disk_full")
    assert factories.db.session.query(Attachment).count() == 0


def test_somebody_can_still_sign_in(app: Flask, site: Site, full: Path) -> None:
    owner = site.browser("owner")
    factories.db.session.commit()
    assert fill(owner) == 507
    codes = {sign_in(app.test_client(), site.people["owner"].email).status_code for _ in range(30)}

    assert codes == {303}


def test_without_ballast_nobody_could(
    app: Flask, site: Site, full: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Control: it is the room that was kept which lets them in."""
    monkeypatch.setattr(ballast, "let_go", lambda url: False)
    owner = site.browser("owner")
    factories.db.session.commit()
    fill(owner)
    email = site.people["owner"].email

    assert 507 in {sign_in(app.test_client(), email).status_code for _ in range(30)}


def test_the_release_step_fills_it_up_again(tmp_path: Path, make_app: Callable[..., Flask]) -> None:
    url = f"sqlite:///{tmp_path}/x.sqlite3"
    ballast.lay(url)
    assert ballast.let_go(url)

    ballast.lay(url)

    assert len(list((tmp_path / "x.sqlite3.ballast").iterdir())) == ballast.PIECES


def test_none_is_kept_beside_postgresql() -> None:
    assert ballast.folder("postgresql+psycopg://u@h/d") is None
    assert ballast.let_go("postgresql+psycopg://u@h/d") is False
