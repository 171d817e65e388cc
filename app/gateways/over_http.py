"""One exchange with a party over HTTP, and what its failures mean."""

from typing import TypeVar
from urllib.parse import quote

import aiohttp
import msgspec
from yarl import URL

from app.gateways.ports import CallRejectedError, PartyUnavailableError

CONNECTIONS = 64
IDLE_SECONDS = 2.0  # shorter than servers keep idle connections: a call never meets one that is just being closed
LATER = {408, 425, 429}  # the 4xx that speak of the moment, not of the call

AnswerT = TypeVar("AnswerT")


class HttpParty:
    """The JSON API of one party at `url`. `timeout_seconds` bounds a whole exchange, the wait for a connection too."""

    def __init__(self, party: str, url: str, timeout_seconds: float) -> None:
        self._party = party
        self._url = url.rstrip("/")
        self._timeout_seconds = timeout_seconds
        self._session: aiohttp.ClientSession | None = None

    async def exchange(
        self, method: str, path: str, body: object, answer: type[AnswerT], *, quoted: bool = True
    ) -> AnswerT:
        """The 2xx answer of `method path`; see `Gateway.perform` for the errors.

        Without `quoted`, no error repeats a word of the answer: it may hold what is private in the body.
        """
        if self._session is None:
            self._session = self._open()  # here, not before: it belongs to the running loop
        url = URL(self._url + path, encoded=True)
        try:
            async with self._session.request(
                method, url, data=msgspec.json.encode(body), allow_redirects=False
            ) as response:
                return self._read(response.status, await response.read(), answer, quoted)
        except TimeoutError:
            raise PartyUnavailableError(self._party, f"no answer within {self._timeout_seconds:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            if not quoted:
                raise PartyUnavailableError(self._party, type(error).__name__) from None
            raise PartyUnavailableError(self._party, f"{type(error).__name__}: {error}") from error

    def _open(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=IDLE_SECONDS),
            timeout=aiohttp.ClientTimeout(total=self._timeout_seconds),
            headers={"content-type": "application/json"},
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    def _read(self, status: int, content: bytes, answer: type[AnswerT], quoted: bool) -> AnswerT:
        if status >= 500 or status in LATER:
            raise PartyUnavailableError(self._party, f"status {status}")
        if not 200 <= status < 300:
            told = content[:500].decode(errors="replace") if quoted else "its words may be private"
            raise CallRejectedError(self._party, f"status {status}: {told}")
        try:
            return msgspec.json.decode(content, type=answer)
        except (msgspec.MsgspecError, UnicodeError) as error:
            # the effect may stand all the same: unknown, as with an answer that never came
            if not quoted:
                raise PartyUnavailableError(self._party, "its answer cannot be read") from None
            raise PartyUnavailableError(self._party, f"its answer cannot be read: {error}") from error

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None


def path(*segments: str | int) -> str:
    """An absolute path whose segments may hold any character."""
    return "".join(f"/{quote(str(segment), safe='')}" for segment in segments)
