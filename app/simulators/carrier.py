"""The carrier: schedules each key at most once; a cancelled delivery stays cancelled, a voided key never scheduled."""

from typing import Annotated

import msgspec
from msgspec import Meta

from app.simulators.party import Party
from app.simulators.planted import REFUSED_DELIVERY


class DeliveryTerms(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Name and address are not there where the shop was not told them."""

    customer_id: Annotated[str, Meta(min_length=1, max_length=200)]
    name: Annotated[str, Meta(max_length=1_000)] = ""
    address: Annotated[str, Meta(max_length=1_000)] = ""


CARRIER = Party(
    name="carrier",
    effects={"deliveries": ("scheduled",)},
    undo="cancel",
    terms=DeliveryTerms,
    undone={"scheduled": "cancelled"},
    told="cancelled",
    effect_id="delivery_id",
    undone_list="deliveries",
    undone_fields=("order_version", "delivery_id"),
    refused_prefix=REFUSED_DELIVERY,
)
