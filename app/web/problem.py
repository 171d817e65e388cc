"""Failures as problem details (RFC 9457): the one form of every error answer, whichever process gives it."""

from collections.abc import Mapping

import msgspec

from app.errors import OrderflowError

MEDIA_TYPE = "application/problem+json"

# code -> HTTP status and title; what Kafka Streams tells of views too has the code that it has there
CODES: Mapping[str, tuple[int, str]] = {
    "REQUEST_INVALID": (422, "The request does not say what it should"),
    "REQUEST_UNREADABLE": (400, "The request cannot be read"),
    "BODY_TOO_LARGE": (413, "The body is larger than this service takes"),
    "KEY_REUSED": (422, "The idempotency key belongs to another command"),
    "VERSION_CONFLICT": (412, "The order is not at the expected version"),
    "ORDER_UNKNOWN": (404, "No such order"),
    "ORDER_EXISTS": (409, "The order exists already"),
    "ORDER_ENDED": (409, "The order is confirmed or cancelled"),
    "ORDER_ORCHESTRATED": (409, "The order takes no more items"),
    "ORDER_INVALID": (422, "The order would break a limit"),
    "BUSY": (429, "More commands wait than the service takes"),
    "UNAVAILABLE": (503, "The service cannot answer now"),
    "NOT_FOUND": (404, "Nothing is at this address"),
    "METHOD_NOT_ALLOWED": (405, "The address does not take this method"),
    "INTERNAL": (500, "The service failed"),
    "DOES_NOT_EXIST": (404, "The view has no such row"),
    "SAGA_UNKNOWN": (404, "No such saga"),
    "STEP_UNKNOWN": (404, "The saga has no such step"),
    "STEP_NOT_FAILED": (409, "The step does not wait for an operator"),
    "STEP_NOT_SKIPPED": (409, "The step decides the saga"),
    "LETTER_UNKNOWN": (404, "No such dead letter"),
    "GROUP_UNKNOWN": (404, "No such group of dead letters"),
    "RUN_UNKNOWN": (404, "No such campaign"),
    "NOTHING_TO_SEND": (409, "No letter may be sent"),
    "EDIT_REFUSED": (422, "The payload may not take the place of the letter's"),
    "CAMPAIGN_RUNNING": (409, "A campaign is running"),
    "CAMPAIGN_ABORTED": (409, "The campaign has ended by itself"),
    "TOO_MANY_ROWS": (422, "The view has more rows than one answer holds"),
    "NOT_ACTIVE": (503, "No worker serves this row now"),
    "STORE_EXCEPTION": (500, "The row cannot be read"),
}

RETRY_AFTER_SECONDS = 1


class Problem(msgspec.Struct, frozen=True):
    """What went wrong (`code`, one of `CODES`), what to do (`detail`), and what a program needs to act (`extras`)."""

    code: str
    detail: str
    extras: Mapping[str, object] = {}

    @property
    def status(self) -> int:
        return CODES[self.code][0]

    @property
    def headers(self) -> dict[str, str]:
        """Of the answer: those that may succeed later say when."""
        return {"Retry-After": str(RETRY_AFTER_SECONDS)} if self.status in {429, 503} else {}

    def body(self) -> bytes:
        status, title = CODES[self.code]
        kind = "urn:orderflow:problem:" + self.code.lower().replace("_", "-")
        members = {"type": kind, "title": title, "status": status, "detail": self.detail, "code": self.code}
        return msgspec.json.encode(members | dict(self.extras))


class _Told(msgspec.Struct):
    code: str
    detail: str


class ProblemError(OrderflowError):
    """Ends a request with `problem` as its answer."""

    def __init__(self, code: str, detail: str, **extras: object) -> None:
        super().__init__(detail)
        self.problem = Problem(code, detail, extras)


def told(body: bytes) -> ProblemError:
    """The problem that another process of ours has answered with."""
    said = msgspec.json.decode(body, type=_Told)
    return ProblemError(said.code, said.detail)
