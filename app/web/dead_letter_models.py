"""The bodies of `/failures`: what an operator asks for, and what is answered."""

from typing import Annotated, Any, Literal

from pydantic import Field

from app.deadletters.runs import DEFAULT_RATE, DEFAULT_SHARE, MOST_RATE
from app.web.models import PRINTABLE, Body

Moment = Annotated[str, Field(examples=["2026-01-01T00:00:00.000Z"])]
State = Literal["dead", "redriving", "resolved", "discarded", "replaced"]
# of what is looked for in PostgreSQL, which knows no text with a zero byte
Id = Annotated[str, Field(pattern=PRINTABLE)]
Text = Annotated[str, Field(max_length=1_000, pattern=PRINTABLE)]


class GroupBody(Body):
    """Letters that died of the same, with how many of them are in which state."""

    id: str
    group: Annotated[str, Field(description="The consumer group of the topology.")]
    topic: str
    schema_name: Annotated[str, Field(alias="schema")]
    exception: str
    message: Annotated[str, Field(description="Of the newest letter.")]
    stack: Annotated[str, Field(description="Without what differs between letters of one bug.")]
    dead: int
    redriving: int
    resolved: int
    discarded: int
    replaced: int
    first: Moment
    last: Moment
    notes: int


class GroupsBody(Body):
    groups: list[GroupBody]


class NoteBody(Body):
    at: Moment
    about: str
    who: str
    text: str


class LetterBody(Body):
    """A letter in short. `behind` and `sequence`: it waits behind that record of its key, at that place."""

    id: str
    state: State
    failure: Annotated[str, Field(description="The id of its group.")]
    group: str
    topic: str
    partition: int
    offset: int
    key: str | None
    schema_name: Annotated[str, Field(alias="schema")]
    reason: str
    attempt: int
    redrives: int
    exception: str
    message: str
    timestamp: Moment
    behind: str | None
    sequence: int | None


class AttemptBody(Body):
    attempt: int
    at: Moment


class TripBody(Body):
    """One time that it was sent; `result` is null until its task has committed one."""

    run: str
    action: str
    at: Moment
    result: str | None
    result_at: Moment | None


class ErrorBody(Body):
    message: str
    stack: str


class StoryBody(LetterBody):
    """A letter in short, with the times that are known of it."""

    attempts: list[AttemptBody]
    sent: list[TripBody]


class WholeLetterBody(StoryBody):
    """A letter whole: the event decoded where its schema is known, else as hex."""

    original_event: Any
    headers: list[tuple[str, str | None]]
    error: ErrorBody
    first_failed_at: Moment
    previous: str | None
    edited_from: str | None
    notes: list[NoteBody]


class KeyBody(Body):
    """What is dead of a key, and what waits behind it in its sequence."""

    key: str
    dead: list[StoryBody]
    chain: list[StoryBody]


class WholeGroupBody(Body):
    """A group, what was noted of it, and its letters that are dead or redriving: the oldest, 1,000 at most."""

    group: GroupBody
    notes: list[NoteBody]
    letters: list[LetterBody]


class NewNote(Body):
    about: Annotated[Id, Field(description="The id of a letter or of a group.")]
    text: Annotated[Text, Field(min_length=1)]


class Selection(Body):
    """Which letters; all that is given holds, and something must be."""

    group: Id | None = None
    letters: Annotated[list[Id] | None, Field(min_length=1)] = None
    topology: Id | None = None
    key: str | None = None
    reason: Id | None = None
    why: Annotated[Text, Field(description="For the audit.")] = ""
    rate: Annotated[int, Field(ge=1, le=MOST_RATE, description="Letters a second at most.")] = DEFAULT_RATE
    dry_run: Annotated[bool, Field(description="Freeze the set and show it; send nothing.")] = False


class NewRedrive(Selection):
    abort_share: Annotated[float, Field(ge=0, le=1)] = DEFAULT_SHARE
    force: Annotated[bool, Field(description="Also letters that were redriven 3 times.")] = False
    edits: Annotated[
        dict[Id, dict[str, Any]], Field(default_factory=dict, description="Letter -> the event to send in its place.")
    ]


class LeftOutBody(Body):
    letter: str
    why: str


class PlannedBody(Body):
    letter: str
    action: Literal["redrive", "discard"]
    edited: bool


class PlannedKeyBody(Body):
    group: str
    key: str | None
    heads: list[str]
    parked_behind: int


class PlanBody(Body):
    """A campaign: its frozen set, by letter and by key."""

    run: str
    state: str
    letters: list[PlannedBody]
    keys: list[PlannedKeyBody]
    left_out: list[LeftOutBody]


class RunBody(Body):
    """How far a campaign is; `left` of its letters are not through."""

    run: str
    state: Literal["frozen", "running", "stopped", "aborted", "finished"]
    who: str
    why: str
    letters: int
    sent: int
    resolved: int
    discarded: int
    died: int
    returned: int
    left: int


class ActBody(Body):
    id: int
    at: Moment
    who: str
    action: str
    run: str | None
    letters: list[str]
    why: str
    detail: str


class AuditBody(Body):
    actions: list[ActBody]
