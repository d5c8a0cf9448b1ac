"""What the browser loads is sent as the build packed it, to whoever can unpack it."""

import gzip

import pytest
from flask.testing import FlaskClient

from webapp.assets import assets

ADDRESS = assets().address("app.css")


@pytest.mark.databases("sqlite")
class TestPacked:
    def test_who_takes_gzip_gets_it(self, client: FlaskClient) -> None:
        with (
            client.get(ADDRESS, headers={"Accept-Encoding": "gzip, br"}) as packed,
            client.get(ADDRESS) as plain,
        ):
            unpacked, whole = gzip.decompress(packed.data), plain.data

        assert packed.headers["Content-Encoding"] == "gzip"
        assert packed.mimetype == plain.mimetype == "text/css"
        assert unpacked == whole
        assert "immutable" in packed.headers["Cache-Control"]

    def test_who_does_not_gets_it_plain(self, client: FlaskClient) -> None:
        with client.get(ADDRESS, headers={"Accept-Encoding": "br"}) as plain:
            assert plain.data

        assert "Content-Encoding" not in plain.headers
        assert "Accept-Encoding" in plain.headers["Vary"]

    @pytest.mark.parametrize("name", ["vendor/none.css", "../wsgi.py", "vendor/../../wsgi.py"])
    def test_nothing_else_is_found(self, client: FlaskClient, name: str) -> None:
        assert client.get(f"/static/{name}", headers={"Accept-Encoding": "gzip"}).status_code == 404
