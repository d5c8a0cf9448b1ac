"""An agent asks to say something where it could not say it by itself."""

from collections.abc import Collection
from typing import Annotated, ClassVar, Literal, Self
from uuid import UUID

from pydantic import Field, ValidationInfo, field_validator
from sqlalchemy import select

from models.actions.action import Params, Rule
from models.actions.fields import Line, Said
from models.actions.url import clean_url, host_of, not_listed
from models.base import db
from models.lookalike import mistakable, told_apart
from models.message import LONGEST
from models.text import invalid
from models.thread import Thread
from models.user import Membership, User


class SendMessage(Params):
    action_type = "send_message"
    reaches_out = True
    seed: ClassVar = ("channel", "recipient", "content")
    rules: ClassVar = (
        Rule("low", "Everybody of the project reads it.", lambda params: params.channel == "room"),
        Rule("low", "One person of the project reads it.", lambda params: params.channel == "dm"),
        Rule("high", "Its name can be taken for another one.", lambda params: mistakable(params.recipient)),
        Rule("high", "Leaves Team Room for another server.", lambda params: params.channel == "webhook"),
        Rule(
            "high",
            "The address is not encrypted.",
            lambda params: params.channel == "webhook" and params.recipient.startswith("http:"),
        ),
    )

    channel: Literal["room", "dm", "webhook"]
    recipient: Annotated[
        Line,
        Field(max_length=2000, description="The room's title, a person's handle, or the webhook's address"),
    ]
    recipient_id: Annotated[str | None, Field(description="Leave it out: the server looks it up")] = None
    content: Annotated[Said, Field(max_length=LONGEST)]

    @field_validator("recipient")
    @classmethod
    def _of_its_channel(cls, text: str, info: ValidationInfo) -> str:
        return clean_url(text) if info.data.get("channel") == "webhook" else text.removeprefix("@")

    @property
    def headline(self) -> str:
        where = {
            "room": f"in the room “{self.recipient}”",
            "dm": f"to @{self.recipient} alone",
            "webhook": f"to {host_of(self.recipient)}" if self.channel == "webhook" else "",
        }
        return f"Send a message {where[self.channel]}"

    @property
    def effect(self) -> str:
        if self.channel == "webhook":
            return f"The text is sent once to {self.recipient}, and cannot be taken back."
        return f"The text appears there as a message of the agent.{told_apart(self.recipient)}"

    @property
    def object_name(self) -> str:
        return host_of(self.recipient) if self.channel == "webhook" else self.recipient

    def hindrance(self, servers: Collection[str]) -> str | None:
        return not_listed(self.recipient, servers) if self.channel == "webhook" else None

    def resolve(self, project_id: UUID) -> Self:
        """By id, so that a name that another room or person takes later changes nothing."""
        bound = None if self.channel == "webhook" else str(self._only_one(project_id))
        if self.recipient_id not in (None, bound):
            raise invalid("params.recipient_id", "is not the recipient's")
        return self.model_copy(update={"recipient_id": bound})

    def _only_one(self, project_id: UUID) -> UUID:
        """Whom the name means; of several that have it, nobody could say which was approved."""
        what, here = (
            ("room", _ROOM.where(Thread.project_id == project_id, Thread.title == self.recipient))
            if self.channel == "room"
            else ("person", _PERSON.where(Membership.project_id == project_id, User.handle == self.recipient))
        )
        found = db.session.scalars(here.limit(2)).all()
        if not found:
            raise invalid("params.recipient", f"is no {what} of this project")
        if len(found) > 1:
            raise invalid("params.recipient", f"is the name of more than one {what}")
        return found[0]


_ROOM = select(Thread.id).where(Thread.kind == "room")
_PERSON = select(User.id).join(Membership, Membership.user_id == User.id).where(User.deactivated_at.is_(None))
