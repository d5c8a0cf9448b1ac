"""The audit log as the owners of a project see it, and a copy of it to keep."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

from flask import Blueprint, Flask, Response, current_app, request
from sqlalchemy import select

from models import audit
from models.audit import AuditEntry
from models.audit_trail import Copy, Filter, Told, Trail, names
from models.base import db, utcnow
from models.hidden import made_visible
from models.token import ApiToken
from models.user import Membership, User
from webapp import asked
from webapp.auth import current_project, policy
from webapp.rendering import page

bp = Blueprint("audit", __name__, url_prefix="/<project_key>/settings/audit")

SHOWN = 50
LONGEST_WORD = 200
LAST_YEAR = 9000
"""What a browser's field for dates can hold goes further than dates here do."""
ACTORS = {"nobody": "Nobody signed in", "operator": "A command on the server", "system": "Team Room"}
"""Who acts besides people and tokens."""
ACTIONS = {
    "sign_": "signing in and out",
    "session": "sessions that were ended",
    "password.": "passwords",
    "account.": "new accounts",
    "setup": "the first run",
    "proposal.": "decisions",
    "task.": "tasks and plans",
    "audit.": "audits",
    "member.": "members and roles",
    "invite.": "invites",
    "token.": "tokens",
    "labs.": "Labs",
    "host.": "servers that may be asked",
    "secret.": "secrets",
    "project.": "the project",
    "agent.": "agents",
    "doc.": "documents",
    "skill.": "skills",
    "access.": "what was refused",
}
"""How actions begin, and what they are about."""
COLUMNS = ("seq", "at", "project", "actor", "action", "subject", "detail", "digest", "previous_hash", "hash")


@bp.get("")
@policy("admin.read")
def index(project_key: str) -> str:
    """The newest entries that fit, or those before one, and what the last check of the log found."""
    wanted = _wanted()
    number = asked.number("before")
    entries, older = Trail(current_project(), wanted).page(number, SHOWN)
    query = {name: value for name, value in _given().items() if value}
    return page(
        "settings/audit.html",
        entries=entries,
        older=older,
        newest=number is None,
        wanted=wanted,
        query=query,
        called=_called(entries),
        details={entry.seq: _details(entry) for entry in entries},
        actors=[(key, name) for key, name in _members()] + list(ACTORS.items()),
        actions=ACTIONS,
        check=audit.checked(),
    )


@bp.get("/export")
@policy("admin.read")
def export(project_key: str) -> Response:
    """All entries that fit, oldest first, as CSV or as one JSON object a line, with their hashes."""
    project = current_project()
    copy = Trail(project, _wanted()).copy()
    kind, write = ("csv", _as_csv) if request.args.get("format") == "csv" else ("jsonl", _as_lines)
    own = current_app._get_current_object()  # type: ignore[attr-defined]
    body = _piece_by_piece(own, copy, write)
    mimetype = "text/csv" if kind == "csv" else "application/jsonl"
    name = f"audit-{project.key}-{utcnow():%Y-%m-%d}.{kind}"
    response = Response(body, mimetype=mimetype)
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _piece_by_piece(app: Flask, copy: Copy, write: Callable[[list[Told], bool], str]) -> Iterator[str]:
    """So that the longest log needs no more memory than a short one; the request is over by then."""
    yield write([], True)
    while True:
        with app.app_context():
            piece = copy.more()
        if piece is None:
            return
        yield write(piece, False)


def _as_csv(chunk: list[Told], first: bool) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS)
    if first:
        writer.writeheader()
    for said in map(_said, chunk):
        writer.writerow(said | ({"detail": _json(said["detail"])} if "detail" in said else {}))
    return text.getvalue()


def _as_lines(chunk: list[Told], first: bool) -> str:
    return "".join(f"{_json(_said(told))}\n" for told in chunk)


def _said(told: Told) -> dict[str, Any]:
    """An entry; one that is not this project's is told by its hashes alone, which hold the chain together."""
    entry = told.entry
    said = entry.as_said() if told.whole else {"seq": entry.seq}
    return said | {"previous_hash": entry.previous_hash, "hash": entry.hash}


def _json(value: Any) -> str:
    """As the hash was made of it."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _given() -> dict[str, str]:
    return {name: request.args.get(name, "").strip()[:LONGEST_WORD] for name in
            ("actor", "action", "subject", "since", "until")}  # fmt: skip


def _wanted() -> Filter:
    given = _given()
    return Filter(
        given["actor"],
        given["action"],
        given["subject"],
        _day(given["since"]),
        _day(given["until"]),
    )


def _day(text: str) -> date | None:
    """A day as `2026-05-01`; what is none counts as not given."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if day.year <= LAST_YEAR else None


def _members() -> list[tuple[str, str]]:
    query = select(User.id, User.name).join(Membership, Membership.user_id == User.id)
    rows = db.session.execute(query.where(Membership.project_id == current_project().id).order_by(User.name))
    return [(f"person:{user_id}", name) for user_id, name in rows]


def _called(entries: list[AuditEntry]) -> dict[str, str]:
    """What each actor is called."""
    tokens = select(ApiToken).where(ApiToken.project_id == current_project().id)
    of_tokens = {f"token:{token.id}": f"Token {token.name}" for token in db.session.scalars(tokens)}
    return ACTORS | of_tokens | names(entries)


def _details(entry: AuditEntry) -> list[tuple[str, str]]:
    """What else the entry says, for people: nothing in it is hidden."""
    said = {**entry.detail, "digest": entry.digest, "hash": entry.hash}
    return [
        (name.replace("_", " ").capitalize(), made_visible(value if isinstance(value, str) else _json(value)))
        for name, value in said.items()
        if value not in (None, "")
    ]
