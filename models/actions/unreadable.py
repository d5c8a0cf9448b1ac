"""What stands where stored bytes say no action: of another version, or changed in the database."""

from typing import Any, ClassVar

from models.actions.action import Params


class Unreadable(Params):
    """Pages show it, and nobody approves it or carries it out."""

    action_type = "unreadable"
    seed: ClassVar = ()
    rules: ClassVar = ()

    why: str

    @property
    def headline(self) -> str:
        return "This could not be read"

    @property
    def effect(self) -> str:
        return f"Nothing: what is stored here says nothing that can be carried out ({self.why})."

    @property
    def object_name(self) -> str:
        return ""

    def as_json(self) -> dict[str, Any]:
        return {}
