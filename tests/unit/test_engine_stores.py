"""The stores of a worker's directory: damaged ones are set aside, left ones are removed, a full disk is said to be."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from app.streaming.errors import StoreDamagedError, StoreInUseError
from app.streaming.kafka.standbys import Standbys
from app.streaming.memory import StateMemory
from app.streaming.store import Store
from app.streaming.stores import KEPT_ASIDE, SET_ASIDE, Stores
from tests.engine.damage import DAMAGES, Damage
from tests.waiting import PATIENCE_S

NAME = "views-0"
KEEP_S = 3600.0
ROWS = {b"t\0%05d" % number: random.Random(number).randbytes(100) for number in range(5_000)}

FULL = """
import resource, sys
from pathlib import Path
from app.streaming.errors import DiskFullError
from app.streaming.memory import StateMemory
from app.streaming.stores import Stores
stores = Stores(Path(sys.argv[1]), StateMemory(16), 3600.0)
store = stores.open("views-0")
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
written = 0
try:
    while True:
        rows = [(b"t\\0%08d" % n, n.to_bytes(100, "big")) for n in range(written, written + 1000)]
        store.write(rows, {"log": written})
        written += 1000
except DiskFullError as error:
    assert "make room" in str(error), error
    assert store.failure is error
store.close()
resource.setrlimit(resource.RLIMIT_FSIZE, (20, hard))
aside = Path(sys.argv[1], "views-1.damaged-1")
aside.mkdir()
try:
    stores.open("views-0")
except DiskFullError:
    pass
else:
    raise AssertionError("opened on a full disk")
