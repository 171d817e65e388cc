"""Puts what was measured into `docs/performance.md`: `python -m bench.page`.

Each part of the page between `<!-- figures: NAME -->` and `<!-- end -->` is written from `bench/results/NAME.json`,
with the machine and the day. A part whose program did not run stays as it is.
"""

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import msgspec

from bench.latency import Latency
from bench.reporting import RESULTS, in_columns, table
from bench.running import Run

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
PART = re.compile(r"(?<=<!-- figures: )(?P<name>\w+)(?P<close> -->\n).*?(?=<!-- end -->)", re.DOTALL)
PEERS = "latest"
PLOTS = {
    PEERS: ("performance.svg", "Rates, CPU and memory of all that caught up"),
    "memory": ("memory.svg", "Memory of a worker with many keys, over time"),
}


def filled(page: str, results: Path) -> str:
    """The page with every part of which there are results."""

    def part(found: re.Match[str]) -> str:
        file = results / f"{found['name']}.json"
        if not file.exists():
            return found[0]
        content = json.loads(file.read_text())
        return f"{found['name']}{found['close']}{_measured(content)}\n{_figures(found['name'], content)}"

    return PART.sub(part, page)


def _figures(name: str, content: dict[str, Any]) -> str:
    if name != PEERS:
        return in_columns(content["figures"]) + _plot(name)
    runs: list[Run | Latency] = [
        msgspec.convert(run, Latency) if "p99_ms" in run else msgspec.convert(run, Run) for run in content["runs"]
    ]
    left_out = "".join(f"\nLeft out: {who} ({why.splitlines()[0]})\n" for who, why in content["left_out"].items())
    return table(runs) + left_out + _plot(name)


def _plot(name: str) -> str:
    file, what = PLOTS.get(name, ("", ""))
    return f"\n![{what}]({file})\n" if file else ""


def _measured(content: dict[str, Any]) -> str:
    machine, settings = content["machine"], content.get("settings", {})
    rounds = f", {settings['rounds']} round(s)" if settings else ""
    return (
        f"Measured {content['at'][:10]}{rounds}: {machine['cores']} cores ({machine['cpu']}), "
        f"{machine['memory_gib']} GiB, Python {machine['python']}, load {machine['load_before']} before.\n"
    )


def main() -> None:
    PAGE.write_text(filled(PAGE.read_text(), RESULTS))
    for name, (file, _) in PLOTS.items():
        if (RESULTS / f"{name}.svg").exists():
            shutil.copy(RESULTS / f"{name}.svg", PAGE.with_name(file))
    sys.stdout.write(f"{PAGE.name} is written\n")


if __name__ == "__main__":
    main()
