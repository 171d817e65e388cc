"""The page about change data capture, followed on the demo, with its worker in a terminal of its own."""

import signal

from app.embedded import processes
from app.embedded.connect import ConnectServer
from app.embedded.ports import free_ports
from tests.docs.pages import ROOT, blocks
from tests.docs.running import Demo
from tests.waiting import until

PAGE = ROOT / "docs" / "change-data-capture.md"
PORT = "8083"  # on the page; here any free one
START_S = ConnectServer.start_limit
STOP_S = 30.0


def test_the_page_works_from_top_to_bottom(demo: Demo) -> None:
    port, log = str(free_ports(0)[0]), demo.terminal.directory / "connect.log"
    worker = None
    try:
        for text in (block.text.replace(PORT, port) for block in blocks(PAGE) if block.language == "sh"):
            if text.strip().endswith("cdc worker"):
                worker = demo.terminal.start(text.strip(), log)
                until(lambda: "serves at" in log.read_text(errors="replace"), "Connect serves", START_S)
            else:
                demo.terminal.run(text)
    finally:
        if worker is not None:
            processes.end(worker, signal.SIGTERM, STOP_S)
