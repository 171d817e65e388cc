"""What parties say over HTTP, held to what events can carry: an answer that no event tells would be met for ever.

The checks are for `__post_init__` of an answer: with their `ValueError` it cannot be read.
"""

from app.domain.fields import MAX_MINOR, MAX_TEXT
from app.serde.limits import BREAKS_TEXT, is_currency


def in_an_event(words: str) -> str:
    """The words as an event tells them: cut to `MAX_TEXT`, with a space for each control character."""
    return BREAKS_TEXT.sub(" ", words[:MAX_TEXT])


def check_id(text: str) -> None:
    """A `ValueError` for an id that no event can carry: it cannot be cut, for it would be another one."""
    if not 0 < len(text) <= MAX_TEXT or BREAKS_TEXT.search(text):
        raise ValueError("an id is empty, too long, or holds control characters")


def check_money(currency: str, amount_minor: int) -> None:
    """The same for an amount."""
    if len(currency) != 3 or not is_currency(currency) or not 0 <= amount_minor <= MAX_MINOR:
        raise ValueError("an amount has no currency such as GBP, or is out of all bounds")
