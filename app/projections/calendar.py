"""The day that a moment belongs to, in UTC."""

from datetime import date
from functools import lru_cache

from app.domain.events import Micros
from app.errors import PermanentError

_DAY: Micros = 86_400_000_000
_EPOCH = date(1970, 1, 1).toordinal()


class NoSuchDayError(PermanentError):
    """The moment lies outside the calendar."""


def day_of(moment: Micros) -> str:
    """The day as YYYY-MM-DD; raises `NoSuchDayError` before the year 1 and after 9999."""
    return _iso(moment // _DAY)


@lru_cache(maxsize=1_024)
def _iso(days: int) -> str:
    try:
        return date.fromordinal(_EPOCH + days).isoformat()
    except (ValueError, OverflowError) as error:
        raise NoSuchDayError(f"day {days} since 1970 is in no calendar; discard the event that names it") from error
