"""A campaign sends each letter once and in order, at a rate that grows, and ends when its letters die again."""

import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.deadletters import audit, reading, runs
from app.deadletters.alone import alone
from app.deadletters.campaign import Campaign
from app.deadletters.desk import FilledDesk
from app.deadletters.errors import CampaignAbortedError, CampaignRunningError, NothingToSendError
from app.deadletters.reading import Filter
from app.deadletters.runs import Order, Run
from app.deadletters.sender import Sender
from app.streaming.failures import Attempt, Behind, Redrive, engine_headers
from app.streaming.letters import Letter, Result
from app.streaming.record import Record
from tests.contract.dead_letters import Post
from tests.topics import MakeTopics
from tests.waiting import PATIENCE_S

KILLED = Path(__file__).parents[1] / "contract" / "killed_campaign.py"
KILLS = 20
KEYS = [f"key-{number}".encode() for number in range(30)]


@pytest.fixture
def post(kafka: str, make_topics: MakeTopics, unique: Callable[[str], str]) -> Post:
    return Post(kafka, unique("orderflow-redrive"), make_topics)


def frozen(
    desk: FilledDesk, asked: Filter | None = None, edits: Mapping[str, Letter] | None = None, **more: object
) -> Run:
    order = Order(**{"asked": asked or Filter(), "action": "redrive", "who": "op", "rate": 500} | more)  # type: ignore[arg-type]
    return runs.freeze(desk.connection, order, edits or {})[0]


def campaign(desk: FilledDesk, post: Post, run: Run, step_s: float = 0.3) -> Campaign:
    return Campaign(desk.connection, desk.index, post.kafka, run, "op", step_s)


def counts(desk: FilledDesk) -> Counter[str]:
    return Counter(entry.state for entry in reading.letters(desk.connection, Filter()))


def test_every_letter_is_sent_once_and_resolved_by_its_outcome(post: Post, database: str) -> None:
    post.die_all(KEYS)
    with post.worker(), post.desk(database) as desk:
        run = frozen(desk)
        assert counts(desk) == {"dead": len(KEYS)}
        assert campaign(desk, post, run).run(threading.Event()) == "finished"
        assert counts(desk) == {"resolved": len(KEYS)}
        assert [(act.who, act.action, len(act.letters)) for act in audit.acts(desk.connection)] == [
            ("op", "freeze", len(KEYS)),
            ("op", "run", len(KEYS)),
            ("op", "finished", 0),
        ]
    assert sorted(set(post.letters_sent())) == sorted(post.letters_sent())
    assert len(post.letters_sent()) == len(KEYS)


def test_a_head_goes_before_its_chain_and_the_chain_in_its_sequence(post: Post, database: str) -> None:
    """Also when a follower comes before its turn and is returned."""
    heads = post.die_all(KEYS[:3])
    for sequence in (2, 1, 3, 5, 4):
        for head in heads:
            post.die(head.key or b"", behind=Behind(sequence, f"{head.topic}:{head.partition}:{head.offset}"))
    returned: set[str] = set()

    def decide(sent: Record) -> Result:
        said = engine_headers(sent)[1]
        if said.get("__orderflow.sequence") == "2" and said["__orderflow.letter"] not in returned:
            returned.add(said["__orderflow.letter"])
            return "returned"
        return "resolved"

    with post.worker(decide), post.desk(database) as desk:
        run = frozen(desk, Filter(reason="non-retryable"))
        assert run.letters == 18
        assert campaign(desk, post, run).run(threading.Event()) == "finished"
        assert counts(desk) == {"resolved": 18}
    for head in heads:
        places = [engine_headers(one)[1].get("__orderflow.sequence") for one in post.sent() if one.key == head.key]
        assert list(dict.fromkeys(places)) == [None, "1", "2", "3", "4", "5"]


def test_a_discarded_head_lets_its_chain_be_redriven(post: Post, database: str) -> None:
    (head,) = post.die_all(KEYS[:1])
    post.die(head.key or b"", behind=Behind(1, f"{head.topic}:{head.partition}:{head.offset}"))
    with post.worker(), post.desk(database) as desk:
        run = frozen(desk, Filter(reason="non-retryable"), action="discard")
        campaign(desk, post, run).run(threading.Event())
        assert counts(desk) == {"discarded": 1, "resolved": 1}


