"""The payment provider: charges or holds each key at most once, and charges what it holds when that is captured.

A voided charge is refunded once, a voided hold released; a voided key is never charged or held again.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from app.simulators.party import Party
from app.simulators.planted import REFUSED_PAYMENT


class ChargeTerms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    customer_id: Annotated[str, Meta(min_length=1, max_length=200)]
    currency: Annotated[str, Meta(pattern="^[A-Z]{3}$")]
    amount_minor: Annotated[int, Meta(ge=0, le=2**63 - 1)]


PROVIDER = Party(
    name="provider",
    effects={"charges": ("charged",), "holds": ("held", "captured")},
    undo="void",
    terms=ChargeTerms,
    undone={"charged": "refunded", "held": "released", "captured": "refunded"},
    told="refunded",
    effect_id="payment_id",
    undone_list="refunds",
    undone_fields=("order_version", "currency", "amount_minor"),
    refused_prefix=REFUSED_PAYMENT,
    completes="capture",
    dispute="disputed",
)
