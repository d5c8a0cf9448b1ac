"""(f) What a browser loads at first: scripts and styles, compressed."""

import asyncio
import gzip
import json
import re

from bench.measure import Effort, Outcome, Row, at_most
from bench.people import Room, furnish
from bench.requests import Connection
from bench.servers import Server, Stage

LINKED = re.compile(r'(?:src|href)="(/static/[^"]+)"')
IMPORTMAP = re.compile(r'<script type="importmap">(.*?)</script>', re.DOTALL)
IMPORTED = re.compile(r'(?:url\("?|import "|from ")(/static/[^")]+)')
BUDGET_KB = 110

NOTES = [
    "Every script and style sheet that the page of the room links, preloads or names in its import map, and "
    "what those import. The size is that of gzip -9, in units of 1,024 bytes; fonts and icons come beside.",
]


def run(stage: Stage, effort: Effort) -> Outcome:
    database = stage.database("sqlite")
    room = furnish(database, 1)
    files = asyncio.run(_files(stage.web(database), room))
    sizes = {path: len(gzip.compress(body, 9)) / 1024 for path, body in files.items()}
    whole = sum(sizes.values())
    rows = [
        Row("JS + CSS, KB gz", whole, BUDGET_KB, "the budget", at_most(1)),
        Row("without gzip, KB", sum(map(len, files.values())) / 1024),
        *(Row(f"`{_name(path)}`, KB gz", size, whole, "all") for path, size in sizes.items()),
    ]
    return Outcome("(f) The first load", rows, NOTES)


def _name(path: str) -> str:
    return path.partition("?")[0].rpartition("/")[2]


async def _files(server: Server, room: Room) -> dict[str, bytes]:
    connection = Connection(server.port)
    page = await connection.get(f"/{room.key}/chat", {"Cookie": f"tr_sid={room.people[0].cookie}"})
    assert page.status == 200, page
    waiting, files = _addresses(page.body.decode()), dict[str, bytes]()
    while waiting:
        path = waiting.pop()
        if path in files or not _name(path).endswith((".js", ".css")):
            continue
        answer = await connection.get(path, {})
        assert answer.status == 200, (path, answer.status)
        files[path] = answer.body
        waiting += IMPORTED.findall(answer.body.decode())
    await connection.close()
    return files


def _addresses(page: str) -> list[str]:
    found = IMPORTMAP.search(page)
    assert found, "the page has no import map"
    return [*LINKED.findall(page), *json.loads(found[1])["imports"].values()]
