"""The short form of `make chaos`."""

from pathlib import Path

from tests.chaos.seeded.run import run
from tests.chaos.seeded.schedule import Bounce, Kill, Pause, Schedule

SHORT = Schedule(
    seed=7,
    machines=2,
    rate=150,
    orders=60,
    steps=(
        Kill(0.5, 0, wipes=True),
        Pause(0.5, 1, 0.2),
        Bounce(0.2, "leader", 0, hard=True, away_s=0.0),
    ),
)


def test_every_row_is_the_fold_of_the_log_after_machines_and_a_broker_failed(tmp_path: Path) -> None:
    """A machine and its disk, one past its session, the leader of three brokers; nobody wrote after a successor."""
    outcome = run(SHORT, tmp_path / "run")
    assert (outcome.wrong, outcome.stale, outcome.faults) == ((), (), ())
    assert outcome.events > 0
