"""Sends an alert to every receiver there is; the gateway of the topology that delivers alerts."""

from app.alerts.port import Alert, Alerts


class Everywhere:
    """Performs an `Alert`. Receivers are asked in order, and one that has taken it is not asked again."""

    def __init__(self, *receivers: Alerts) -> None:
        self._receivers = receivers

    async def perform(self, call: Alert) -> None:
        for receiver in self._receivers:
            await receiver.send(call)

    async def close(self) -> None:
        for receiver in self._receivers:
            await receiver.close()
