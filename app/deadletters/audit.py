"""What operators did and noted: rows that are added and never changed."""

import getpass
import os
import socket
from collections.abc import Sequence
from datetime import datetime

import msgspec
from psycopg.rows import class_row

from app.deadletters.database import Connection

ACT = "insert into dead_letters.audit (who, action, run, letters, why, detail) values (%s, %s, %s, %s, %s, %s)"
ACTS = "select id, at, who, action, run, letters, why, detail from dead_letters.audit order by id"
NOTE = "insert into dead_letters.notes (about, who, text) values (%s, %s, %s)"
NOTES = "select at, about, who, text from dead_letters.notes where about = any (%s) order by id"


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """One action of an operator."""

    id: int
    at: datetime
    who: str
    action: str
    run: str | None
    letters: list[str]
    why: str
    detail: str


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wrote about a letter or a group."""

    at: datetime
    about: str
    who: str
    text: str


def operator() -> str:
    """Who runs this process: user@host."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container may run as a user that has no name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def record(
    connection: Connection,
    who: str,
    action: str,
    letters: Sequence[str],
    *,
    run: str | None = None,
    why: str = "",
    detail: str = "",
) -> None:
    connection.execute(ACT, (who, action, run, list(letters), why, detail))


def acts(connection: Connection) -> list[Act]:
    """All there are, the oldest first."""
    with connection.cursor(row_factory=class_row(Act)) as cursor:
        return cursor.execute(ACTS).fetchall()


def note(connection: Connection, who: str, about: str, text: str) -> None:
    """Add a note about a letter or a group, and its row in the audit."""
    with connection.transaction():
        connection.execute(NOTE, (about, who, text))
        record(connection, who, "note", [about], detail=text)


def notes(connection: Connection, about: Sequence[str]) -> list[Note]:
    with connection.cursor(row_factory=class_row(Note)) as cursor:
        return cursor.execute(NOTES, (list(about),)).fetchall()