def test_a_campaign_whose_letters_die_again_ends_by_itself(post: Post, database: str) -> None:
    post.die_all(KEYS)
    with post.worker(lambda sent: "dead"), post.desk(database) as desk:
        run = frozen(desk)
        with pytest.raises(CampaignAbortedError, match="died again"):
            campaign(desk, post, run).run(threading.Event())
        assert runs.find(desk.connection, run.id).state == "aborted"
        assert [act.action for act in audit.acts(desk.connection)] == ["freeze", "run", "aborted"]
        assert 3 <= len(post.letters_sent()) < len(KEYS)


def test_an_aborted_campaign_goes_on_once_the_cause_is_mended(post: Post, database: str) -> None:
    """What had died before counts no more against it."""
    post.die_all(KEYS)
    with post.worker(lambda sent: "dead"), post.desk(database) as desk, pytest.raises(CampaignAbortedError):
        campaign(desk, post, frozen(desk)).run(threading.Event())
    with post.worker(), post.desk(database) as desk:
        ((run,),) = desk.connection.execute("select id from dead_letters.runs").fetchall()
        assert campaign(desk, post, runs.find(desk.connection, run)).run(threading.Event()) == "finished"
        ended = counts(desk)
    died = ended["replaced"]
    assert died >= 3
    assert ended == {"replaced": died, "dead": died, "resolved": len(KEYS) - died}


def test_a_chain_waits_where_a_follower_died_and_goes_on_with_its_new_letter(post: Post, database: str) -> None:
    (head,) = post.die_all(KEYS[:1])
    for sequence in (1, 2, 3):
        post.die(KEYS[0], behind=Behind(sequence, f"{head.topic}:{head.partition}:{head.offset}"))
    results: dict[str | None, Result] = {"2": "dead", "3": "returned"}

    def decide(sent: Record) -> Result:
        return results.get(engine_headers(sent)[1].get("__orderflow.sequence"), "resolved")

    with post.worker(decide), post.desk(database) as desk:
        campaign(desk, post, frozen(desk)).run(threading.Event())
        assert counts(desk) == {"resolved": 2, "replaced": 1, "dead": 2}
        results.clear()
        again = frozen(desk, Filter(reason="non-retryable"))
        assert again.letters == 2
        assert campaign(desk, post, again).run(threading.Event()) == "finished"
        assert counts(desk) == {"resolved": 4, "replaced": 1}
    assert [engine_headers(one)[1].get("__orderflow.sequence") for one in post.sent()][-2:] == [None, "3"]


def test_a_letter_is_redriven_three_times_and_then_only_by_force(post: Post, database: str) -> None:
    post.die(KEYS[0], attempt=Attempt(1, 1, Redrive(f"{post.group}-dlq:0:0", "run", 2)))
    with post.desk(database) as desk:
        with pytest.raises(NothingToSendError, match="redriven 3 times; --force"):
            frozen(desk)
        assert frozen(desk, force=True).letters == 1


def test_a_stopped_campaign_is_gone_on_with(post: Post, database: str) -> None:
    post.die_all(KEYS)
    stop = threading.Event()
    with post.worker(), post.desk(database) as desk:
        run = frozen(desk)
        first = campaign(desk, post, run).run(stop, lambda tally, rate: stop.set() if tally.sent else None)
        assert (first, runs.find(desk.connection, run.id).state) == ("stopped", "stopped")
        assert counts(desk)["dead"] > 0
        assert campaign(desk, post, runs.find(desk.connection, run.id)).run(threading.Event()) == "finished"
        assert counts(desk) == {"resolved": len(KEYS)}
    assert sorted(set(post.letters_sent())) == sorted(post.letters_sent())


