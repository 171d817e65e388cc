"""What `make bench` computes, and that its peers do the product's work."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest

from app.domain.events import Event, OrderCancelled, OrderConfirmed
from app.projections import order_summaries
from app.projections.order_summaries import OrderSummary
from app.serde.codec import event_codec
from app.serde.lock import committed_registry
from app.serde.topics import ORDERS_EVENTS
from bench.events import OrderLog
from bench.figures import BARS, RATIOS, ratios
from bench.latency import Latency, percentiles
from bench.page import PAGE, PART, filled
from bench.peers import work
from bench.peers.meter import Meter
from bench.processes import cpu_s
from bench.reporting import machine, plot, save, save_figures, table
from bench.rows import CATCH_UP, CONSUME, LATENCY, MANY_KEYS, RESTORE
from bench.running import Run, added_up, measured_line
from bench.sagas import Round, Spent, figures


def run(row: str, *, seconds: float = 10.0, second_half: float = 4.0, number: int = 1) -> Run:
    return Run(
        row=row,
        round=number,
        events=1_000_000,
        seconds=seconds,
        first_half_seconds=seconds - second_half,
        second_half_seconds=second_half,
        cpu_s=5.0,
        peak_rss_mib=200.0,
    )


def latency(row: str, p99_ms: float) -> Latency:
    return Latency(row=row, round=1, events=100, p50_ms=1.0, p99_ms=p99_ms, max_ms=p99_ms)


def every_row() -> list[Run | Latency]:
    rows = (*CATCH_UP, *MANY_KEYS, RESTORE, CONSUME)
    return [*[run(row.name) for row in rows], *[latency(row.name, 50.0) for row in LATENCY]]


def ends_of(log: OrderLog, count: int) -> list[Event]:
    """A log, and what ends an order, which the log itself does not."""
    events = list(log.interleaved(count))
    newest = {event.order_id: event for event in events}
    ended: list[Event] = []
    for index, event in enumerate(newest.values()):
        fields: dict[str, Any] = {**msgspec.structs.asdict(event), "version": event.version + 1}
        fields |= {"reason": "late", "total_minor": 0, "placed_at": event.occurred_at}
        kind = OrderCancelled if index % 2 else OrderConfirmed
        ended.append(kind(**{name: fields[name] for name in kind.__struct_fields__}))
    return [*events, *ended]


def plain(row: OrderSummary | None) -> list[Any]:
    """The fields of a row, its lines one by one."""
    assert row is not None
    fields = {**msgspec.structs.asdict(row), "lines": order_summaries.unpacked(row.lines)}
    plain: list[Any] = json.loads(msgspec.json.encode(list(fields.values())))
    return plain


def test_peers_keep_the_rows_that_orderflow_keeps() -> None:
    codec = event_codec(committed_registry(), ORDERS_EVENTS)
    ours: dict[str, OrderSummary | None] = {}
    theirs: dict[str, work.Row | None] = {}
    for event in ends_of(OrderLog(20), 400):
        key = event.order_id
        ours[key] = order_summaries.fold(ours.get(key), event) or ours.get(key)
        decoded = work.decode(codec.encode(event))
        theirs[key] = work.fold(theirs.get(key), decoded) or theirs.get(key)
        assert work.fold(theirs[key], decoded) is None
    assert {key: plain(row) for key, row in ours.items()} == theirs


def test_a_log_goes_on_where_it_was_left_each_order_once() -> None:
    log = OrderLog(50)
    first, second = list(log.one_each(50)), list(log.one_each(50))
    assert {event.version for event in first} == {1}
    assert {event.version for event in second} == {2}
    assert len({event.order_id for event in second}) == 50


def test_every_ratio_is_orderflow_by_peer() -> None:
    runs = every_row()
    found = ratios(runs)
    assert found.keys() == RATIOS.keys()
    assert found["kafka_streams"] == found["stock_faust"] == found["kafka_streams_p99"] == found["restore"] == 1.0
    assert found["kafka_streams_steady"] == found["flink_steady"] == 0.8  # 100k/s over the whole, 125k/s in the half


def test_a_ratio_is_of_medians_over_the_rounds() -> None:
    ours = [run("orderflow", seconds=s, number=n) for n, s in enumerate((5.0, 4.0, 90.0))]
    theirs = [run("kafka_streams", seconds=s, number=n) for n, s in enumerate((10.0, 1.0, 20.0))]
    assert ratios([*ours, *theirs])["kafka_streams"] == 2.0


def test_a_peer_that_is_left_out_has_no_ratio() -> None:
    assert ratios([run("orderflow"), run("bytewax")]).keys() == {"bytewax"}


def test_results_hold_every_raw_run_and_the_machine(tmp_path: Path) -> None:
    runs = every_row()
    save(tmp_path, runs, {"cores": 2}, {"rounds": 1}, {"flink": "no JDK was found"})
    found = json.loads((tmp_path / "latest.json").read_bytes())
    assert found["runs"] == [msgspec.to_builtins(one) for one in runs]
    assert found["ratios"] == ratios(runs)
    assert found["machine"] == {"cores": 2}
    assert found["left_out"] == {"flink": "no JDK was found"}
    assert (tmp_path / "latest.svg").read_text() == plot(runs)


def test_the_table_and_the_plot_name_every_row() -> None:
    shown, drawn = table(every_row()), plot(every_row())
    for row in CATCH_UP:
        assert f"| {row.title} | 100,000 | 125,000 | 5.0 | 200 |" in shown
        assert row.title in drawn
    assert ElementTree.fromstring(drawn).tag.endswith("svg")  # noqa: S314 - our own


def test_processes_that_share_the_work_are_one_run() -> None:
    lines = [
        {"began": 10.0, "ended": 20.0, "first_half_seconds": 4.0, "events": 60, "cpu_s": 2.0, "peak_rss_mib": 5.0},
        {"began": 11.0, "ended": 22.0, "first_half_seconds": 5.0, "events": 40, "cpu_s": 1.0, "peak_rss_mib": 6.0},
    ]
    added = added_up("flink", 2, [{"seconds": 10.0, **line} for line in lines])
    assert (added.events, added.seconds, added.first_half_seconds, added.second_half_seconds) == (100, 12.0, 5.0, 7.0)
    assert (added.cpu_s, added.peak_rss_mib) == (3.0, 11.0)
    assert added.rate == pytest.approx(100 / 12)


def test_a_peers_line_is_found_among_its_log() -> None:
    assert measured_line('INFO {"x": 1}\n{"events": 3, "peak_rss_mib": 1}\nbye\n') == {"events": 3, "peak_rss_mib": 1}
    assert measured_line("nothing\n") is None


def test_the_warm_up_is_left_out_of_a_latency() -> None:
    found = percentiles("x", 1, [9999.0] * 20 + [float(n) for n in range(1, 81)])
    assert (found.events, found.p50_ms, found.p99_ms, found.max_ms) == (80, 41.0, 79.0, 80.0)


def test_a_meter_tells_both_halves(capfd: pytest.CaptureFixture[str]) -> None:
    meter = Meter(4)
    for _ in range(4):
        meter.add()
    meter.report()
    line = measured_line(capfd.readouterr().out)
    assert line is not None
    assert line["events"] == 4
    assert line["first_half_seconds"] + line["second_half_seconds"] == pytest.approx(line["seconds"])


def sagas(**p99_ms: int) -> Round:
    found = {kind: latency(kind, p99) for kind, p99 in p99_ms.items()}
    return Round(dict.fromkeys(found, 5), dict.fromkeys(found, 0), Spent(0.1, 0.2), found)


def test_the_p99_of_a_saga_stands_beside_that_of_choreography_under_the_same_load() -> None:
    """The median of the rounds."""
    both = [(100, 120), (400, 500), (200, 300)]
    runs = {
        "both": [sagas(choreography=one, orchestration=other) for one, other in both],
        "choreography": [sagas(choreography=100)],
        "orchestration": [sagas(orchestration=160)],
    }
    found = figures(runs)
    assert [(one["p99 / choreography's"], one["wanted"]) for one in found] == [
        (1.0, ""),
        (1.25, "<= 1.5"),
        (1.0, ""),
        (1.6, ""),
    ]
    assert [(one["orders"], one["p99 ms"], one["from and to"]) for one in found[:2]] == [
        (15, 200, "1.00 and 1.00"),
        (15, 300, "1.20 and 1.50"),
    ]


def test_what_a_process_takes_has_what_its_children_take() -> None:
    began = cpu_s([os.getpid()])
    work = "import time\nwhile time.process_time() < 0.3: pass\ninput()"
    with subprocess.Popen([sys.executable, "-c", work], stdin=subprocess.PIPE) as child:
        child.communicate(b"\n")
    assert cpu_s([os.getpid()]) - began >= 0.25  # the kernel counts in hundredths


def test_the_page_takes_its_figures_from_results_and_keeps_what_did_not_run(tmp_path: Path) -> None:
    on = machine()
    save(tmp_path, every_row(), on, {"rounds": 3}, {"quix": "no wheel here"})
    save_figures(tmp_path, "growth", on, [{"keys": 50_000, "events/s": 123_456}])
    empty = "".join(f"<!-- figures: {name} -->\nold {name}\n<!-- end -->\n" for name in ("latest", "growth", "hops"))
    page = filled(empty, tmp_path)
    assert "| kafka_streams | 1.00 | >= 2.0 |" in page
    assert "Left out: quix (no wheel here)" in page
    assert "| 50000 | 123456 |" in page
    assert "old hops" in page
    assert "old growth" not in page
    assert filled(page, tmp_path) == page


def test_the_parts_of_the_page_are_those_that_programs_measure() -> None:
    parts = {found["name"] for found in PART.finditer(PAGE.read_text())}
    assert parts == {
        *("latest", "write", "layers", "growth", "memory", "failover", "blocked", "hops", "sagas", "fuzz", "audit"),
    }


def test_every_ratio_has_its_bar() -> None:
    assert RATIOS.keys() == BARS.keys()
