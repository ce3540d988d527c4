import base64
import hashlib
import re

from hypothesis import given
from hypothesis import strategies as st

from domain.access.credentials import (
    KEY_FORM,
    csrf_token,
    hash_of,
    is_api_key,
    is_session_token,
    last4_of,
    new_api_key,
    new_session_token,
    prefix_of,
    same_secret,
)

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
KEY = "sk_live_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg2LOcWk"


def test_a_session_secret_has_256_bits_that_are_new_each_time() -> None:
    tokens = {new_session_token() for _ in range(1_000)}

    assert len(tokens) == 1_000
    assert all(len(base64.urlsafe_b64decode(token + "=")) == 32 for token in tokens)
    assert all(is_session_token(token) for token in tokens)


def test_an_api_key_is_found_by_a_scanner_and_known_by_its_ends() -> None:
    keys = {new_api_key() for _ in range(1_000)}

    assert len(keys) == 1_000
    for key in keys:
        leaked = f"curl -H 'X-API-Key: {key}' https://stock.example"
        assert re.findall(KEY_FORM, leaked) == [key]
        assert is_api_key(key)
        assert (prefix_of(key), last4_of(key)) == (key[:12], key[-4:])


def test_the_format_of_a_key_never_changes() -> None:
    assert is_api_key(KEY)


@given(position=st.integers(8, len(KEY) - 1), char=st.sampled_from(ALPHABET))
def test_a_key_with_a_mistyped_character_is_no_key(position: int, char: str) -> None:
    mistyped = KEY[:position] + char + KEY[position + 1 :]

    assert is_api_key(mistyped) == (mistyped == KEY)


@given(st.text() | st.from_regex(KEY_FORM, fullmatch=True) | st.just(KEY).map(lambda key: key + "\n"))
def test_what_was_not_made_here_is_no_key(text: str) -> None:
    assert not is_api_key(text)
    assert not is_api_key(KEY[: len(text) % len(KEY)])


@given(st.text(min_size=44) | st.text(max_size=42) | st.just("A" * 42 + "\n") | st.just("A" * 42 + "é"))
def test_what_cannot_be_a_session_secret_is_told_from_its_form(text: str) -> None:
    assert not is_session_token(text)


def test_the_csrf_token_belongs_to_one_session_and_does_not_tell_its_secret() -> None:
    one, other = new_session_token(), new_session_token()

    assert csrf_token(one) == csrf_token(one)
    assert csrf_token(one) != csrf_token(other)
    assert one not in csrf_token(one)
    # What is stored of a session must not be enough to make its token.
    assert csrf_token(one) != base64.urlsafe_b64encode(hash_of(one)).rstrip(b"=").decode()


def test_a_secret_is_stored_as_its_sha_256() -> None:
    assert hash_of("secret") == hashlib.sha256(b"secret").digest()


def test_secrets_are_equal_or_not() -> None:
    assert same_secret("née", "née")
    assert not same_secret("née", "ne")
