"""orderflow after the loss of its disk: from the first look at a task that restores until all of them are active."""

from app.observability.log import setup
from app.streaming.names import group_id
from bench import summaries
from bench.peers.meter import Meter
from bench.peers.orderflow import Tasks, run, settings_of
from bench.peers.work import arguments


def main() -> None:
    asked = arguments()
    setup("warning")
    settings, meter = settings_of(asked), Meter(asked.events)

    def is_done(tasks: Tasks) -> bool:
        if any(task["remaining"] for task in tasks):
            meter.begin()
        if len(tasks) < settings.partitions or any(task["state"] != "active" for task in tasks):
            return False
        meter.add(asked.events)
        return True

    run(summaries.build(settings, asked.group.removeprefix(group_id(""))), settings, meter, is_done)


main()
