"""What an operator is refused, and why."""

from app.errors import RefusedError, SetupError, TransientError


class IndexUnavailableError(TransientError):
    """PostgreSQL, which holds the index, does not answer."""


class IndexMissingError(SetupError):
    """The database has no tables for dead letters."""


class DeadLetterError(RefusedError):
    """Of all refusals here. `code` names each to programs."""

    code: str


class NoLetterError(DeadLetterError):
    """There is no dead letter of that id."""

    code = "LETTER_UNKNOWN"


class NoFailureError(DeadLetterError):
    """There is no group of dead letters of that id."""

    code = "GROUP_UNKNOWN"


class NoRunError(DeadLetterError):
    """There is no campaign of that id."""

    code = "RUN_UNKNOWN"


class NothingToSendError(DeadLetterError):
    """No letter of those that were asked for may be sent."""

    code = "NOTHING_TO_SEND"


class EditRefusedError(DeadLetterError):
    """The payload of an edit is no event that may take the place of the letter's."""

    code = "EDIT_REFUSED"


class CampaignRunningError(DeadLetterError):
    """Another campaign sends letters to the same consumer group."""

    code = "CAMPAIGN_RUNNING"


class CampaignAbortedError(DeadLetterError):
    """Too many of the letters that were sent have died again."""

    code = "CAMPAIGN_ABORTED"


class NothingComesBackError(TransientError):
    """Letters were sent, and no outcome of any has been seen for long."""
