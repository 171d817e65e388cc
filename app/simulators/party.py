"""What the simulated parties share: the rules of a key, and the words in which one party tells them."""

from collections.abc import Mapping, Sequence
from uuid import uuid4

import msgspec

from app.simulators.faults import Faults
from app.simulators.ledger import Entry, Ledger
from app.simulators.planted import refusal

REFUSED, VOIDED = "refused", "voided"


class Party(msgspec.Struct, frozen=True, kw_only=True):
    """The words of one party. `PUT /{resource}/{order_id}/{order_version}` asks for an effect, and
    `POST /{resource}/{order_id}/{undo}` of the first resource undoes and voids.

    `effects` names the states in which the effect of a resource stands, beginning with its first; `undone` is what
    each of them becomes by an undo. `terms` is the body that asks for an effect. The answer to an undo lists those in
    the state `told`, with `undone_fields` of each. `completes` is the word for taking an effect from its first state to
    its next: `POST /{resource}/{order_id}/{order_version}/{completes}`. A party with a `dispute` can refuse an undo.
    """

    name: str
    effects: Mapping[str, tuple[str, ...]]
    undo: str
    terms: type[msgspec.Struct]
    undone: Mapping[str, str]
    told: str
    effect_id: str
    undone_list: str
    undone_fields: tuple[str, ...]
    refused_prefix: str
    completes: str = ""
    dispute: str = ""

    def outcome(self, resource: str, entry: Entry) -> Mapping[str, str]:
        """The answer to whoever asks for the effect of this key, now or again."""
        states = self.effects[resource]
        if entry.state in states:
            return {"outcome": states[0], self.effect_id: entry.effect_id}
        if entry.state == REFUSED:
            return {"outcome": REFUSED, "reason": entry.reason}
        return {"outcome": VOIDED}

    def listed(self, entry: Entry) -> dict[str, str | int]:
        """The entry as the ledger shows it."""
        shown = {"order_id": entry.order_id, "order_version": entry.order_version, "state": entry.state, **entry.terms}
        extra = {self.effect_id: entry.effect_id, "reason": entry.reason}
        return {**shown, **{name: value for name, value in extra.items() if value}}


class OtherTermsError(Exception):
    """The key has been used with other terms: a mistake of the caller, who would not get what it asks for."""


class Desk:
    """Decides what becomes of keys. Its methods run within `Ledger.settle`."""

    def __init__(self, party: Party, ledger: Ledger, faults: Faults) -> None:
        self._party, self._ledger, self._faults = party, ledger, faults

    def ask(self, resource: str, order_id: str, order_version: int, terms: Mapping[str, str | int]) -> Entry:
        """Gives the key its effect or its refusal, once; then the same entry to every repetition."""
        entry = self._ledger.find(order_id, order_version)
        if entry is None:
            entry = self._first(self._party.effects[resource][0], order_id, order_version, terms)
            self._ledger.write(entry)
        elif entry.terms and entry.terms != terms:
            raise OtherTermsError(f"the key was used with {dict(entry.terms)}")
        elif entry.state in self._party.undone and entry.state not in self._party.effects[resource]:
            raise OtherTermsError(f"the key is {entry.state}")
        return entry

    def complete(self, resource: str, order_id: str, order_version: int) -> Entry | None:
        """Takes the effect of the key to its next state, once; None where none stands."""
        entry, (first, completed) = self._ledger.find(order_id, order_version), self._party.effects[resource]
        if entry is None or entry.state not in {first, completed}:
            return None
        if entry.state == first:
            entry = msgspec.structs.replace(entry, state=completed)
            self._ledger.write(entry)
        return entry

    def undo(self, order_id: str, order_versions: Sequence[int]) -> list[Entry]:
        """Undoes what the keys did and voids them all, unknown ones too. Those to be told, undone now or before, by
        version."""
        entries = [self._undone(order_id, version) for version in sorted(set(order_versions))]
        return [entry for entry in entries if entry.state == self._party.told]

    def _first(self, state: str, order_id: str, order_version: int, terms: Mapping[str, str | int]) -> Entry:
        customer_id = str(terms["customer_id"])
        reason = refusal(customer_id, self._party.refused_prefix)
        if reason is None and self._faults.take("refuse", order_id, customer_id):
            reason = "refused-by-fault"
        if reason is not None:
            return Entry(order_id=order_id, order_version=order_version, state=REFUSED, reason=reason, terms=terms)
        return Entry(order_id=order_id, order_version=order_version, state=state, effect_id=str(uuid4()), terms=terms)

    def _undone(self, order_id: str, order_version: int) -> Entry:
        entry = self._ledger.find(order_id, order_version)
        if entry is None:
            undone = Entry(order_id=order_id, order_version=order_version, state=VOIDED)
        elif entry.state == REFUSED:
            undone = msgspec.structs.replace(entry, state=VOIDED)
        elif entry.state in self._party.undone:
            undone = msgspec.structs.replace(entry, state=self._party.undone[entry.state])
        else:
            return entry
        self._ledger.write(undone)
        return undone
