from collections.abc import Callable
from typing import Any

from app.domain.events import Event
from app.serde.compiled.values import Node

MAX_FIELDS: int

class Uuid(Node): ...
class Currency(Node): ...

class Printable(Node):
    def __init__(self, least: int, most: int) -> None: ...

class Number(Node):
    def __init__(self, least: int, most: int) -> None: ...

class Items(Node):
    def __init__(self, item: Node, least: int, most: int) -> None: ...

class Ignored(Node):
    def __init__(self, node: Node) -> None: ...

class Given(Node):
    def __init__(self, value: object) -> None: ...

class Struct(Node):
    def __init__(self, called: type[Any], names: tuple[str, ...], nodes: tuple[Node, ...]) -> None: ...

class Line(Struct):
    def __init__(
        self, called: type[Any], names: tuple[str, ...], nodes: tuple[Node, ...], quantity: int, price: int, most: int
    ) -> None: ...

class EventDecoder:
    def __init__(
        self,
        root: Node,
        start: int,
        reference: Callable[[bytes], Event],
        *,
        levels: int,
        items: int,
        steps: int,
    ) -> None: ...
    def decode(self, value: bytes) -> Event: ...
