"""All topologies. One that is named here has its topics made, can be run as a worker, and is part of the demo."""

from typing import Protocol

from app.config import Settings
from app.errors import SetupError
from app.serde.registry import SchemaRegistry
from app.serde.registry_asked import registry_at
from app.streaming.reactions import Gateway
from app.streaming.topology import Topology
from topologies import alerts, fulfilment, inventory, orchestration, order_views, payments, reconciliation, shipping


class Projecting(Protocol):
    """A module whose topology only folds, and calls nobody."""

    NAME: str

    def build(self, settings: Settings, registry: SchemaRegistry, /) -> Topology: ...


class Reacting(Protocol):
    """A module whose topology acts through a gateway."""

    NAME: str

    def build(self, settings: Settings, registry: SchemaRegistry, gateway: Gateway, /) -> Topology: ...


PROJECTIONS: tuple[Projecting, ...] = (order_views, reconciliation)
REACTIONS: tuple[Reacting, ...] = (payments, inventory, shipping, fulfilment, orchestration, alerts)

NAMES = (*[projecting.NAME for projecting in PROJECTIONS], *[reacting.NAME for reacting in REACTIONS])


class _Unreached:
    """The gateway of a topology that is only described."""

    async def perform(self, call: object) -> object:
        raise TypeError(f"{call} asked of a topology that does not run")


def build(name: str, settings: Settings, gateway: Gateway | None = None) -> Topology:
    """The topology of that name, acting through `gateway`; a `SetupError` lists the names there are."""
    topology = _build(name, settings, gateway)
    _check_failures(topology, settings)
    return topology


def _build(name: str, settings: Settings, gateway: Gateway | None) -> Topology:
    registry = registry_at(settings.registry)
    for projecting in PROJECTIONS:
        if name == projecting.NAME:
            return projecting.build(settings, registry)
    for reacting in REACTIONS:
        if name == reacting.NAME:
            return reacting.build(settings, registry, gateway or _Unreached())
    raise unknown(name)


def _check_failures(topology: Topology, settings: Settings) -> None:
    """Settings for what there is not would be ignored in silence."""
    for name in settings.failures:
        if name not in NAMES:
            raise unknown(name)
    if unread := sorted(topology.policy.by_topic.keys() - topology.sources.keys()):
        raise SetupError(
            f"ORDERFLOW_FAILURES names {', '.join(unread)}, which {topology.name} does not read; it reads "
            f"{', '.join(topology.sources)}"
        )


def unknown(name: str) -> SetupError:
    """What is said of a name that no topology has."""
    return SetupError(f"there is no topology {name!r}; there are {', '.join(NAMES)}")


def build_all(settings: Settings) -> list[Topology]:
    """Every topology, to be described or to have its topics made."""
    return [build(name, settings) for name in NAMES]
