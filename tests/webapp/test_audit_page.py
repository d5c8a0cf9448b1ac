"""The audit log's page and its copies: owners alone, only what is theirs, and enough to check it anywhere."""

import csv
import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import event

from models import audit, audit_trail
from models.base import utcnow
from tests import factories
from tests.webapp.conftest import Site

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def address(site: Site) -> str:
    return f"{site.settings}/audit"


def record(site: Site, count: int = 1, elsewhere: bool = False, **detail: Any) -> None:
    project = site.elsewhere if elsewhere else site.project
    for number in range(count):
        audit.record("operator", "something.happened", f"thing {number}", project_id=project.id, **detail)
    factories.db.session.commit()


@pytest.mark.parametrize("role", ["viewer", "member", "operator"])
def test_only_owners_see_it(site: Site, address: str, role: str) -> None:
    reader = site.browser(role)

    assert reader.get(address).status_code == reader.get(f"{address}/export").status_code == 403
    assert "Audit log" not in reader.get(f"{site.settings}/account").text
    assert site.browser("stranger").get(address).status_code == 404


def test_entries_are_shown_with_names_and_details(site: Site, owner: FlaskClient, address: str) -> None:
    owner.put(f"{site.api}/labs", json={"dms": False})
    record(site, reason="because\u202e of <b>that</b>")

    page = owner.get(address).text

    assert re.search(r"<b>Owner</b> <code>labs.switched</code>", page)
    assert "A command on the server" in page
    assert "because⟨U+202E⟩ of &lt;b&gt;that&lt;/b&gt;" in page


def test_pages_lead_back_in_time(site: Site, owner: FlaskClient, address: str) -> None:
    record(site, 120)

    page, found = owner.get(address).text, []
    for _ in range(3):
        found += re.findall(r'id="audit_(\d+)"', page)
        older = re.search(r'href="([^"]+before=\d+)"', page)
        page = owner.get(older[1].replace("&amp;", "&")).text if older else ""

    assert [int(seq) for seq in found] == list(range(120, 0, -1))


def test_a_filter_stays_in_the_address(site: Site, owner: FlaskClient, address: str) -> None:
    record(site, 60)
    audit.record("system", "other.thing", "x", project_id=site.project.id)
    factories.db.session.commit()

    page = owner.get(f"{address}?action=something.&subject=thing+1&actor=operator").text

    assert "other.thing" not in page
    assert len(re.findall(r'id="audit_(\d+)"', page)) == 11
    assert 'value="something."' in page
    export = re.search(r'href="([^"]+format=csv)"', page)
    assert export
    assert "action=something." in export[1]


@pytest.mark.parametrize(
    "asked",
    ["before=0", "before=x", "before=9999999999999999999999", "since=2026-02-30", "until=9999-12-31",
     "since=x", "actor=%00x", "action=%25", "subject=" + "x" * 3000, "until=0001-01-01&since=9000-01-01"],
)  # fmt: skip
def test_no_question_breaks_it(site: Site, owner: FlaskClient, address: str, asked: str) -> None:
    record(site)

    assert owner.get(f"{address}?{asked}").status_code in (200, 400)
    assert owner.get(f"{address}/export?{asked}").status_code in (200, 400)


@pytest.mark.parametrize(
    ("found", "words"),
    [(None, "Not checked yet"), ((7, None), "All 7 entries fitted"), ((7, 3), "Entry 3 is missing")],
)
def test_it_says_what_the_last_check_found(
    site: Site, owner: FlaskClient, address: str, found: tuple[int, int | None] | None, words: str
) -> None:
    if found:
        audit.note_check(*found)
        factories.db.session.commit()

    assert words in owner.get(address).text


def test_the_request_does_not_read_the_whole_log(site: Site, owner: FlaskClient, address: str) -> None:
    record(site, 300)
    loaded: list[Any] = []

    def note(target: Any, context: Any) -> None:
        loaded.append(target)

    event.listen(audit.AuditEntry, "load", note)
    try:
        assert owner.get(address).status_code == 200
    finally:
        event.remove(audit.AuditEntry, "load", note)

    assert len(loaded) <= 50


def lines(answer: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in answer.text.splitlines()]


