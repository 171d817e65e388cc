"""Keeps campaigns: the frozen set of letters of each, how it is sent, and how far it is."""

from collections.abc import Mapping, Sequence
from typing import LiteralString
from uuid import uuid4

import msgspec
from psycopg.rows import class_row

from app.deadletters import audit, reading
from app.deadletters.choosing import Action, Chosen, LeftOut, choose
from app.deadletters.database import Connection
from app.deadletters.errors import EditRefusedError, NoRunError, NothingToSendError
from app.deadletters.order import Standing
from app.deadletters.reading import Entry, Filter
from app.streaming.letters import Letter

DEFAULT_RATE, MOST_RATE, DEFAULT_SHARE = 100, 1_000, 0.2

HEADS: LiteralString = """
select distinct consumer_group || ' ' || origin from dead_letters.letters l
where state in ('dead', 'redriving') and exists (
    select from unnest(%s::text[], %s::text[]) as asked (consumer_group, head)
    where asked.consumer_group = l.consumer_group and asked.head = l.origin
)
"""
KEEP: LiteralString = """
insert into dead_letters.runs (id, who, why, asked, rate, abort_share, consumer_groups)
values (%s, %s, %s, %s, %s, %s, %s)
"""
KEEP_LETTER: LiteralString = """
insert into dead_letters.run_letters (run, place, letter, action, edited) values (%s, %s, %s, %s, %s)
"""
RUN: LiteralString = """
select id, who, why, rate, abort_share, consumer_groups, state,
    (select count(*) from dead_letters.run_letters r where r.run = runs.id) as letters
from dead_letters.runs where id = %s
"""
STATE: LiteralString = "update dead_letters.runs set state = %s where id = %s"
LETTERS: LiteralString = "select letter from dead_letters.run_letters where run = %s order by place"
# of a record that died again, the newest letter says how it stands
STANDINGS: LiteralString = """
with mine as (
    select l.*, r.place from dead_letters.run_letters r join dead_letters.letters l on l.id = r.letter
    where r.run = %(run)s
),
others as (
    select l.*, null::int as place from dead_letters.letters l
    where l.head is not null and (l.consumer_group, l.head) in (select consumer_group, head from mine)
        and l.id not in (select id from mine)
),
newest as (
    select a.*,
        (select n.state from dead_letters.letters n
            where n.consumer_group = a.consumer_group and n.origin = a.origin
            order by n.dlq_offset desc limit 1) as origin_state,
        (select n.state from dead_letters.letters n
            where n.consumer_group = a.consumer_group and n.origin = a.head
            order by n.dlq_offset desc limit 1) as head_state,
        (select count(*) from dead_letters.submissions s where s.letter = a.id and s.run = %(run)s) as sent
    from (select * from mine union all select * from others) a
)
select id, case when place is null and state = 'dead' then 'elsewhere' else state end, sent, consumer_group, head,
    coalesce(sequence, 0), head_state
from newest where origin_state in ('dead', 'redriving') order by place
"""
TALLY: LiteralString = """
select (select count(*) from dead_letters.submissions where run = %(run)s) as sent,
    count(*) filter (where result = 'resolved') as resolved,
    count(*) filter (where result = 'discarded') as discarded,
    count(*) filter (where result = 'dead') as died,
    count(*) filter (where result = 'returned') as returned
from dead_letters.outcomes where run = %(run)s
"""
CONTENTS: LiteralString = """
select r.letter, r.action, coalesce(r.edited, l.content)
from dead_letters.run_letters r join dead_letters.letters l on l.id = r.letter
where r.run = %s and r.letter = any (%s)
"""


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A campaign. `state`: frozen, running, stopped, aborted or finished."""

    id: str
    who: str
    why: str
    rate: int
    abort_share: float
    consumer_groups: list[str]
    state: str
    letters: int


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """How many letters a campaign has sent, and what became of them; one that was `returned` is sent again."""

    sent: int
    resolved: int
    discarded: int
    died: int
    returned: int

    @property
    def ended(self) -> int:
        return self.resolved + self.discarded + self.died

    @property
    def decided(self) -> int:
        return self.ended + self.returned


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator asks for: which letters, what is to become of them, how fast, by whom and why."""

    asked: Filter
    action: Action
    who: str
    why: str = ""
    rate: int = DEFAULT_RATE
    abort_share: float = DEFAULT_SHARE
    force: bool = False


