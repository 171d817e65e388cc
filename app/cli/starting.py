"""What `--from` says: where a group starts."""

from datetime import datetime

from app.errors import SetupError
from app.streaming.kafka.offsets import Start


def start_of(text: str | None) -> Start | None:
    """earliest, latest, or an ISO time, local where it has no zone."""
    if text is None or text == "earliest" or text == "latest":
        return text  # type: ignore[return-value]  # one of the literals
    try:
        return int(datetime.fromisoformat(text).astimezone().timestamp() * 1000)
    except ValueError:
        raise SetupError(f"--from takes earliest, latest or an ISO time, not {text!r}") from None
