"""Shows what was measured: a table, a plot, and `latest.json` with every raw run."""

import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import msgspec

from bench.figures import BARS, CPU, P99, RATE, RSS, SECOND_HALF, Of, median, ratios
from bench.latency import Latency
from bench.rows import CATCH_UP, CONSUME, LATENCY, MANY_KEYS, RESTORE
from bench.running import Run

RESULTS = Path(__file__).parent / "results"
SHOWN = (*CATCH_UP, *MANY_KEYS, RESTORE, CONSUME)
PANELS: tuple[tuple[str, Of], ...] = (("events/s", RATE), ("CPU s per million events", CPU), ("peak RSS, MiB", RSS))

Runs = list[Run | Latency]


def table(runs: Runs) -> str:
    """The medians of all rows, and the ratios, in Markdown."""
    lines = ["| | events/s | second half | CPU s/1M | RSS MiB |", "|---|---:|---:|---:|---:|"]
    for row in SHOWN:
        figures = [median(runs, row.name, of) for of in (RATE, SECOND_HALF, CPU, RSS)]
        if figures[0] is not None:
            rate, second, cpu, rss = (figure or 0.0 for figure in figures)
            lines.append(f"| {row.title} | {rate:,.0f} | {second:,.0f} | {cpu:.1f} | {rss:,.0f} |")
    lines += ["", "| offered to committed, 2,000 events/s | p50 ms | p99 ms |", "|---|---:|---:|"]
    for row in LATENCY:
        p50, p99 = median(runs, row.name, lambda run: run.p50_ms), median(runs, row.name, P99)
        if p50 is not None and p99 is not None:
            lines.append(f"| {row.title} | {p50:.0f} | {p99:.0f} |")
    lines += ["", "| orderflow / peer | measured | wanted |", "|---|---:|---:|"]
    lines += [f"| {name} | {ratio:.2f} | {BARS[name]} |" for name, ratio in ratios(runs).items()]
    return "\n".join(lines) + "\n"


def plot(runs: Runs) -> str:
    """The rows that caught up, as bars: one panel a figure."""
    rows = [row for row in CATCH_UP if median(runs, row.name, RATE) is not None]
    panel, names, height = 260, 300, 24 * len(rows) + 40
    width = names + panel * len(PANELS)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">',
        "<style>text {font: 12px sans-serif}</style>",
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    for index, row in enumerate(rows):
        parts.append(f'<text x="{names - 10}" y="{24 * index + 46}" text-anchor="end">{escape(row.title)}</text>')
    for number, (title, of) in enumerate(PANELS):
        values = [median(runs, row.name, of) or 0.0 for row in rows]
        left, most = names + panel * number, max(values, default=0.0) or 1.0
        parts.append(f'<text x="{left}" y="18" font-weight="bold">{title}</text>')
        for index, (row, value) in enumerate(zip(rows, values, strict=True)):
            top, length = 24 * index + 32, value / most * (panel - 80)
            colour = "#1f6f8b" if row.program == "orderflow" else "#b8b8b8"
            parts.append(f'<rect x="{left}" y="{top}" width="{length:.1f}" height="18" fill="{colour}"/>')
            parts.append(
                f'<text x="{left + length + 5:.1f}" y="{top + 14}">{value:,.{0 if value >= 100 else 1}f}</text>'
            )
    return "\n".join([*parts, "</svg>"]) + "\n"


def machine() -> dict[str, Any]:
    """What the figures were taken on."""
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": models[0].partition(":")[2].strip() if models else platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(memory / 2**30, 1),
        "system": platform.release(),
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 2),
    }


def save(results: Path, runs: Runs, on: dict[str, Any], settings: dict[str, Any], left_out: dict[str, str]) -> None:
    """Writes `latest.json` and `latest.svg`."""
    results.mkdir(exist_ok=True)
    content = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": on,
        "settings": settings,
        "ratios": ratios(runs),
        "left_out": left_out,
        "runs": [msgspec.to_builtins(run) for run in runs],
    }
    (results / "latest.json").write_text(json.dumps(content, indent=1) + "\n")
    (results / "latest.svg").write_text(plot(runs))


def save_figures(results: Path, name: str, on: dict[str, Any], figures: list[dict[str, Any]]) -> str:
    """Writes NAME.json, and answers the same figures as a table in Markdown."""
    results.mkdir(exist_ok=True)
    content = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "machine": on, "figures": figures}
    (results / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n")
    return in_columns(figures)


def in_columns(figures: list[dict[str, Any]]) -> str:
    """A table in Markdown, with a column for each name."""
    columns = list(figures[0])
    lines = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    lines += [f"| {' | '.join(str(figure[column]) for column in columns)} |" for figure in figures]
    return "\n".join(lines) + "\n"


def add_ratios(results: Path, found: dict[str, float]) -> None:
    """Puts ratios that were measured apart from the runs into `latest.json`, beside theirs."""
    file = results / "latest.json"
    content = json.loads(file.read_text()) if file.exists() else {"ratios": {}}
    content["ratios"] |= found
    file.write_text(json.dumps(content, indent=1) + "\n")