def test_a_copy_tells_ones_own_and_keeps_the_places_of_others(
    site: Site, owner: FlaskClient, address: str
) -> None:
    record(site)
    record(site, elsewhere=True, secret="of others")
    record(site)

    answer = owner.get(f"{address}/export?format=jsonl")

    own, foreign, last = lines(answer)
    assert (own["subject"], last["seq"]) == ("thing 0", 3)
    assert {*foreign} == {"seq", "previous_hash", "hash"}
    assert "of others" not in answer.text
    assert answer.headers["Content-Disposition"].endswith(f'{utcnow():%Y-%m-%d}.jsonl"')


def test_a_copy_by_a_filter_has_what_fits_alone(site: Site, owner: FlaskClient, address: str) -> None:
    record(site, 3)
    record(site, 3, elsewhere=True)

    found = lines(owner.get(f"{address}/export?format=jsonl&subject=thing+1"))

    assert [each["subject"] for each in found] == ["thing 1"]


def test_both_forms_say_the_same(site: Site, owner: FlaskClient, address: str) -> None:
    record(site, 3, note='a "quoted" one,\nin two lines')
    record(site, elsewhere=True)

    rows = list(csv.DictReader(io.StringIO(owner.get(f"{address}/export?format=csv").text)))

    said = lines(owner.get(f"{address}/export?format=jsonl"))
    assert len(rows) == len(said) == 4
    for row, line in zip(rows, said, strict=True):
        given = {name: value for name, value in row.items() if value}
        given["detail"] = json.loads(given["detail"]) if "detail" in given else None
        given["seq"] = int(given["seq"])
        assert given == {"detail": None} | {
            name: value for name, value in line.items() if value or name == "detail"
        }


def test_no_cell_begins_like_a_formula(site: Site, owner: FlaskClient, address: str) -> None:
    for name in ("=1+1", "+1", "-1", "@x"):
        owner.post(f"{site.api}/tokens", json={"kind": "worker", "name": name})
        owner.patch(site.api, json={"name": name})

    cells = [
        cell
        for row in csv.reader(io.StringIO(owner.get(f"{address}/export?format=csv").text))
        for cell in row
    ]

    assert len(cells) > 50
    assert [cell for cell in cells if cell[:1] in "=+-@\t\r" and cell] == []


def test_a_copy_is_made_piece_by_piece(
    site: Site, app: Flask, owner: FlaskClient, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_trail, "CHUNK", 10)
    record(site, 45)
    pieces = owner.get(f"{address}/export?format=jsonl", buffered=False).iter_encoded()

    sizes = [len(piece.splitlines()) for piece in pieces if piece]

    assert sizes == [10, 10, 10, 10, 5]


def program() -> str:
    """The program that the manual gives for it."""
    text = (DOCS / "operating.md").read_text()
    found = re.search(r"```python\n(import hashlib.*?)```", text, re.DOTALL)
    assert found
    return found[1]


def verified(copy: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", program(), str(copy)], capture_output=True, text=True, check=False
    )


def test_a_copy_can_be_checked_without_us(
    site: Site, owner: FlaskClient, address: str, tmp_path: Path, db: SQLAlchemy
) -> None:
    owner.put(f"{site.api}/labs", json={"dms": False})
    record(site, 3, words="ünïcödé", number=7)
    record(site, 2, elsewhere=True)
    record(site, digest="0" * 64)
    copy = tmp_path / "log.jsonl"
    copy.write_bytes(owner.get(f"{address}/export?format=jsonl").data)

    good = verified(copy)

    assert (good.returncode, good.stderr) == (0, "")
    assert str(audit.head(db.session())) in good.stdout


@pytest.mark.parametrize(
    ("change", "entry"),
    [
        (lambda rows: rows[2].update(subject="another"), 3),
        (lambda rows: rows[0].update(at="2026-01-01T00:00:00.000000+00:00"), 1),
        (lambda rows: rows.pop(3), 5),
        (lambda rows: rows[4].update(hash="0" * 64), 5),
        (lambda rows: rows.reverse(), 6),
    ],
)
def test_a_copy_that_was_changed_does_not_pass(
    site: Site, owner: FlaskClient, address: str, tmp_path: Path, change: Any, entry: int
) -> None:
    record(site, 6)
    rows = lines(owner.get(f"{address}/export?format=jsonl"))
    change(rows)
    copy = tmp_path / "log.jsonl"
    copy.write_text("".join(f"{json.dumps(row)}\n" for row in rows))

    bad = verified(copy)

    assert bad.returncode == 1
    assert f"entry {entry} " in bad.stderr