def test_of_two_operators_at_once_one_sends_and_the_other_is_told(post: Post, database: str) -> None:
    post.die_all(KEYS)
    with post.desk(database) as desk:
        run = frozen(desk)
    both = threading.Barrier(2)

    def operate(_: int) -> str:
        with post.desk(database) as mine:
            one = campaign(mine, post, run)
            both.wait(PATIENCE_S)
            try:
                return one.run(threading.Event())
            except CampaignRunningError as error:
                return str(error)

    with post.worker(), ThreadPoolExecutor(2) as operators:
        ends = sorted(operators.map(operate, range(2)))
    assert ends[1] == "finished"
    assert f"a campaign sends to {post.group} already" in ends[0]
    assert len(post.letters_sent()) == len(set(post.letters_sent())) == len(KEYS)


def test_a_letter_of_two_campaigns_is_sent_by_the_first_alone(post: Post, database: str) -> None:
    post.die_all(KEYS[:5])
    with post.worker(), post.desk(database) as desk:
        both = [frozen(desk), frozen(desk)]
        assert [campaign(desk, post, run).run(threading.Event()) for run in both] == ["finished"] * 2
        assert counts(desk) == {"resolved": 5}
    assert len(post.letters_sent()) == 5


def test_a_campaign_that_another_process_took_over_from_sends_nothing_more(post: Post, database: str) -> None:
    """Also when that one knows nothing of this database, and so of its lock; it is told, and can be gone on with."""
    post.die_all(KEYS)
    others: list[Sender] = []

    def take_over(tally: runs.Tally, rate: float) -> None:
        if tally.sent and not others:
            others.append(Sender(post.kafka, post.group))

    with post.worker(), post.desk(database) as desk:
        run = frozen(desk)
        with pytest.raises(CampaignRunningError, match="took over"):
            campaign(desk, post, run).run(threading.Event(), take_over)
        assert len(post.letters_sent()) < len(KEYS)
        assert campaign(desk, post, runs.find(desk.connection, run.id)).run(threading.Event()) == "finished"
        assert counts(desk) == {"resolved": len(KEYS)}
    assert len(post.letters_sent()) == len(set(post.letters_sent())) == len(KEYS)


def test_the_index_is_not_made_anew_while_a_campaign_runs(post: Post, database: str) -> None:
    """Half an index would not know what was sent already."""
    with post.desk(database) as other, post.desk(database) as desk:
        with alone(other.connection, [post.group]), pytest.raises(CampaignRunningError, match="being made anew"):
            desk.rebuild("op")
        assert desk.rebuild("op") == 0


def test_the_rate_grows_in_steps_as_the_topic_shows(post: Post, database: str) -> None:
    keys, rates = [f"key-{number}".encode() for number in range(80)], list[float]()
    post.die_all(keys)
    with post.worker(), post.desk(database) as desk:
        run = frozen(desk, rate=1000)
        began_ms = time.time() * 1_000
        campaign(desk, post, run, step_s=1.0).run(threading.Event(), lambda tally, rate: rates.append(rate))
    since = sorted(record.timestamp_ms - began_ms for record in post.sent())
    assert len([at for at in since if at < 1_000]) <= 1 + 1  # one a second, and the first one at once
    assert len([at for at in since if at < 2_000]) <= 1 + 1 + 10
    assert list(dict.fromkeys(rates))[:3] == [1, 10, 100]
    assert rates == sorted(rates)


@pytest.mark.parametrize("seed", [1])
def test_a_campaign_that_is_killed_at_any_line_and_resumed_sends_each_letter_once(
    post: Post, database: str, seed: int
) -> None:
    keys = [f"key-{number}".encode() for number in range(60)]
    post.die_all(keys)
    with post.desk(database) as desk:
        run = frozen(desk, abort_share=1.0)
    with post.worker():
        command = [sys.executable, str(KILLED), post.kafka, database, post.group, run.id, str(seed), str(KILLS)]
        done = subprocess.run(command, timeout=PATIENCE_S, capture_output=True, text=True)
    assert done.stdout.split() == ["-9"] * KILLS + ["0"], done.stderr
    assert len(post.letters_sent()) == len(set(post.letters_sent())) == len(keys)
    with post.desk(database) as desk:
        assert counts(desk) == {"resolved": len(keys)}
        assert runs.find(desk.connection, run.id).state == "finished"
