"""Passwords that are tried first are refused; what a manager makes, and a phrase of one's own, is not."""

import random
import time
from base64 import urlsafe_b64encode

import pytest

from models.errors import Invalid
from models.guessable import guessable
from models.user import hash_password

FIRST = [
    "111111111111",
    "123456789012",
    "aaaaaaaaaaaa",
    "qwertyqwerty",
    "letmeinletmein",
    "abababababab",
    "x7Kx7Kx7Kx7K",
    "abcdefghijkl",
    "987654321098",
    "1qaz2wsx3edc",
    "qwertyuiop123",
    "asdfghjkl;12",
    "zaqwsxcderfv"[::-1],
    "Password1234",
    "passwordpassword",
    "P@ssw0rd2026!",
    "p4ssw0rd p4ssw0rd",
    "teamroom2026",
    "Team Room 2026!",
    "team-room-team-room",
    "administrator",
    "changeme12345678",
    "iloveyou1234",
    "sunshine dragon",
    "Superman_2024",
    "welcome123456!",
    "hunter2hunter2",
    "asd1asd1asd1",
    "19991999aaaa!",
    "qwerty123456",
    "11112222333344",
]
FINE = [
    "correct horse battery",
    "another good password",
    "the cat sat on my mat",
    "Tr0ub4dor&3-xylem",
    "mNq8-2vLk-0RtZ",
    "sunshine makes dragons hum",
    "лето в деревне у реки",
    "ünïcödé-phräse-ok",
    "7291 4408 6315 9",
    "24113\n where the river bends",
]


@pytest.mark.parametrize("password", FIRST)
def test_what_is_tried_first_is_refused(password: str) -> None:
    with pytest.raises(Invalid) as refused:
        hash_password(password)

    assert refused.value.fields == {"password": ["is one of the passwords that are tried first"]}


@pytest.mark.parametrize("password", FINE)
def test_what_nobody_tries_is_taken(password: str) -> None:
    assert not guessable(password)


def test_no_password_of_a_manager_is_refused() -> None:
    """The same ones each time: of 10,000, about one looks like what a person would take (`loiaNiaN5snt`)."""
    manager = random.Random(1)
    made = [urlsafe_b64encode(manager.randbytes(9)).decode() for _ in range(300)]

    assert [password for password in made if guessable(password)] == []


@pytest.mark.parametrize("unit", ["password", "1a", "qwertz", "aab", "dragon1"])
def test_the_longest_takes_no_time(unit: str) -> None:
    began = time.process_time()

    guessable((unit * 128)[:127] + "§")

    assert time.process_time() - began < 0.5


def test_nor_does_one_that_was_made_to_take_long() -> None:
    """Each of its signs can stand for several letters: without a limit it takes 13 seconds."""
    began = time.process_time()

    guessable(("4@8({[<3691!|0$5+7%2a" * 128)[:128])

    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    "password",
    [
        "mara.lindqvist@example.org",
        "Mara Lindqvist",
        "lindqvist_mara-2026!",
        "example-mara-example",
        "MARALINDQVISTMARALINDQVIST",
        "M4ra-L1ndqv1st",
        "tsivqdnil1234",
    ],
)
def test_a_password_is_not_made_of_ones_own_name_or_address(password: str) -> None:
    with pytest.raises(Invalid) as refused:
        hash_password(password, "Mara Lindqvist", "mara.lindqvist@example.org")

    assert refused.value.fields == {"password": ["is made of the person's own name or address"]}
    assert hash_password(password, "Jo Li", "jo@li.net")


def test_ones_own_name_may_be_in_a_good_one() -> None:
    assert not guessable("sunshine makes mara hum", "Mara Lindqvist", "mara@example.org")
