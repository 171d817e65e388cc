"""How what a client has fetched becomes columns of keys and values: by the compiled intake where it was built.

The client makes an object of each message and of each of its headers. That is a seventh of what an event costs, and few
records are ever looked at but for their key and value: the compiled intake does without.
"""

import os
from typing import Literal, Protocol, TypeAlias

from confluent_kafka import Consumer

from app.errors import SetupError
from app.streaming.kafka.messages import MessageIntake, Taken

try:
    from app.streaming.kafka.compiled.columns import ColumnIntake
except ImportError:  # no C compiler was at hand when the product was installed, or the client is of another version
    AVAILABLE: "tuple[IntakeName, ...]" = ("messages",)
else:
    AVAILABLE = ("compiled", "messages")

IntakeName: TypeAlias = Literal["compiled", "messages"]

VARIABLE = "ORDERFLOW_INTAKE"


class Intake(Protocol):
    """Takes from a consumer what it has fetched, in its order within each topic partition."""

    def add(self, topic: str, partition: int) -> None:
        """Called before the consumer is assigned this place, and now and then while it is: when the client is done with
        an earlier assignment of it, that is forgotten."""
        ...

    def take(self, most: int, wait_s: float) -> list[Taken]:
        """What is there, of `most` messages; waits so long for the first one."""
        ...

    def close(self) -> None:
        """Called before the consumer is closed: no record may be asked for any more."""
        ...


def intake_in_use() -> IntakeName:
    """The faster one that is there, or the one that `ORDERFLOW_INTAKE` asks for; a `SetupError` when it is not."""
    asked = os.environ.get(VARIABLE) or AVAILABLE[0]
    for name in AVAILABLE:
        if name == asked:
            return name
    raise SetupError(
        f"{VARIABLE}={asked}, but there is only {' and '.join(AVAILABLE)}; unset it, or install where a C compiler is"
    )


def intake_of(consumer: Consumer) -> Intake:
    """What takes from this consumer."""
    return ColumnIntake(consumer) if intake_in_use() == "compiled" else MessageIntake(consumer)
