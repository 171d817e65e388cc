"""When a task is to make its next checkpoint: soon with what somebody waits for; with the rest when more records can
share it, since a checkpoint costs the brokers much more than a record does."""

import msgspec

from app.streaming.topology import Awaited

SOONEST_S = 0.01  # between two checkpoints of a task
FULL_S = 0.025  # the same, when changed rows take too much memory
# So many times as long as the last one took, so that a busy machine makes fewer: most where only readers wait, least
# where the same saga comes by again and again, each time waiting for its next command.
SPACING: dict[Awaited, float] = {"commands": 0.25, "outputs": 1.0, "effects": 8.0}
QUIET_S = 0.3  # without records: then also what nobody waits for, positions alone above all, is due
UNHURRIED_S = 2.0  # for that, while records come
IDLE_S = 60.0  # there is nothing


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What a task has to make durable, and the seconds since its last checkpoint, since its last record, and that its
    last commit took."""

    outputs: bool
    rows: bool
    positions: bool
    is_full: bool  # its changed rows take more memory than they may
    since_s: float
    quiet_s: float
    commit_s: float


def due_in_s(awaited: Awaited, task: Standing, interval_s: float, *, catching_up: bool) -> float:
    """Seconds until its next checkpoint is due, as it stands now.

    Where somebody waits, it is after the commit interval at the latest, and not before if the worker catches up.
    """
    has_effects = task.outputs or task.rows
    if has_effects and task.is_full:
        return FULL_S - task.since_s
    if awaited in SPACING and (has_effects if awaited == "effects" else task.outputs):
        soonest_s = interval_s if catching_up else max(SOONEST_S, SPACING[awaited] * task.commit_s)
        return min(soonest_s, interval_s) - task.since_s
    if has_effects or task.positions:
        return min(UNHURRIED_S - task.since_s, QUIET_S - min(task.since_s, task.quiet_s))
    return IDLE_S
