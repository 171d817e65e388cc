"""Alerts as lines of the log, at critical."""

from app.alerts.once import Once
from app.alerts.port import Alert
from app.observability.log import logger

log = logger(__name__)


class LogAlerts:
    """Cannot fail: it is the alert that is always there."""

    def __init__(self) -> None:
        self._once = Once()

    async def send(self, alert: Alert) -> None:
        await self._once.deliver(alert, self._write)

    async def _write(self, alert: Alert) -> None:
        fields = {**alert.details, **alert.cause}
        log.critical(alert.name, alert_id=alert.id, raised_at=alert.raised_at, about=fields)

    async def close(self) -> None:
        """Nothing is held."""
