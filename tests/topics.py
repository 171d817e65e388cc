"""Topics of a test on the broker of the run."""

from collections.abc import Iterator, Mapping
from typing import Protocol

import pytest
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic, ResourceType

from tests.waiting import PATIENCE_S, until


class MakeTopics(Protocol):
    """Creates topics; they have leaders when it returns, and are deleted after the test."""

    def __call__(self, *names: str, partitions: int = 4, config: Mapping[str, str] | None = None) -> None: ...


@pytest.fixture(scope="session")
def admin(kafka: str) -> AdminClient:
    """One for all tests: a client that is collected in a thread of its own, while it answers, aborts the process."""
    return AdminClient({"bootstrap.servers": kafka})


@pytest.fixture
def make_topics(admin: AdminClient) -> Iterator[MakeTopics]:
    made: list[str] = []

    def make(*names: str, partitions: int = 4, config: Mapping[str, str] | None = None) -> None:
        topics = [NewTopic(name, partitions, 1, config=dict(config or {})) for name in names]
        for created in admin.create_topics(topics).values():
            created.result(PATIENCE_S)
        made.extend(names)
        until(lambda: _have_leaders(admin, names), f"{names} have leaders")

    yield make
    if made:
        admin.delete_topics(made)


def alter(bootstrap: str, topic: str, setting: str, value: str) -> None:
    """Returns when the broker has learnt of it."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    entry = ConfigEntry(setting, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    for altered in admin.incremental_alter_configs([resource]).values():
        altered.result(PATIENCE_S)

    def told() -> str:
        (described,) = admin.describe_configs([resource]).values()
        return str(described.result(PATIENCE_S)[setting].value)

    until(lambda: told() == value, f"the broker has learnt that {setting} of {topic} is {value}")


def take_at_most(bootstrap: str, topic: str, record_bytes: int) -> None:
    """The topic refuses larger records from now on."""
    alter(bootstrap, topic, "max.message.bytes", str(record_bytes))


def _have_leaders(admin: AdminClient, names: tuple[str, ...]) -> bool:
    topics = admin.list_topics(timeout=PATIENCE_S).topics
    wanted = [topics[name] for name in names if name in topics]
    return len(wanted) == len(names) and all(part.leader >= 0 for topic in wanted for part in topic.partitions.values())
