"""Tasks are shared out evenly, few move, and they move to whoever has a warm copy."""

from random import Random

from app.streaming.assignment import WARM, Claim, Place, plan

BIG = 1_000_000


def claim(owned: tuple[int, ...] = (), held: dict[int, int] | None = None, standbys: int = 0, at: int = 5) -> Claim:
    return Claim("http://there", at, owned, dict.fromkeys(owned, BIG) if held is None else held, standbys)


def active(places: dict[str, Place]) -> dict[str, tuple[int, ...]]:
    return {member: place.active for member, place in places.items()}


def test_a_new_group_shares_out_evenly() -> None:
    places = plan({name: claim() for name in "abc"}, 8)
    assert sorted(task for place in places.values() for task in place.active) == list(range(8))
    assert sorted(len(place.active) for place in places.values()) == [2, 3, 3]


def test_nothing_moves_when_nothing_changed() -> None:
    places = plan({"a": claim((1, 3)), "b": claim((0, 2))}, 4)
    assert active(places) == {"a": (1, 3), "b": (0, 2)}
    assert not any(place.warming or place.standby for place in places.values())


def test_a_cold_newcomer_warms_up_before_tasks_move_to_it() -> None:
    before = {"a": claim((0, 1, 2, 3)), "new": claim()}
    places = plan(before, 4)
    assert active(places) == {"a": (0, 1, 2, 3), "new": ()}
    warming = places["new"].warming
    assert len(warming) == 2
    after = {"a": claim((0, 1, 2, 3)), "new": claim(held=dict.fromkeys(warming, BIG - WARM))}
    assert active(plan(after, 4))["new"] == warming


def test_small_tasks_move_at_once() -> None:
    owner = claim((0, 1, 2, 3), dict.fromkeys(range(4), WARM))
    assert len(plan({"a": owner, "new": claim()}, 4)["new"].active) == 2


def test_the_tasks_of_a_dead_worker_go_to_their_warm_copies_even_past_an_even_share() -> None:
    """Balance comes back when the other has warmed up."""
    held = dict.fromkeys((0, 2, 3), BIG)
    places = plan({"b": claim((0,), held), "c": claim((1,))}, 4)
    assert active(places) == {"b": (0, 2, 3), "c": (1,)}
    assert len(places["c"].warming) == 1
    assert set(places["c"].warming) < {2, 3}


def test_without_a_warm_copy_the_one_that_lacks_least_goes_on() -> None:
    places = plan({"b": claim((0,), {0: BIG, 1: 500}), "c": claim((), {1: 900_000})}, 2)
    assert active(places)["c"] == (1,)


def test_of_two_that_claim_a_task_the_later_owner_keeps_it() -> None:
    places = plan({"sleeper": claim((0, 1), held={}, at=3), "b": claim((0, 1), at=7)}, 2)
    assert active(places) == {"sleeper": (), "b": (0, 1)}


def test_each_task_has_as_many_copies_as_asked_for_on_others_than_its_owner() -> None:
    places = plan({name: claim(standbys=2) for name in "abc"}, 6)
    for task in range(6):
        copies = [name for name, place in places.items() if task in place.standby]
        assert len(copies) == 2
        assert not any(task in places[name].active for name in copies)


def test_a_lone_worker_has_no_copies() -> None:
    assert plan({"a": claim((0, 1), standbys=1)}, 2)["a"].standby == ()


def test_copies_stay_where_they_are_warm() -> None:
    claims = {
        "a": claim((0,), standbys=1),
        "b": claim((1,), standbys=1),
        "c": claim((), {0: BIG, 1: BIG}, standbys=1),
    }
    assert {name: place.standby for name, place in plan(claims, 2).items()} == {"a": (), "b": (), "c": (0, 1)}


def test_whatever_members_say_each_task_runs_once_and_shares_become_even() -> None:
    """Seeded: members come, go and warm up; every plan is whole, and once all is warm it is even."""
    rng = Random(11)
    for _ in range(200):
        partitions = rng.randrange(1, 13)
        names = [f"m{number}" for number in range(rng.randrange(1, 6))]
        claims = {
            name: Claim(
                "",
                rng.randrange(3),
                tuple(rng.sample(range(partitions), rng.randrange(partitions + 1))),
                {task: rng.choice((0, 10, BIG)) for task in range(partitions) if rng.random() < 0.5},
                rng.randrange(3),
            )
            for name in names
        }
        for _ in range(4):
            places = plan(claims, partitions)
            assert sorted(t for place in places.values() for t in place.active) == list(range(partitions))
            assert not any(set(place.active) & {*place.standby, *place.warming} for place in places.values())
            claims = {
                name: Claim("", 9, place.active, dict.fromkeys((*place.active, *place.warming), BIG), 0)
                for name, place in places.items()
            }
        counts = [len(place.active) for place in places.values()]
        assert max(counts) - min(counts) <= 1
        assert not any(place.warming for place in places.values())
