"""Reads the lines of a CSV with the columns of the data set Online Retail (UCI), and writes those that are rejected."""

import csv
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import msgspec

from app.errors import SetupError

COLUMNS = ("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country")
NEEDED = {"InvoiceNo", "StockCode", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID"}


class RejectedLine(msgspec.Struct, frozen=True):
    """A line of the file (from 1, the header is line 1) that is part of no order, as it was read."""

    line: int
    reason: str
    row: tuple[str, ...]


def lines_at(path: Path, reasons: Mapping[int, str]) -> tuple[RejectedLine, ...]:
    """The lines of a file that are rejected for these reasons after it was read."""
    return tuple(RejectedLine(line, reasons[line], tuple(row)) for line, row, _ in lines(path) if line in reasons)


def write_rejects(path: Path, rejected: Iterable[RejectedLine]) -> None:
    """A CSV of them: line, reason, and the fields as they were."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
            writer = csv.writer(file)
            writer.writerow(["line", "reason", *COLUMNS])
            in_order = sorted(rejected, key=lambda reject: reject.line)
            writer.writerows([reject.line, reject.reason, *reject.row] for reject in in_order)
    except OSError as error:
        raise SetupError(f"rejects cannot be written to {path}: {error}; give a file with --rejects") from None


def lines(path: Path) -> Iterator[tuple[int, list[str], dict[str, str]]]:
    """Each row with the number of its first line (a quoted field may hold line ends) and its fields by name."""
    try:
        with path.open(newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
            reader = csv.reader(file)
            header = next(reader, [])
            if missing := NEEDED - set(header):
                raise SetupError(f"{path} has no column {', '.join(sorted(missing))}; its first line names the columns")
            line = reader.line_num + 1
            while (row := _next(reader)) is not None:
                if row:
                    yield line, row, dict(zip(header, row, strict=False))
                line = reader.line_num + 1
    except (OSError, csv.Error) as error:
        raise SetupError(f"{path} cannot be read: {error}; give the path of a CSV file") from None


def _next(rows: Iterator[list[str]]) -> list[str] | None:
    """The next row; one field where the line is no CSV."""
    try:
        return next(rows, None)
    except csv.Error as error:
        return [str(error)]
