"""Security Audit: what could let somebody in, or leak a secret. A secret is named by its place, never told.

A task is for everybody in the project, and tokens and servers are for owners: of those, numbers are told.
"""

import json
import re
import tomllib
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from agents.audits.folder import Folder, TextFile
from agents.audits.rule import Rule, Seen, in_database, in_files
from agents.secrecy import SECRETS, secrets_in
from models.allowed_host import AllowedHost
from models.base import db, utcnow
from models.isolation import NONE, SENTENCES
from models.session import UserSession
from models.token import ApiToken
from models.user import Membership, User
from models.worker import Worker

SOON = timedelta(days=14)
UNUSED = timedelta(days=30)
AWAY = timedelta(days=90)
MANY_HOSTS = 20
DECIDERS = ("operator", "owner")
LINES = 10
"""Lines of one file that are named."""

TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")
"""Characters that let text be read in another order than it stands in."""
REQUIREMENT = re.compile(r"^\s*(?P<name>[A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?\s*(?P<rest>[^#;]*)")
UNPINNED = ("*", "latest", "", "x")


def secrets(folder: Folder) -> Seen:
    seen = Seen(f"Text files searched for {len(SECRETS)} kinds of secrets: {len(folder.texts)}.")
    for file in folder.texts:
        found = [
            (number, kind) for number, line in enumerate(file.lines, 1) for kind in secrets_in(line[:2000])
        ]
        if found:
            sure = any(kind in SECRETS for _, kind in found)
            seen.add(
                file.path,
                f"A secret stands in {file.path}",
                "Whoever reads the file has it, and so has everybody who has a copy. Make a new one where it"
                " comes from, end this one, and keep the new one out of files.",
                _places(file.path, found),
                "high" if sure else "normal",
            )
    return seen


def hidden_order(folder: Folder) -> Seen:
    seen = Seen(f"Text files searched: {len(folder.texts)}.")
    for file in folder.texts:
        found = [
            (number, "is read in another order than it stands")
            for number, line in enumerate(file.lines, 1)
            if TURNING.search(line)
        ]
        if found:
            seen.add(
                file.path,
                f"Text of {file.path} reads otherwise than it stands",
                "It holds characters that nobody sees and that turn the direction of text. What a person"
                " reads there is not what a program does.",
                _places(file.path, found),
                "high",
            )
    return seen


def _places(path: str, found: list[tuple[int, str]]) -> str:
    lines = [f"{path}:{number} {what}" for number, what in found[:LINES]]
    more = [f"and {len(found) - LINES} more"] if len(found) > LINES else []
    return "\n".join(lines + more)


def dependencies(folder: Folder) -> Seen:
    found = {file.path: names for file in folder.texts if (names := _loose(file)) is not None}
    seen = Seen(f"Files that name dependencies: {len(found)}.")
    for path, names in found.items():
        if names:
            seen.add(
                path,
                f"Dependencies without a version in {path}",
                "Whatever is newest is installed, today and at every later time: what was tested is not what"
                " runs. Name a version, or the least one.",
                f"{path}: {', '.join(names[:30])}{f' and {len(names) - 30} more' if len(names) > 30 else ''}",
                "normal",
            )
    return seen


def _loose(file: TextFile) -> list[str] | None:
    """The dependencies without any version; None for a file that names none at all."""
    name = file.path.rpartition("/")[2]
    if re.fullmatch(r"requirements.*\.(?:txt|in)", name):
        return [loose for line in file.lines if (loose := _without_version(line))]
    if name == "package.json":
        return _loose_of_node("\n".join(file.lines))
    if name == "pyproject.toml":
        return _loose_of_python("\n".join(file.lines))
    return None


def _without_version(line: str) -> str | None:
    said = REQUIREMENT.match(line)
    return said["name"] if said and not said["rest"].strip() else None


def _loose_of_node(text: str) -> list[str] | None:
    try:
        said = json.loads(text)
    except ValueError:
        return None
    if not isinstance(said, dict):
        return None
    groups = [said.get(name) for name in ("dependencies", "devDependencies")]
    return [
        name for group in groups if isinstance(group, dict) for name, wanted in group.items()
        if isinstance(wanted, str) and wanted.strip().lower() in UNPINNED
    ]  # fmt: skip


def _loose_of_python(text: str) -> list[str] | None:
    try:
        said: Any = tomllib.loads(text)
    except ValueError:
        return None
    listed = said.get("project", {}).get("dependencies", []) if isinstance(said.get("project"), dict) else []
    listed = listed if isinstance(listed, list) else []
    return [loose for one in listed if isinstance(one, str) and (loose := _without_version(one))]


def writable(folder: Folder) -> Seen:
    real = {path: entry for path, entry in folder.all.items() if entry.kind != "other"}
    found = {path: entry for path, entry in real.items() if entry.mode & 0o002}
    seen = Seen(f"Files and folders whose rights were read: {len(folder.all)}.")
    if found:
        shown = "\n".join(f"{entry.mode:o} {path}" for path, entry in sorted(found.items())[:LINES])
        more = f"\nand {len(found) - LINES} more" if len(found) > LINES else ""
        seen.add(
            "workspace",
            "Every account of the machine may write files of the workspace",
            "Another program of this machine can change them. Take the right away: `chmod -R o-w`.",
            f"{len(found)} of {len(real)} files and folders:\n{shown}{more}",
            "normal",
        )
    return seen


