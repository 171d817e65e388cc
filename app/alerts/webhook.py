"""Alerts as signed HTTP requests.

The receiver computes HMAC-SHA256, with the shared secret, of `<t>.<raw body>`, where `t` stands in the header
`X-Orderflow-Signature: t=<unix seconds>,v1=<hex>`. It refuses an old `t`, and knows a repeated alert by its
`Idempotency-Key`: after a lost answer or a restart the same alert comes again.
"""

import hashlib
import hmac
import time
from collections.abc import Callable

import aiohttp

from app.alerts.once import Once
from app.alerts.port import Alert, AlertRefusedError, AlertUndeliveredError, body

SIGNATURE = "X-Orderflow-Signature"
LATER = frozenset({408, 425, 429})  # the 4xx that speak of the moment, not of the request


def signature(secret: bytes, at_s: int, content: bytes) -> str:
    """The value of the header; it holds for this body at this time only."""
    signed = hmac.new(secret, f"{at_s}.".encode() + content, hashlib.sha256).hexdigest()
    return f"t={at_s},v1={signed}"


class WebhookAlerts:
    """Sends to `url`, waiting `timeout_s` for the answer."""

    def __init__(
        self,
        url: str,
        secret: bytes,
        *,
        timeout_s: float,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._url, self._secret, self._timeout_s, self._now_s = url, secret, timeout_s, now_s
        self._once = Once()
        self._session: aiohttp.ClientSession | None = None

    async def send(self, alert: Alert) -> None:
        await self._once.deliver(alert, self._deliver)

    async def _deliver(self, alert: Alert) -> None:
        problem = await self._attempt(alert.id, body(alert))
        if problem is not None:
            raise AlertUndeliveredError(f"alert {alert.id} was not delivered: {problem}; mend the webhook")

    async def _attempt(self, alert_id: str, content: bytes) -> str | None:
        """None when it was delivered, else why not; `AlertRefusedError` when it never will be."""
        headers = {
            "content-type": "application/json",
            "idempotency-key": alert_id,
            SIGNATURE: signature(self._secret, int(self._now_s()), content),
        }
        try:
            async with self._opened().post(self._url, data=content, headers=headers, allow_redirects=False) as answer:
                status = answer.status
        except TimeoutError:
            return f"no answer within {self._timeout_s:g} s"
        except aiohttp.InvalidURL as error:
            raise AlertRefusedError(f"the webhook's address {error} is none; mend it") from None
        except (aiohttp.ClientError, OSError) as error:
            return f"{type(error).__name__}: {error}"
        if 200 <= status < 300:
            return None
        if status >= 500 or status in LATER:
            return f"status {status}"
        raise AlertRefusedError(f"the webhook answers status {status}; mend its address or its secret")

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:  # here, not before: it belongs to the running loop
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=self._timeout_s))
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None