def freeze(
    connection: Connection, order: Order, edits: Mapping[str, Letter]
) -> tuple[Run, list[Chosen], list[LeftOut]]:
    """Keep the set of letters as it is now; nothing is sent. `NothingToSendError` when there is none."""
    with connection.transaction():
        connection.execute("set transaction isolation level repeatable read")
        asked = reading.letters(connection, msgspec.structs.replace(order.asked, states=("dead",)))
        followers = reading.followers(connection, [entry.id for entry in asked])
        open_heads = _open_heads(connection, [*asked, *followers])
        chosen, left_out = choose(asked, followers, open_heads, order.action, force=order.force, edited=edits)
        if not chosen:
            why = "; ".join(f"{one.letter}: {one.why}" for one in left_out[:3]) or "no dead letter is as asked for"
            raise NothingToSendError(f"nothing to send: {why}")
        if astray := edits.keys() - {one.entry.id for one in chosen}:
            raise EditRefusedError(
                f"no letter of the set: {', '.join(sorted(astray))}; name it with --letter, or leave it"
            )
        return _keep(connection, order, chosen, edits), chosen, left_out


def find(connection: Connection, run: str) -> Run:
    with connection.cursor(row_factory=class_row(Run)) as cursor:
        found = cursor.execute(RUN, (run,)).fetchone()
    if found is None:
        raise NoRunError(f"there is no campaign {run}; `orderflow dlq redrive --dry-run` makes one")
    return found


def letters_of(connection: Connection, run: str) -> list[str]:
    return [letter for (letter,) in connection.execute(LETTERS, (run,))]


def set_state(connection: Connection, run: str, state: str) -> None:
    connection.execute(STATE, (state, run))


def standings(connection: Connection, run: str) -> list[Standing]:
    """The letters that are not through yet, those of other campaigns in the same chains included."""
    return [
        Standing(
            letter=letter,
            state=state,
            sent=sent,
            chain=None if head is None else (group, head),
            sequence=sequence,
            head_state=head_state,
        )
        for letter, state, sent, group, head, sequence, head_state in connection.execute(STANDINGS, {"run": run})
    ]


def tally(connection: Connection, run: str) -> Tally:
    with connection.cursor(row_factory=class_row(Tally)) as cursor:
        return cursor.execute(TALLY, {"run": run}).fetchall()[0]


def contents(connection: Connection, run: str, letters: Sequence[str]) -> list[tuple[Letter, Action]]:
    """What is to be sent of these letters, in this order."""
    rows = connection.execute(CONTENTS, (run, list(letters))).fetchall()
    found = {letter: (msgspec.msgpack.decode(content, type=Letter), action) for letter, action, content in rows}
    return [found[letter] for letter in letters]


def _open_heads(connection: Connection, asked: Sequence[Entry]) -> set[str]:
    behind = [entry for entry in asked if entry.head is not None]
    named = ([entry.consumer_group for entry in behind], [entry.head for entry in behind])
    return {head for (head,) in connection.execute(HEADS, named)}


def _keep(connection: Connection, order: Order, chosen: Sequence[Chosen], edits: Mapping[str, Letter]) -> Run:
    run, groups = uuid4().hex[:12], sorted({one.entry.consumer_group for one in chosen})
    asked = msgspec.json.encode(order.asked).decode()
    how = (order.rate, order.abort_share, groups)
    connection.execute(KEEP, (run, order.who, order.why, asked, *how))
    mended = {letter: msgspec.msgpack.encode(one) for letter, one in edits.items()}
    rows = [
        (run, place, one.entry.id, one.action, mended.get(one.entry.id)) for place, one in enumerate(chosen, start=1)
    ]
    with connection.cursor() as cursor:
        cursor.executemany(KEEP_LETTER, rows)
    said = [order.action, *(["forced"] if order.force else []), *([f"{len(edits)} edited"] if edits else [])]
    letters = [one.entry.id for one in chosen]
    audit.record(connection, order.who, "freeze", letters, run=run, why=order.why, detail=", ".join(said))
    return find(connection, run)