assert not aside.exists(), "it takes room that is needed"
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
again = stores.open("views-0")
at = again.positions.changelogs.get("log", -1000) + 1000
held = [n for n in range(written) if again.get(b"t\\0%08d" % n) == n.to_bytes(100, "big")]
assert held == list(range(at)), (at, len(held))
"""

OPENED = """
import sys
from pathlib import Path
from app.streaming.memory import StateMemory
from app.streaming.store import Store
store = Store(Path(sys.argv[1]), StateMemory(16))
print("open", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    return Stores(tmp_path, StateMemory(16), KEEP_S)


def written(stores: Stores) -> Store:
    store = stores.open(NAME)
    store.write(ROWS.items(), {"log": 7})
    return store


def aside(directory: Path) -> list[Path]:
    return sorted(directory.glob(f"{NAME}.damaged-*"))


def age(path: Path, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(path, (then, then))


def test_a_store_is_open_in_one_place_at_a_time(tmp_path: Path) -> None:
    """Whoever was refused takes nothing from the one who has it."""
    stores = Stores(tmp_path, StateMemory(16), keep_s=0.0)
    store = stores.open(NAME)
    with pytest.raises(StoreInUseError, match="ORDERFLOW_DATA"):
        stores.open(NAME)
    stores.sweep("views")
    with pytest.raises(StoreInUseError):
        Stores(tmp_path, StateMemory(16), keep_s=0.0).open(NAME)
    store.write({b"a": b"1"}.items(), {})
    assert stores.rows_each == 7 << 20  # all of it: the others were not opened


def test_a_store_that_a_lost_scan_still_holds_is_opened_again(stores: Stores) -> None:
    store = written(stores)
    lost: list[object] = [store.scan(min(ROWS)[:1])]
    next(lost[0])  # type: ignore[call-overload]
    lost.append(lost)
    del lost
    store.close()
    assert stores.open(NAME).get(min(ROWS)) == ROWS[min(ROWS)]


def test_a_store_that_cannot_be_read_is_set_aside_and_begun_anew(stores: Stores, tmp_path: Path) -> None:
    """What was found stays to be looked at, beside it, and no more than a few of them."""
    for _ in range(KEPT_ASIDE + 2):
        written(stores).close()
        (tmp_path / NAME / "CURRENT").write_text("no manifest\n")
        again = stores.open(NAME)
        assert again.is_new
        assert again.positions.changelogs == {}
        again.close()
    assert len(aside(tmp_path)) == KEPT_ASIDE


def test_damage_found_while_it_is_read_sets_it_aside_at_the_next_opening(stores: Stores, tmp_path: Path) -> None:
    store = written(stores)
    store.close()
    (file,) = store.path.glob("*.sst")
    content = bytearray(file.read_bytes())
    content[len(content) // 4 : len(content) // 2] = bytes(len(content) // 4)
    file.write_bytes(content)
    again = stores.open(NAME)
    with pytest.raises(StoreDamagedError):
        again.get_many(list(ROWS))
    again.close()
    assert stores.open(NAME).is_new
    assert len(aside(tmp_path)) == 1


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_damage_is_noticed_or_harmless(stores: Stores, damage: Damage) -> None:
    """A row that is answered is a row that was written; one that is missing is missed by its changelog's position."""
    for seed in range(5):
        store = written(stores)
        store.close()
        damage(store.path, random.Random(seed))
        again = stores.open(NAME)
        try:
            found = dict(again.scan(b"t\0"))
            assert again.get_many(list(ROWS)) == [found.get(key) for key in ROWS]
        except StoreDamagedError:
            again.close()
            again = stores.open(NAME)
            found = {}
            assert again.is_new
        assert found == (ROWS if again.positions.changelogs == {"log": 7} else {})
        again.wipe().close()


def test_a_full_disk_is_named_and_nothing_is_set_aside(tmp_path: Path) -> None:
    """In a process of its own, whose files may not grow: rows and positions agree when there is room again."""
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert done.returncode == 0, done.stderr
    assert aside(tmp_path) == []


def test_a_left_store_is_removed_after_its_time(tmp_path: Path) -> None:
    """Of this topology alone, and neither one that is open, here or elsewhere, nor one that was used of late."""
    now, later = (Stores(tmp_path, StateMemory(16), keep_s) for keep_s in (3600.0, 0.0))
    for name in ("views-0", "views-1", "views-11", "other-views-0", "views-more-0"):
        now.open(name).close()
    (tmp_path / f"views-1{SET_ASIDE}1").mkdir()
    elsewhere = subprocess.Popen(
        [sys.executable, "-c", OPENED, str(tmp_path / "views-3")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert elsewhere.stdout is not None
    assert elsewhere.stdout.readline() == b"open\n"
    here = later.open("views-2")
    for path in tmp_path.iterdir():
        age(path, 7200.0)
    now.sweep("views")  # they are old, but nobody knows yet who will be given these tasks
    assert (tmp_path / "views-0").exists()
    age(tmp_path / "views-1", -60.0)
    later.sweep("views")
    elsewhere.communicate(timeout=PATIENCE_S)
    here.write({b"a": b"1"}.items(), {})
    assert {path.name for path in tmp_path.iterdir()} == {
        "views-1", "views-2", "views-3", "other-views-0", "views-more-0"
    }  # fmt: skip


def test_a_store_whose_former_removal_was_broken_off_is_removed_all_the_same(tmp_path: Path) -> None:
    stores = Stores(tmp_path, StateMemory(16), keep_s=0.0)
    stores.open("views-0").close()
    (tmp_path / "views-0.removed" / "some").mkdir(parents=True)
    for path in tmp_path.iterdir():
        age(path, 1.0)
    assert "views-0" in stores.sweep("views")
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_was_removed_is_claimed_no_more(tmp_path: Path) -> None:
    stores = Stores(tmp_path, StateMemory(16), keep_s=0.0)
    topology, clients = SimpleNamespace(name="views"), SimpleNamespace()
    standbys = Standbys(topology, clients, stores, lambda _: None)  # type: ignore[arg-type]  # asked for no more
    for number in (0, 1):
        stores.open(f"views-{number}").close()
        standbys.left(number, 7)
    age(tmp_path / "views-0", 1.0)
    age(tmp_path / "views-1", -60.0)
    standbys.sweep()
    assert standbys.held() == {1: 7}
