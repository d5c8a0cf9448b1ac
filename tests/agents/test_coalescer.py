"""Small deltas become few larger ones, with the offset of each."""

import asyncio

from agents.coalescer import Coalescer


def played(play, **options):
    """What a coalescer emits while `play(coalescer)` runs."""
    emitted = []

    async def main():
        await play(Coalescer(lambda offset, text: emitted.append((offset, text)), **options))

    asyncio.run(main())
    return emitted


def test_deltas_are_joined_until_time_is_up():
    async def play(coalescer):
        for word in ("one ", "two ", "three "):
            coalescer.text(word)
        await asyncio.sleep(0.03)
        coalescer.text("four")
        coalescer.flush()

    assert played(play, seconds=0.01) == [(0, "one two three "), (14, "four")]


def test_a_lot_of_text_does_not_wait():
    async def play(coalescer):
        for _ in range(1000):
            coalescer.text("12345")
        coalescer.flush()

    emitted = played(play, seconds=60, characters=600)
    assert [len(text) for _, text in emitted] == [600] * 8 + [200]
    assert [offset for offset, _ in emitted] == [600 * number for number in range(9)]


def test_a_reset_drops_what_waits_and_starts_again_at_its_offset():
    async def play(coalescer):
        coalescer.text("kept ")
        coalescer.flush()
        coalescer.text("sent")
        coalescer.flush()
        coalescer.text("dropped")
        coalescer.reset(5)
        coalescer.text("again")
        coalescer.flush()

    assert played(play) == [(0, "kept "), (5, "sent"), (5, "again")]


def test_nothing_is_emitted_for_nothing():
    async def play(coalescer):
        coalescer.flush()
        coalescer.text("")
        coalescer.flush()

    assert played(play) == []
