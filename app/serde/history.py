"""Holds the committed schemas to their history: what is locked never changes, and every version stays compatible."""

from pathlib import Path
from typing import Any

from app.errors import SetupError
from app.serde.codec import parsed_schema
from app.serde.compatibility import full_errors
from app.serde.errors import UnsafeSchemaError
from app.serde.lock import LOCK, Locked, digest, guid_of, read_lock, read_schema, write_lock
from app.serde.shape import shape_of
from app.serde.topics import EVENT_TYPES, full_name, subject_of

_SUBJECTS = {full_name(event_type): subject_of(event_type) for types in EVENT_TYPES.values() for event_type in types}


def problems(directory: Path) -> list[str]:
    """All that is wrong with the schemas and their lock; each says what mends it."""
    lock = read_lock(directory)
    found = [f"{path.name} is not in the lock; add it by `orderflow schemas lock`" for path in _new(directory, lock)]
    for locked in lock.values():
        found += _changes(directory, locked)
    return found or _structure(lock) + _incompatible(directory, lock)


def lock_new(directory: Path) -> list[Locked]:
    """Gives every new file the next id and the next version of its subject; a `SetupError` refuses a break."""
    lock, added = read_lock(directory), []
    for path in _new(directory, lock):
        schema = read_schema(directory / path.name)
        subject = _subject(path, schema)
        version = 1 + sum(locked.subject == subject for locked in lock.values())
        if path.name != f"{schema['name']}.v{version}.avsc":
            raise SetupError(
                f"{path.name} is version {version} of {schema['name']}; name it {schema['name']}.v{version}.avsc"
            )
        locked = Locked(
            subject=subject, version=version, file=path.name, guid=guid_of(subject, schema), sha256=digest(schema)
        )
        lock[max(lock, default=0) + 1] = locked
        added.append(locked)
    if broken := _incompatible(directory, lock):
        raise SetupError("; ".join(broken))
    write_lock(directory, lock)
    return added


def _new(directory: Path, lock: dict[int, Locked]) -> list[Path]:
    known = {locked.file for locked in lock.values()}
    return sorted(path for path in directory.glob("*.avsc") if path.name not in known)


def _subject(path: Path, schema: dict[str, Any]) -> str:
    name = f"{schema.get('namespace')}.{schema.get('name')}"
    if name not in _SUBJECTS:
        raise SetupError(f"{path.name} defines {name}, which no topic carries; add its type to app/serde/topics.py")
    return _SUBJECTS[name]


def _changes(directory: Path, locked: Locked) -> list[str]:
    path = directory / locked.file
    if not path.exists():
        return [f"{locked.file} is locked but missing; restore it: events of it are in the topics for ever"]
    schema = read_schema(path)
    if digest(schema) != locked.sha256:
        return [f"{locked.file} was changed after it was locked; restore it and add a new version instead"]
    if _subject(path, schema) != locked.subject or guid_of(locked.subject, schema) != locked.guid:
        return [f"the line of {locked.file} in {LOCK} was changed; restore it"]
    return []


def _structure(lock: dict[int, Locked]) -> list[str]:
    found = []
    for subject, lines in _by_subject(lock).items():
        versions = [locked.version for locked in lines]
        if versions != list(range(1, len(versions) + 1)):
            found.append(f"{subject} has the versions {versions} in {LOCK}; they count from 1 in the order of ids")
    return found


def _incompatible(directory: Path, lock: dict[int, Locked]) -> list[str]:
    """FULL_TRANSITIVE: every version against every earlier one; and every schema is safe to decode."""
    found = []
    for lines in _by_subject(lock).values():
        earlier: list[tuple[str, Any]] = []
        for locked in lines:
            try:
                parsed = parsed_schema(read_schema(directory / locked.file))
                shape_of(parsed)
            except UnsafeSchemaError as error:
                found.append(f"{locked.file}: {error}")
                continue
            for file, older in earlier:
                found += [f"{locked.file} against {file}: {error}" for error in full_errors(parsed, older)]
            earlier.append((locked.file, parsed))
    return found


def _by_subject(lock: dict[int, Locked]) -> dict[str, list[Locked]]:
    grouped: dict[str, list[Locked]] = {}
    for _, locked in sorted(lock.items()):
        grouped.setdefault(locked.subject, []).append(locked)
    return grouped
