"""The versions of sagas that a process has: an instance keeps the one that it began with."""

from collections.abc import Iterable, Iterator

from app.errors import SetupError
from app.sagas.definition import Definition, DefinitionError
from app.sagas.instance import Instance

NAMED = 5  # instances in a message


class MissingVersionError(SetupError):
    """Sagas are under way on a version that this process does not have."""


class Definitions:
    """Every version that new or old instances need; new ones begin on the newest."""

    def __init__(self, *definitions: Definition) -> None:
        self._by_version = {(one.name, one.version): one for one in definitions}
        if len(self._by_version) < len(definitions):
            raise DefinitionError("two definitions have the same name and version; give the newer one the next version")

    def __iter__(self) -> Iterator[Definition]:
        return iter(self._by_version.values())

    def newest(self, saga: str) -> Definition:
        return max((one for one in self._by_version.values() if one.name == saga), key=lambda one: one.version)

    def of(self, instance: Instance) -> Definition:
        """The definition that the instance began with; a `MissingVersionError` when it is gone."""
        definition = self._by_version.get((instance.saga, instance.version))
        if definition is None:
            raise MissingVersionError(_missing(instance.saga, instance.version, [instance.saga_id]))
        return definition

    def check(self, instances: Iterable[Instance]) -> None:
        """Raises a `MissingVersionError`, with the instances that need it, when a version is missing that is in use."""
        missing: dict[tuple[str, int], list[str]] = {}
        for instance in instances:
            version = (instance.saga, instance.version)
            if not instance.ended and version not in self._by_version:
                missing.setdefault(version, []).append(instance.saga_id)
        if missing:
            raise MissingVersionError("; ".join(_missing(*at, ids) for at, ids in sorted(missing.items())))


def _missing(saga: str, version: int, saga_ids: list[str]) -> str:
    named = ", ".join(saga_ids[:NAMED]) + (f" and {len(saga_ids) - NAMED} more" if len(saga_ids) > NAMED else "")
    return f"saga {saga} version {version} is in use by {named}; start a release that still has this version"
