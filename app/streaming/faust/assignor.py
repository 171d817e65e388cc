"""The group's assignor: carries claims and places between the members and `app.streaming.assignment`, which decides."""

from collections.abc import Mapping
from typing import Any

import msgspec
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata
from faust.assignor.partition_assignor import PartitionAssignor

from app.streaming.assignment import Claim, Place, plan

_claim = msgspec.msgpack.Decoder(Claim)
_place = msgspec.msgpack.Decoder(Place)
_encode = msgspec.msgpack.encode


class Assignor(PartitionAssignor):
    """Runs in the membership's thread. All topics of a task go to the same member, changelogs too."""

    place = Place("")

    @property
    def name(self) -> str:
        return "orderflow"

    @property
    def version(self) -> int:
        return 1

    def metadata(self, topics: Any) -> ConsumerProtocolMemberMetadata:
        return ConsumerProtocolMemberMetadata(self.version, sorted(topics), _encode(self.app.claim()))

    def assign(self, cluster: Any, members: Mapping[str, Any]) -> dict[str, ConsumerProtocolMemberAssignment]:
        """Nobody runs anything before all topics are known: the coordinator assigns anew when they are."""
        topics = sorted({topic for member in members.values() for topic in member.subscription})
        known = {topic: cluster.partitions_for_topic(topic) or set() for topic in topics}
        count = max(map(len, known.values())) if all(known.values()) else 0
        places = plan({member: _claim.decode(said.user_data) for member, said in members.items()}, count)
        return {member: self._told(place, known) for member, place in places.items()}

    def _told(self, place: Place, known: dict[str, set[int]]) -> ConsumerProtocolMemberAssignment:
        assigned = [(topic, [task for task in place.active if task in there]) for topic, there in known.items()]
        return ConsumerProtocolMemberAssignment(self.version, [one for one in assigned if one[1]], _encode(place))

    def on_assignment(self, assignment: Any) -> None:
        self.place = _place.decode(assignment.user_data)
