"""Times as users see them: RFC 3339 in UTC. Inside they are microseconds since the epoch."""

from datetime import UTC, datetime, timedelta

from app.domain.events import Micros

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def micros(moment: datetime) -> Micros:
    return (moment - EPOCH) // timedelta(microseconds=1)


def text(moment: Micros) -> str:
    """`2011-10-06T15:20:00Z`; fractions of a second only when there are some."""
    return (EPOCH + timedelta(microseconds=moment)).isoformat().replace("+00:00", "Z")
