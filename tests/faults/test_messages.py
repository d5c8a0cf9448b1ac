"""I1, I2, I12: whatever dies, no acknowledged message is lost, doubled or moved; readers get all."""

from collections.abc import Callable, Iterator

import pytest
from flask import Flask

from tests.faults.scene import Scene
from tests.support import live as commands
from tests.support.live import Live
from tests.support.processes import wait_until
from tests.support.rounds import ROUNDS


@pytest.fixture
def scene(live: Live, app: Flask) -> Iterator[Scene]:
    scene = Scene(live, app)
    yield scene
    for player in scene.players:
        player.stop()


def kill_a_web(scene: Scene) -> None:
    name = scene.chance.choice(list(scene.ports))
    scene.live.processes[name].kill()
    scene.go_on()
    scene.start_web(name)
    scene.go_on()


def kill_every_web(scene: Scene) -> None:
    for name in scene.ports:
        scene.live.processes[name].kill()
    for name in scene.ports:
        scene.start_web(name)
    scene.go_on()


def cut_websockets(scene: Scene) -> None:
    for reader in scene.readers:
        reader.cut()
        scene.go_on(2)


def kill_redis(scene: Scene) -> None:
    scene.live.redis.kill()
    scene.go_on(20)
    scene.live.redis.start()
    scene.go_on()


def hang_redis(scene: Scene) -> None:
    scene.live.redis.pause()
    scene.go_on(20)
    scene.live.redis.resume()
    scene.go_on()


def flush_redis(scene: Scene) -> None:
    scene.live.redis.flush()
    scene.go_on(20)


def stop_a_web_politely(scene: Scene) -> None:
    # Before it listens, a SIGTERM ends it as any program.
    wait_until(lambda: scene.listens("web2"), 30, "a second web that listens")
    assert scene.live.processes["web2"].stop() == 0
    scene.go_on()
    scene.start_web("web2")
    scene.go_on()


@pytest.mark.parametrize(
    "fault",
    [
        kill_a_web,
        kill_every_web,
        cut_websockets,
        kill_redis,
        hang_redis,
        flush_redis,
        stop_a_web_politely,
    ],
)
def test_nothing_is_lost_doubled_or_moved(scene: Scene, fault: Callable[[Scene], None]) -> None:
    scene.start()

    for _ in range(ROUNDS):
        fault(scene)

    assert scene.judge() == []


@pytest.mark.parametrize("point", ["post.before_commit", "post.after_commit"])
def test_a_web_that_dies_at_the_commit_of_a_post(scene: Scene, point: str) -> None:
    scene.start(CRASHPOINT=f"{point}:20")

    wait_until(lambda: not scene.live.web.alive, 30, "the death of web")
    scene.go_on()
    scene.start_web("web")
    scene.go_on()

    assert scene.judge() == []


class TestControls:
    """The same runs against broken builds: each must be found, or the tests above prove nothing."""

    def build(self, monkeypatch: pytest.MonkeyPatch, name: str) -> str:
        monkeypatch.setitem(commands.COMMANDS, name, ("-m", "tests.faults.broken", name))
        return name

    @pytest.mark.databases("sqlite")
    def test_a_build_that_throws_messages_away(self, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
        scene.start(self.build(monkeypatch, "acknowledges_what_it_throws_away"))

        scene.go_on(60)

        assert any(line.startswith("lost") for line in scene.judge())

    @pytest.mark.databases("sqlite")
    def test_a_build_that_forgets_client_ids(self, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
        kind = self.build(monkeypatch, "forgets_client_ids")
        scene.start(kind, CRASHPOINT="post.after_commit:20")

        wait_until(lambda: not scene.live.web.alive, 30, "the death of web")
        scene.go_on()
        scene.start_web("web", kind)

        assert any(line.startswith("doubled") for line in scene.judge())

    @pytest.mark.databases("sqlite")
    def test_a_build_that_forgets_what_was_missed(
        self, scene: Scene, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        scene.start(self.build(monkeypatch, "forgets_what_was_missed"))

        cut_websockets(scene)

        assert any("missed" in line for line in scene.judge())
