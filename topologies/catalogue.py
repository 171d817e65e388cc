"""All topologies by name."""

from collections.abc import Callable

from app.config import Settings
from app.errors import SetupError
from app.serde.lock import committed_registry
from app.serde.registry import SchemaRegistry
from app.streaming.reactions import Gateway
from app.streaming.topology import Topology
from topologies import fulfilment, inventory, order_views, payments, shipping


class _Unreached:
    """The gateway of a topology that is only described."""

    async def perform(self, call: object) -> object:
        raise TypeError(f"{call} asked of a topology that does not run")


NAMES = (order_views.NAME, payments.NAME, inventory.NAME, shipping.NAME, fulfilment.NAME)

_REACTIONS: dict[str, Callable[[Settings, SchemaRegistry, Gateway], Topology]] = {
    payments.NAME: payments.build,
    inventory.NAME: inventory.build,
    shipping.NAME: shipping.build,
    fulfilment.NAME: fulfilment.build,
}


def build(name: str, settings: Settings, gateway: Gateway | None = None) -> Topology:
    """The topology of that name, acting through `gateway`; a `SetupError` lists the names there are."""
    registry = committed_registry()
    if name == order_views.NAME:
        return order_views.build(settings, registry)
    if name in _REACTIONS:
        return _REACTIONS[name](settings, registry, gateway or _Unreached())
    raise SetupError(f"there is no topology {name!r}; there are {', '.join(NAMES)}")


def build_all(settings: Settings) -> list[Topology]:
    """Every topology, to be described or to have its topics made."""
    return [build(name, settings) for name in NAMES]
