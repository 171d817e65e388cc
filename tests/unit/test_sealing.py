"""What is sealed with the key of a person opens with that key, in its place, and in no other way."""

import base64
from collections.abc import Callable
from uuid import uuid4

import pytest

from app.domain.fields import MAX_SEALED
from app.people.people import People
from app.people.port import PersonalData
from app.people.sealing import BrokenSealError, PersonKey, key_id, new_key
from app.web.models import MAX_ADDRESS
from tests.contract.person_keys import MemoryPersonKeys

PLACE = "order name"
KEY = new_key()


@pytest.mark.parametrize("text", ["Anna", "Żółć ☕ 你好", "x" * 1000])
def test_a_sealed_text_opens_in_its_place(text: str) -> None:
    sealed = KEY.seal(text, PLACE)
    assert sealed.isascii()
    assert text not in sealed
    assert KEY.unseal(sealed, PLACE) == text


def test_the_same_text_is_never_sealed_to_the_same() -> None:
    assert len({KEY.seal("Anna", PLACE) for _ in range(100)}) == 100


def test_a_sealed_text_names_its_key() -> None:
    assert key_id(KEY.seal("Anna", PLACE)) == KEY.id


def flipped(sealed: str) -> str:
    content = base64.urlsafe_b64decode(sealed)
    return base64.urlsafe_b64encode(content[:-1] + bytes([content[-1] ^ 1])).decode()


@pytest.mark.parametrize(
    "attempt",
    [
        lambda sealed: KEY.unseal(sealed, "another place"),
        lambda sealed: KEY.unseal(flipped(sealed), PLACE),
        lambda sealed: PersonKey(KEY.id, new_key().secret).unseal(sealed, PLACE),
        lambda sealed: KEY.unseal(sealed[:40], PLACE),
        lambda sealed: key_id("Anna, 1 Main Street"),
        lambda sealed: key_id("AAAA"),
        lambda sealed: key_id("größe"),
    ],
)
def test_what_was_moved_changed_or_never_sealed_does_not_open(attempt: Callable[[str], object]) -> None:
    with pytest.raises(BrokenSealError, match="cannot be opened"):
        attempt(KEY.seal("Anna", PLACE))


def test_marks_tell_texts_apart_and_persons() -> None:
    other = PersonKey(uuid4(), new_key().secret)
    assert KEY.mark("Anna") == KEY.mark("Anna")
    assert len({KEY.mark("Anna"), KEY.mark("Bert"), other.mark("Anna")}) == 3


def test_neither_keys_nor_what_was_opened_are_shown_in_messages() -> None:
    data = PersonalData(state="readable", customer_name="Anna", delivery_address="1 Main Street")
    assert KEY.secret.hex() not in repr(KEY)
    assert repr(KEY.secret) not in repr(KEY)
    assert "Anna" not in repr(data)
    assert "Main" not in f"{data}"


@pytest.mark.anyio
async def test_the_longest_address_fits_the_field_of_the_event() -> None:
    sealed = await People(MemoryPersonKeys()).seal(
        str(uuid4()), "anna", customer_name="", delivery_address="\U0001f3e0" * MAX_ADDRESS
    )
    assert len(sealed.delivery_address) <= MAX_SEALED
    assert sealed.customer_name == ""
