"""`python -m bench.fuzz` with few mutations: the long run is the same with more."""

import json
import subprocess
import sys
from pathlib import Path

from app.serde.decoder import decoder_in_use


def test_mutated_values_end_in_events_or_typed_errors(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "bench.fuzz",
        "--mutations",
        "2000",
        "--processes",
        "1",
        "--results",
        str(tmp_path),
    ]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    figures = json.loads(ended.stdout)
    assert figures["decoder"] == decoder_in_use()
    assert figures["read"] + figures["refused"] == figures["mutations"] == 2000
    assert {figures[wrong] for wrong in ("untyped", "unequal", "crashes", "hangs")} == {0}
