"""What a new password must be: long, and not what is guessed first."""

import random
import string

import pytest

from domain.access.passwords import COMMON, LONGEST_BYTES, SHORTEST, is_guessable, refuse_weak
from domain.errors import FieldError

OWNER = ("robin.clerk@acme.example", "Robin Clerk", "Acme Tools Ltd")

GUESSED = (
    "passwordpassword",
    "password123456789",
    "P@ssw0rd2026!!!!",
    "Welcome123456789!",
    "Summer2026Summer2026",
    "qwertyuiop123456",
    "1q2w3e4r5t6y7u8i",
    "123456789012345",
    "987654321098765",
    "abcdefghijklmnop",
    "aaaaaaaaaaaaaaaaaaaa",
    "abcabcabcabcabcabc",
    "abababababababababab",
    "!!!!!!!!!!!!!!!!!!!",
    "               ",
    "admin.admin.admin",
    "correct horse battery staple",
    "Correct-Horse-Battery-Staple",
    "iloveyouiloveyou1",
    "robin.clerk@acme",
    "ClerkRobin2026!",
    "AcmeTools-12345",
)
GOOD = (
    "seven lanterns over a quiet harbour",
    "tractor umbrella violin 7",
    "mein Hund frisst gern Birnen",
    "vX9$kQ2!mZ7@pL4",
    "purple-elephant-rides-tandem",
    "日本語のパスワードは長いです今日",
    "тёплый чайник на столе",
    " leading and trailing spaces ",
    "e\u0301te\u0301 au bord du lac",
)


@pytest.mark.parametrize("password", GUESSED)
def test_what_is_guessed_early_is_refused_with_advice(password: str) -> None:
    with pytest.raises(FieldError, match="too easily guessed"):
        refuse_weak(password, of=OWNER)


@pytest.mark.parametrize("password", GOOD)
def test_what_is_long_and_one_s_own_is_taken(password: str) -> None:
    refuse_weak(password, of=OWNER)


def test_what_is_too_short_or_too_long_is_refused_by_characters_and_by_bytes() -> None:
    letters = "qzjxkvbpygfwmuclhdrsnioate"
    refuse_weak(letters[:SHORTEST])
    refuse_weak("ж" + "".join(random.Random(1).choices("абвгдежзиклмнопрстуфхцчш", k=LONGEST_BYTES // 2 - 1)))

    with pytest.raises(FieldError, match="at least 15"):
        refuse_weak(letters[: SHORTEST - 1])
    with pytest.raises(FieldError, match="at most 1024 bytes"):
        refuse_weak("".join(random.Random(1).choices("абвгдежзиклмнопрстуфхцчш", k=LONGEST_BYTES // 2 + 1)))


def test_the_refusal_names_the_field_and_never_the_password() -> None:
    with pytest.raises(FieldError) as refused:
        refuse_weak("password123456789", field="password")

    assert refused.value.facts["fields"] == [
        {"path": "password", "message": "is too easily guessed: take some words that do not belong together"}
    ]
    assert "123456789" not in str(refused.value)


def test_what_a_generator_makes_is_hardly_ever_refused() -> None:
    lots = random.Random(7)
    alphabet = string.ascii_letters + string.digits + "!#$%&*+-=?@_"
    made = ["".join(lots.choices(alphabet, k=20)) for _ in range(5_000)]

    assert sum(map(is_guessable, made)) <= 5


def test_no_common_word_alone_or_with_digits_will_do() -> None:
    lengthened = [word + "1234567890123456"[: max(0, SHORTEST - len(word))] for word in COMMON]

    assert [password for password in lengthened if not is_guessable(password)] == []
