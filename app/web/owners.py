"""Knows which worker owns which partition of a topology, from the metadata of its consumer group."""

import asyncio
import ipaddress
import re
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Protocol

import msgspec
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from app.observability.log import logger

log = logger(__name__)

DESCRIBE_TIMEOUT_SECONDS = 1.0

# a worker's client.id names it and says where it serves its rows
_CLIENT_ID = re.compile(r"(?P<name>[^@]*)@(?P<host>[A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\]):(?P<port>\d{1,5})")


class Owner(msgspec.Struct, frozen=True):
    """A worker and the address of its rows."""

    name: str
    url: str


class Owners(msgspec.Struct, frozen=True):
    """Who owned which partition when the group was last asked."""

    by_partition: Mapping[int, Owner] = {}


class Directory(Protocol):
    """Where the gateway learns of owners."""

    async def owners(self, not_those: Owners | None = None) -> Owners:
        """What is known; asks again when that is `not_those`, which proved wrong."""


def worker_at(client_id: str, allowed: Callable[[str], bool]) -> Owner | None:
    """The worker that a group member's client.id names, or None when its host is none that we may call."""
    match = _CLIENT_ID.fullmatch(client_id)
    if match is None or not allowed(match["host"]):
        return None
    return Owner(match["name"], f"http://{match['host']}:{match['port']}")


def loopback_only(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def no_link_local(host: str) -> bool:
    """Any host but those that only this machine's surroundings answer at, such as a cloud's metadata service."""
    try:
        return not ipaddress.ip_address(host.strip("[]")).is_link_local
    except ValueError:
        return True


def callable_from(host: str) -> Callable[[str], bool]:
    """Which hosts a process that serves on `host` may call: one that only this machine reaches stays on it."""
    return loopback_only if loopback_only(host) else no_link_local


class GroupDirectory:
    """Asks Kafka; one question at a time, whoever waits for its answer. When Kafka is silent the last answer stands."""

    def __init__(self, bootstrap: str, group: str, allowed: Callable[[str], bool]) -> None:
        self._bootstrap, self._group, self._allowed = bootstrap, group, allowed
        self._known = Owners()
        self._asking: asyncio.Task[Owners] | None = None

    @cached_property
    def _admin(self) -> AdminClient:
        # what librdkafka would print, `_ask` logs
        return AdminClient({"bootstrap.servers": self._bootstrap, "log_level": 0})

    async def owners(self, not_those: Owners | None = None) -> Owners:
        if self._known is not not_those and self._known.by_partition:
            return self._known
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
        # shielded: others wait for the same answer
        self._known = await asyncio.shield(self._asking)
        return self._known

    async def _ask(self) -> Owners:
        try:
            described = self._admin.describe_consumer_groups([self._group], request_timeout=DESCRIBE_TIMEOUT_SECONDS)
            group = await asyncio.wrap_future(described[self._group])
        except KafkaException as error:
            log.warning("owners.unknown", group=self._group, error=str(error))
            return Owners(self._known.by_partition)
        owners: dict[int, Owner] = {}
        for member in group.members:
            worker = worker_at(member.client_id, self._allowed)
            if worker is not None and member.assignment is not None:
                owners |= {held.partition: worker for held in member.assignment.topic_partitions}
        return Owners(owners)
