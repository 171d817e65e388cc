"""The tree of errors. Where an error stands in it says how it is handled.

OrderflowError
├── TransientError          may succeed later: retried with backoff, then its declared outcome or the DLQ
│   └── SurroundingsError   says nothing of the record, whose attempt does not count: its task waits for them
├── PermanentError          will always be refused: to the DLQ at once
│   └── PoisonError         the bytes cannot be read as what the topic carries: to the DLQ at once
├── RefusedError            a command that the rules refuse: answered to the caller, nothing is written
│   └── ConcurrencyError    the stream is not at the expected version
└── SetupError              configuration, topics or disk are not as they must be: the process ends and names what mends

Every message says what happened and what to do next.
"""


class OrderflowError(Exception):
    """Root of all errors that this product raises on purpose."""


class TransientError(OrderflowError):
    """May succeed later (network, timeout, unavailable)."""


class SurroundingsError(TransientError):
    """What the record needs is away, and so for others too: no fault of the record, and no attempt of it."""


class PermanentError(OrderflowError):
    """The same record will be refused however often it is tried."""


class PoisonError(PermanentError):
    """The record cannot be decoded or validated."""


class RefusedError(OrderflowError):
    """A command that the rules refuse in the present state."""


class ConcurrencyError(RefusedError):
    """The stream stands at `actual`, the caller expected `expected`."""

    def __init__(self, stream_id: str, expected: int, actual: int) -> None:
        super().__init__(f"{stream_id} is at version {actual}, not {expected}; read it again and retry the command")
        self.stream_id, self.expected, self.actual = stream_id, expected, actual


class SetupError(OrderflowError):
    """The surroundings of a process are not as it needs them; the message names the command that mends it."""
