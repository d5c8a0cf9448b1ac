"""Commands of the operator: `flask --app webapp …`."""

from flask import Flask


def install(app: Flask) -> None:
    pass
