"""Errors of the engine, under the one tree of `app.errors`."""

from app.errors import (
    OrderflowError,
    PermanentError,
    PoisonError,
    RefusedError,
    SetupError,
    SurroundingsError,
    TransientError,
)


class NoKeyError(PoisonError):
    """A record without a key belongs to nobody: it blocks nothing."""


class KeyMismatchError(PoisonError):
    """The record's key is not the key of the event inside: it may not block the key it claims."""


class RetryRecordError(PoisonError):
    """A record in a retry or redrive topic that this group did not write."""


class ParkedBehindError(PermanentError):
    """Nothing is wrong with the record: it waits as a letter, since its key waits for an operator."""


class InternalValueError(PoisonError):
    """A value in an internal topic that this topology did not write."""


class TooLargeError(PermanentError):
    """A row or an output over the limit, found before anything of its record is produced."""


class UndeclaredTopicError(PermanentError):
    """An output to a topic that the topology does not declare: nobody has made sure that it takes it."""


class ReactionTimeoutError(TransientError):
    """A reaction took longer than a checkpoint may wait; its late answer is ignored."""


class OutageError(SurroundingsError):
    """A call failed while the brake says that calls for all keys fail."""


class RestoreStalledError(TransientError):
    """A restore that is not at its end got no record for too long; it begins again from where it stands."""


class StuckHandlerError(TransientError):
    """A handler has not returned, long after its own limit: its task cannot commit what it did."""


class MembershipLostError(TransientError):
    """The group has not acknowledged this worker for longer than it keeps it: others may own its tasks by now."""


class NotActiveError(OrderflowError):
    """This worker cannot answer for the partition now: not its owner, restoring, or cut off from its group."""


class TooManyRowsError(RefusedError):
    """There are more rows than one answer holds; ask for one of them."""


class UnreadableRowError(PermanentError):
    """This release cannot decode a row, however often it is asked for."""

    def __init__(self, table: str, key: bytes, why: Exception) -> None:
        super().__init__(
            f"row {key!r} of {table} cannot be read by this release ({why}); run the one that wrote it, or build views "
            "anew with `orderflow topology reset`"
        )


class StoreError(TransientError):
    """The disk under a store failed: its task goes back to its last checkpoint, and tries again until it works."""


class DiskFullError(StoreError):
    """There is no room for what was to be written."""


class StoreDamagedError(StoreError):
    """Files of a store are missing, torn or altered: it is set aside and rebuilt from its changelogs."""


class TopologyChangedError(SetupError):
    """The declared tables or sources are not those that the group's progress was made with."""


class OffsetsExpiredError(SetupError):
    """The group has rows but no committed offsets: where it stood is unknown."""


class StartRequiredError(SetupError):
    """A topology that acts on the outside world was not told where to start."""


class SessionRefusedError(SetupError):
    """The brokers allow no session of that length."""


class NameInUseError(SetupError):
    """Another worker of the group has this worker's name, and so its place in the group."""


class GroupActiveError(SetupError):
    """The group has members, which must be stopped first."""


class ResetUnfinishedError(SetupError):
    """A reset of the topology began and did not end: its topics may be half emptied."""


class StoreInUseError(SetupError):
    """Another process works with this store."""


class KafkaUnreachableError(SetupError):
    """No broker answered, for longer than a start may wait."""


class TopicError(SetupError):
    """A topic is missing or is not as the topology needs it."""


class RetentionError(TopicError):
    """A topic would lose records that wait in it, for their next attempt or for an operator."""
