"""What we read at all: strict JSON of a bounded shape, and no text that a database cannot hold."""

import json
import math
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from flask import Flask, Request, request
from flask.json.provider import DefaultJSONProvider
from flask_smorest import Blueprint
from webargs import core
from webargs.flaskparser import FlaskParser, is_json_request
from werkzeug.exceptions import BadRequest, RequestURITooLarge, UnsupportedMediaType

from models.errors import Invalid
from models.text import invalid

DEPTH = 16
KEYS = 200
LONGEST_STRING = 64 << 10
LONGEST_NUMBER = 2**53
LONGEST_ADDRESS = 4096
READS = ("GET", "HEAD", "OPTIONS")

View = TypeVar("View", bound=Callable[..., Any])


def strict_loads(text: str | bytes) -> Any:
    """JSON without NaN, doubled keys or endless nesting; ValueError or Invalid says what was wrong."""
    try:
        value = json.loads(
            text if isinstance(text, str) else text.decode(),
            object_pairs_hook=_object,
            parse_constant=_constant,
        )
    except RecursionError:
        raise ValueError("nested too deeply") from None
    check(value)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key occurs twice")
    return found


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def check(value: Any) -> None:
    """Invalid, naming the field, for a shape or a text that nothing here can mean."""
    waiting: list[tuple[str, Any, int]] = [("", value, 1)]
    while waiting:
        field, item, depth = waiting.pop()
        if depth > DEPTH:
            raise invalid(field, "is nested too deeply")
        if isinstance(item, dict):
            if len(item) > KEYS:
                raise invalid(field or "body", f"has more than {KEYS} keys")
            for key, inner in item.items():
                _check_text("a key", key)
                waiting.append((f"{field}.{key}" if field else key, inner, depth + 1))
        elif isinstance(item, list):
            waiting += [(field or "body", inner, depth + 1) for inner in item]
        elif isinstance(item, str):
            _check_text(field or "body", item)
        elif isinstance(item, (int, float)) and not (math.isfinite(item) and abs(item) <= LONGEST_NUMBER):
            raise invalid(field or "body", "is a number out of range")


def _check_text(field: str, text: str) -> None:
    if len(text) > LONGEST_STRING:
        raise invalid(field, f"is far too long: {len(text):,} characters")  # its own limit may be lower
    if "\0" in text:
        raise invalid(field, "must not hold a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise invalid(field, "must be valid Unicode (it holds half of a surrogate pair)") from None


class StrictJSON(DefaultJSONProvider):
    sort_keys = False

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        return strict_loads(s)


class _Parser(FlaskParser):
    """Reads the body that was checked already, instead of parsing it a second time."""

    def _raw_load_json(self, req: Request) -> Any:
        if not is_json_request(req) or not req.get_data(cache=True):
            return core.missing
        return req.get_json()


class ApiBlueprint(Blueprint):
    """A flask-smorest blueprint whose bodies are read strictly."""

    ARGUMENTS_PARSER = _Parser()

    def arguments(self, schema: Any, **options: Any) -> Any:
        """As there; a schema is made once, which by its class would be made anew for every request."""
        return super().arguments(schema() if isinstance(schema, type) else schema, **options)


def takes_file(view: View) -> View:
    """The body is any bytes, which the view itself reads, and no more than it wants."""
    view.takes_file = True  # type: ignore[attr-defined]
    return view


def install(app: Flask) -> None:
    app.json = StrictJSON(app)

    @app.before_request
    def refuse() -> None:
        # First: the library decodes the address again, and strictly, wherever it is asked for as a whole.
        try:
            request.query_string.decode()
        except UnicodeDecodeError:
            raise BadRequest("an address must be valid UTF-8") from None
        if len(request.full_path) > LONGEST_ADDRESS:
            raise RequestURITooLarge
        if "\0" in request.path or any("\0" in part for pair in request.args.items(True) for part in pair):
            raise BadRequest("an address must not hold a NUL character")
        if request.method not in READS and not _is_file():
            _refuse_body()

    def _is_file() -> bool:
        return hasattr(app.view_functions.get(request.endpoint or ""), "takes_file")

    def _refuse_body() -> None:
        # A form is checked by webapp/forms.py, which knows the page to show the error on.
        if request.path.startswith("/api/") and request.get_data(cache=True):
            if not is_json_request(request):
                raise UnsupportedMediaType("send JSON, with Content-Type: application/json")
            try:
                request.get_json()
            except Invalid:
                raise
            except BadRequest:
                raise BadRequest("the body is not valid JSON") from None


def check_form() -> None:
    """Invalid, naming the field, for a text in this request's form that nothing here can mean."""
    for name, value in request.form.items(True):
        _check_text(name[:40], value)
