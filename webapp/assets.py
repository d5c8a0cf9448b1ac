"""Addresses of what the browser loads: they change with the content, so they may be cached for ever."""

import base64
import hashlib
import json
import mimetypes
from collections.abc import Callable
from functools import lru_cache, wraps
from pathlib import Path
from typing import Any

from flask import Flask, Response, request, send_from_directory

from webapp.config import ROOT

VENDOR = ROOT / "static/vendor"
FOR_EVER = "public, max-age=31536000, immutable"
PACKED = (".js", ".css", ".svg")


class Assets:
    """The manifest that the build wrote: name → file?v=hash."""

    def __init__(self, folder: Path = VENDOR) -> None:
        path = folder / "manifest.json"
        self.manifest: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
        scripts = {
            name: self.address(name)
            for name, file in self.manifest.items()
            if file.partition("?")[0].endswith(".js")
        }
        self.importmap = json.dumps({"imports": scripts}, separators=(",", ":"), sort_keys=True)
        digest = hashlib.sha256(self.importmap.encode()).digest()
        self.importmap_hash = f"sha256-{base64.b64encode(digest).decode()}"
        self._versions = dict(file.partition("?v=")[::2] for file in self.manifest.values())

    def address(self, name: str) -> str:
        return f"/static/vendor/{self.manifest.get(name, name)}"

    def unchanging(self, path: str, version: str) -> bool:
        """Whether this address names exactly the bytes that are served under it."""
        return bool(version) and self._versions.get(path.removeprefix("/static/vendor/")) == version


@lru_cache(maxsize=1)
def assets() -> Assets:
    return Assets()


def install(app: Flask) -> None:
    found = assets()
    app.jinja_env.globals.update(asset=found.address, importmap=found.importmap)
    app.view_functions["static"] = _packed(app, app.view_functions["static"])

    @app.after_request
    def cache(response: Response) -> Response:
        if request.endpoint == "static":
            fixed = found.unchanging(request.path, request.args.get("v", ""))
            response.headers["Cache-Control"] = FOR_EVER if fixed else "no-cache"
        return response


def _packed(app: Flask, plain: Any) -> Callable[..., Response]:
    """Send what the build packed to whoever takes gzip: not every proxy packs by itself."""

    @wraps(plain)
    def send(*, filename: str) -> Response:
        packed = Path(app.static_folder or "") / f"{filename}.gz"
        if filename.endswith(PACKED) and "gzip" in request.accept_encodings and packed.exists():
            response = send_from_directory(
                packed.parent, packed.name, mimetype=mimetypes.guess_type(filename)[0]
            )
            response.headers["Content-Encoding"] = "gzip"
        else:
            response = plain(filename=filename)
        if filename.endswith(PACKED):
            response.vary.add("Accept-Encoding")
        return response

    return send


def built() -> bool:
    return (VENDOR / "manifest.json").exists()
