"""Commands of the operator: `flask --app webapp …`."""

import json
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from pathlib import Path
from typing import Any

import click
from flask import Flask, current_app
from flask.cli import AppGroup
from sqlalchemy import exists, select
from sqlalchemy.exc import DBAPIError

from models import audit, labs
from models.agent import Agent
from models.base import db, reading
from models.errors import DomainError
from models.policy import ROLES
from models.project import Project
from models.session import UserSession
from models.skill import FLAG, Skill, configure
from models.token import ApiToken
from models.user import Membership, User, hash_password
from webapp import accounts, backfill, backup, doctor

ACTOR = "operator"


def install(app: Flask) -> None:
    for command in (
        user, token, project, skills, setup_link, back_up, restore, verify_audit, examine, demo,
        backfill_task_events,
    ):  # fmt: skip
        app.cli.add_command(command)


def _plainly(command: Callable[..., None]) -> Callable[..., None]:
    """A refusal is one sentence and an exit code, not a traceback."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except DomainError as error:
            raise click.ClickException(error.message) from None
        except backup.CannotBackUp as error:
            raise click.ClickException(str(error)) from None
        except UnicodeError:
            raise click.ClickException("what was given is not valid UTF-8") from None
        except DBAPIError:
            db.session.rollback()
            tables = doctor.migrations()
            if tables.ok:
                raise
            raise click.ClickException(f"Tables: {tables.detail} Run: {tables.command}") from None

    return wrapped


def _project(key: str) -> Project:
    found = Project.by_key(key)
    if found is None:
        raise click.ClickException(f"there is no project {key}")
    return found


def _user(email: str) -> User:
    found = User.by_email(email)
    if found is None:
        raise click.ClickException(f"nobody has the address {email}")
    return found


user = AppGroup("user", help="People's accounts.")
token = AppGroup("token", help="Tokens for programs.")
project = AppGroup("project", help="Projects.")
skills = AppGroup("skills", help="What skills find configured in a project.")


@user.command("create")
@click.argument("email")
@click.argument("name")
@click.option("--project", "key", required=True, help="The key of the project to join.")
@click.option("--role", type=click.Choice(ROLES), default="member", show_default=True)
@click.password_option(help="Asked for when it is not given.")
@_plainly
def create_user(email: str, name: str, key: str, role: str, password: str) -> None:
    """Make an account and let it into a project."""
    hashed = hash_password(password, name, email)
    audit.lock()  # two who make an account of one name take turns
    project = _project(key)
    made = User.create(email, name, hashed)
    made.join(project, role)
    audit.record(ACTOR, "account.created", f"user {made.handle}", project_id=project.id, role=role)
    db.session.commit()
    click.echo(f"{made.name} ({made.email}) is {role} in {project.name}.")


@user.command("password")
@click.argument("email")
@click.option("--link", is_flag=True, help="Print a one-time link instead of asking.")
@_plainly
def set_password(email: str, link: bool) -> None:
    """Give somebody a new password; every session ends."""
    if link:
        account = _user(email)
        audit.record(ACTOR, "password.reset_link", f"user {account.handle}")
        url = accounts.link_to_reset(account)
        db.session.commit()
        click.echo(url)
        return
    with reading():
        name = _user(email).name
        db.session.rollback()  # nothing is held while somebody types
    hashed = hash_password(
        click.prompt("New password", hide_input=True, confirmation_prompt=True), name, email
    )
    account = _user(email)
    account.password_hash = hashed
    ended = UserSession.revoke_all(account)
    audit.record(ACTOR, "password.changed", f"user {account.handle}")
    db.session.commit()
    click.echo(f"{account.name} has a new password; {ended} sessions were ended.")


@token.command("create")
@click.argument("key", metavar="PROJECT")
@click.argument("name")
@click.option("--kind", type=click.Choice(["agent", "worker", "user"]), required=True)
@click.option("--agent", "agent_key", help="For a token of an agent: its key.")
@click.option("--user", "email", help="For a token of a person: the address.")
@click.option("--days", type=click.IntRange(1, 90), default=90, show_default=True)
@_plainly
def create_token(key: str, name: str, kind: str, agent_key: str | None, email: str | None, days: int) -> None:
    """Make a token and print it, this once."""
    if kind == "user" and email is None:
        raise click.ClickException("a person's token needs --user")
    audit.lock()  # nobody leaves the project meanwhile
    owner = _user(email) if kind == "user" and email else None
    found = _project(key)
    if owner and (Membership.of(found.id, owner.id) is None or not owner.active):
        raise click.ClickException(f"{email} is not in {key}, so this token could do nothing")
    if kind == "agent" and Agent.by_key(found.id, agent_key or "") is None:
        raise click.ClickException("an agent's token needs --agent with the key of one")
    made, text = ApiToken.create(
        found.id,
        kind,
        name,
        agent_key=agent_key,
        user_id=owner.id if owner else None,
        life=timedelta(days=days),
    )
    audit.record(ACTOR, "token.created", f"{kind} {made.prefix}", project_id=found.id)
    db.session.commit()
    click.echo(text)


@project.command("unarchive")
@click.argument("key")
@_plainly
def unarchive(key: str) -> None:
    """Open an archived project again."""
    found = db.session.scalar(select(Project).where(Project.key == key))
    if found is None:
        raise click.ClickException(f"there is no project {key}")
    audit.record(ACTOR, "project.unarchived", f"project {key}", project_id=found.id)
    found.archived_at = None
    db.session.commit()
    click.echo(f"{accounts.base_url()}/{key}/")


@skills.command("set")
@click.argument("key", metavar="PROJECT")
@click.argument("path")
@click.argument("value")
@_plainly
def set_for_skills(key: str, path: str, value: str) -> None:
    """Set VALUE at a dotted PATH: true, false, null (takes it away), a number or a text."""
    audit.lock()  # two who set something at the same moment take turns
    found = _project(key)
    configure(found.id, path, _value(value))
    audit.record(ACTOR, "skill.configured", f"{path} of skills", project_id=found.id)
    if labs.enabled(FLAG, found.id):
        Skill.ask_for(found.id, None)
    db.session.commit()
    click.echo(
        f"Skills of {found.name} find {path} set. They are checked again when the runs worker is there."
    )


def _value(text: str) -> Any:
    """JSON where it is some, else the text itself."""
    try:
        return json.loads(text, parse_constant=str)
    except ValueError:
        return text


@click.command("setup-link")
@_plainly
def setup_link() -> None:
    """Print the one-time link to the first-run page."""
    if db.session.scalar(select(exists().select_from(User))):
        click.echo(f"Team Room is set up: sign in at {accounts.base_url()}/sign-in")
        return
    click.echo("Set up Team Room at this one-time link:")
    click.echo(f"{accounts.base_url()}/setup?code={accounts.setup_code()}")


@click.command("backup")
@_plainly
def back_up() -> None:
    """Copy the database to a new file, and check the audit log."""
    click.echo(backup.create(current_app._get_current_object()))  # type: ignore[attr-defined]
    click.echo(f"The audit log is whole: {backup.verify_audit().seq} entries.")


@click.command("restore")
@click.argument("file", type=click.Path(path_type=Path))
@click.confirmation_option(prompt="Stop web, worker and clock first. Replace all that is there now?")
@_plainly
def restore(file: Path) -> None:
    """Check a backup with its audit log, keep what is there in another, and put the first in its place."""
    db.engine.dispose()
    kept = backup.restore(current_app._get_current_object(), file)  # type: ignore[attr-defined]
    if kept is not None:
        click.echo(f"What was there is kept in {kept}")
    click.echo(f"Restored. The audit log is whole: {backup.verify_audit().seq} entries.")
    click.echo(f"Now run: {doctor.RELEASE}")


@click.command("verify-audit")
@click.option(
    "--head", "heads", multiple=True, help="What the clock or this command printed before: NUMBER:HASH."
)
@_plainly
def verify_audit(heads: tuple[str, ...]) -> None:
    """Check the audit log from its first entry to its head, and against heads that were noted elsewhere."""
    head = backup.verify_audit([audit.Mark.parse(text) for text in heads])
    click.echo(f"The audit log is whole: {head.seq} entries. Its head is {head}")


@click.command("doctor")
def examine() -> None:
    """Explain this installation: what is there, what is missing, and the command for it."""
    checks = doctor.examine()
    for check in checks:
        sign = {True: "ok", False: "MISSING", None: "-"}[check.ok]
        click.echo(f"{sign:8} {check.name}: {check.detail}")
        if check.ok is False and check.command:
            click.echo(f"{'':8} → {check.command}")
    if any(check.needed and not check.ok for check in checks):
        raise click.exceptions.Exit(1)


@click.command("backfill-task-events")
@_plainly
def backfill_task_events() -> None:
    """Make events of the comments and outputs that an earlier version kept of tasks, each once."""
    moved = backfill.run()
    click.echo(f"Moved {moved} comments and outputs into the timelines of their tasks. The old tables stay.")


@click.command("demo")
@click.argument("owner")
@_plainly
def demo(owner: str) -> None:
    """Make a project with every Labs flag on and three agents, owned by this address."""
    audit.lock()  # two who make one at the same moment take turns
    account = _user(owner)
    project = Project.create(accounts.free_key("Demo"), "Demo")
    account.join(project, "owner")
    accounts.write_labs(project.id, dict.fromkeys(labs.FLAGS, True))
    accounts.bring_in_agents(project)
    audit.record(ACTOR, "project.created", f"project {project.key}", project_id=project.id)
    db.session.commit()
    click.echo(f"{accounts.base_url()}/{project.key}/chat")
