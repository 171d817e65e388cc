"""Pauses by the clock on the wall, which may be set back."""


def has_ended(until: int, now: int, longest: int) -> bool:
    """Whether a pause has ended that was to end at `until`, and to take `longest` at most; all in microseconds. A clock
    that was set back makes it no longer."""
    return not now < until <= now + longest
