"""What an operator is refused, and why."""

from app.errors import RefusedError, SetupError, TransientError


class IndexUnavailableError(TransientError):
    """PostgreSQL, which holds the index, does not answer."""


class IndexMissingError(SetupError):
    """The database has no tables for dead letters."""


class NoLetterError(RefusedError):
    """There is no dead letter of that id."""


class NoFailureError(RefusedError):
    """There is no group of dead letters of that id."""


class NoRunError(RefusedError):
    """There is no campaign of that id."""


class NothingToSendError(RefusedError):
    """No letter of those that were asked for may be sent."""


class EditRefusedError(RefusedError):
    """The payload of an edit is no event that may take the place of the letter's."""


class CampaignRunningError(RefusedError):
    """Another campaign sends letters to the same consumer group."""


class CampaignAbortedError(RefusedError):
    """Too many of the letters that were sent have died again."""


class NothingComesBackError(TransientError):
    """Letters were sent, and no outcome of any has been seen for long."""
