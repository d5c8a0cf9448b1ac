"""An agent asks for one request to another server."""

import re
from collections.abc import Collection
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from models.actions.action import Params, Rule
from models.actions.fields import Body, Line, beginning, whole_of
from models.actions.url import clean_url, host_of, not_listed

READING = ("GET", "HEAD")
_NAME = re.compile(r"[A-Za-z0-9-]{1,64}")
_OURS = frozenset(
    (
        "host",
        "content-length",
        "transfer-encoding",
        "connection",
        "te",
        "trailer",
        "upgrade",
        "expect",
        "accept-encoding",
        "idempotency-key",
    )
)
"""Headers that say how the request is sent, and the key that it is known by: not the agent's to say."""
_OTHER_METHOD = frozenset(("x-http-method", "x-http-method-override", "x-method-override"))
"""With these a server takes a request for one of another method than the one that is shown and judged."""


def _header_names(headers: dict[str, str]) -> dict[str, str]:
    if len({name.lower() for name in headers}) != len(headers):
        raise ValueError("names a header twice")
    for name in headers:
        if not _NAME.fullmatch(name):
            raise ValueError(f"has a name that cannot be: {name[:64]!r}")
        if name.lower() in _OURS | _OTHER_METHOD or name.lower().startswith("proxy-"):
            raise ValueError(f"must not set {name}")
    return headers


Value = Annotated[Line, Field(max_length=1000, pattern=r"^[\x20-\x7e]+$")]
Headers = Annotated[dict[str, Value], Field(max_length=30), AfterValidator(_header_names)]


class ApiCall(Params):
    action_type = "api_call"
    reaches_out = True
    seed: ClassVar = ("url", "method", "body_preview")
    rules: ClassVar = (
        Rule("med", "Asks a server outside of Team Room."),
        Rule("high", "May change something there.", lambda params: params.method not in READING),
        Rule("high", "Uses a stored secret.", lambda params: bool(params.secret_headers)),
        Rule("high", "The address is not encrypted.", lambda params: params.url.startswith("http:")),
    )

    url: Annotated[str, AfterValidator(clean_url)]
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
    headers: Headers = {}
    secret_headers: Annotated[
        Headers, Field(description="Header → name of a stored secret of this project; never the secret")
    ] = {}
    body: Body = ""
    body_preview: Annotated[Body, Field(description="Leave it out: it is the beginning of body")] = ""
    timeout_seconds: Annotated[int, Field(ge=1, le=60)] = 30

    @model_validator(mode="before")
    @classmethod
    def _whole(cls, given: Any) -> Any:
        return whole_of(given, "body", "body_preview")

    @field_validator("body_preview")
    @classmethod
    def _beginning(cls, preview: str, info: ValidationInfo) -> str:
        return beginning(preview, info, "body")

    @field_validator("secret_headers")
    @classmethod
    def _once(cls, secrets: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        plain = {name.lower() for name in info.data.get("headers", {})}
        if plain & {name.lower() for name in secrets}:
            raise ValueError("names a header that headers has too")
        return secrets

    @field_validator("body")
    @classmethod
    def _only_where_it_is_sent(cls, body: str, info: ValidationInfo) -> str:
        if body and info.data.get("method") in READING:
            raise ValueError("must be empty for GET and HEAD")
        return body

    @property
    def headline(self) -> str:
        return f"{self.method} {host_of(self.url)}"

    @property
    def effect(self) -> str:
        size = len(self.body.encode())
        sent = f" with {size:,} bytes" if size else ""
        return f"One {self.method} request{sent} to {self.url}; redirects are not followed."

    @property
    def object_name(self) -> str:
        return host_of(self.url)

    def hindrance(self, servers: Collection[str]) -> str | None:
        return not_listed(self.url, servers)
