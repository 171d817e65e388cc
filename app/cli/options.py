"""What options refuse beyond their type and least: callbacks for `typer.Option`."""

import math

import typer


def finite(value: float) -> float:
    """`nan` is below no least, and `inf` would wait for ever."""
    if not math.isfinite(value):
        raise typer.BadParameter(f"{value} is no finite number")
    return value


def printable(value: str) -> str:
    """Bytes that are no UTF-8 come as characters that nothing can encode."""
    if not value.isprintable():
        raise typer.BadParameter(f"{value!r} is no printable text")
    return value