def tokens(project_id: UUID) -> Seen:
    now = utcnow()
    alive = (ApiToken.project_id == project_id, ApiToken.revoked_at.is_(None), ApiToken.expires_at > now)
    living = list(db.session.scalars(select(ApiToken).where(*alive)))
    seen = Seen(f"Tokens in force: {len(living)}.")
    for token in living:
        if token.last_used_at is None and token.created_at < now - UNUSED:
            seen.add(
                f"unused {token.id}",
                f"A token of kind {token.kind} was never used",
                "A right that nobody needs is only of use to a thief. An owner can revoke it under Settings.",
                f"Made {token.created_at:%Y-%m-%d}, never used. An owner sees which one it is.",
                "low",
            )
        elif token.last_used_at is not None and token.expires_at < now + SOON:
            seen.add(
                f"ends {token.id}",
                f"A token of kind {token.kind} that is in use ends on {token.expires_at:%Y-%m-%d}",
                "The program that uses it is refused then. An owner can make another one under Settings.",
                f"Last used {token.last_used_at:%Y-%m-%d}, ends {token.expires_at:%Y-%m-%d %H:%M} UTC."
                " An owner sees which one it is.",
                "normal",
            )
    return seen


def members(project_id: UUID) -> Seen:
    now = utcnow()
    last = select(func.max(UserSession.seen_at)).where(UserSession.user_id == User.id).scalar_subquery()
    query = (
        select(User, Membership, func.coalesce(last, User.created_at, type_=User.created_at.type))
        .join(Membership, Membership.user_id == User.id)
        .where(Membership.project_id == project_id, Membership.role.in_(DECIDERS))
        .where(User.deactivated_at.is_(None))
    )
    deciding = db.session.execute(query.order_by(User.name)).all()
    seen = Seen(f"People who may decide: {len(deciding)}.")
    for user, membership, at in deciding:
        if at < now - AWAY:
            seen.add(
                f"away {user.id}",
                f"{user.name} may decide, and was away for more than 90 days",
                "A right that nobody uses is of use only to a thief. An owner can lower it under Settings.",
                f"@{user.handle} is {membership.role}, and was not here since {at:%Y-%m-%d}.",
                "normal",
            )
    owners = [user for user, membership, _ in deciding if membership.role == "owner"]
    if len(owners) == 1:
        seen.add(
            "one owner",
            "Only one person is an owner",
            "When that account is lost, nobody can manage members, tokens and servers. Make somebody else an"
            " owner, too.",
            f"@{owners[0].handle} is the only owner.",
            "low",
        )
    return seen


def hosts(project_id: UUID) -> Seen:
    origins = AllowedHost.origins(project_id)
    plain = [origin for origin in origins if origin.startswith("http:")]
    seen = Seen(f"Servers that may be asked: {len(origins)}, without encryption: {len(plain)}.")
    if plain:
        seen.add(
            "plain http",
            "Servers may be asked without encryption",
            "Whoever is on the way reads and changes what is asked and answered. An owner can list them by"
            " https under Settings.",
            f"{len(plain)} of {len(origins)} servers are listed by http.",
            "normal",
        )
    if len(origins) > MANY_HOSTS:
        seen.add(
            "many",
            "Very many servers may be asked",
            "Each is a way out for what a project knows. An owner can take away what is not needed any more.",
            f"{len(origins)} servers are listed; more than {MANY_HOSTS} are seldom looked after.",
            "low",
        )
    return seen


def isolation(project_id: UUID) -> Seen:
    del project_id  # workers are for all projects
    found = sorted(Worker.isolations())
    seen = Seen(f"Workers of runs hold commands by: {', '.join(found) or 'no worker is there'}.")
    if NONE in found:
        seen.add(
            NONE,
            "Nothing holds the commands of agents",
            f"{SENTENCES[NONE]} Install bubblewrap, or take `SHELL_WITHOUT_ISOLATION` out of the settings.",
            "A worker of runs says that its isolation is none.",
            "urgent",
        )
    return seen


RULES = (
    Rule("secrets", "Secrets in files", in_files(secrets), ("secret",)),
    Rule("hidden-order", "Text that reads otherwise", in_files(hidden_order)),
    Rule("dependencies", "Dependencies without a version", in_files(dependencies), ("dependency",)),
    Rule("writable", "Files that everybody may write", in_files(writable), ("rights",)),
    Rule("tokens", "Tokens", in_database(tokens), ("token",)),
    Rule("members", "Who may decide", in_database(members), ("people",)),
    Rule("hosts", "Servers that may be asked", in_database(hosts), ("network",)),
    Rule("isolation", "Isolation of commands", in_database(isolation), ("worker",)),
)
