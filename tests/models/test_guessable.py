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
    """The same ones each time: of 200,000, one or two look like what a person would take (`EeaAE_c6AEc_`)."""
    manager = random.Random(1)
    made = [urlsafe_b64encode(manager.randbytes(9)).decode() for _ in range(300)]

    assert [password for password in made if guessable(password)] == []


@pytest.mark.parametrize("unit", ["password", "1a", "qwertz", "aab", "dragon1"])
def test_the_longest_takes_no_time(unit: str) -> None:
    began = time.process_time()

    guessable((unit * 128)[:127] + "§")

    assert time.process_time() - began < 0.5
