"""The refusals that are planted in the data: customers whose calls the simulated parties always refuse."""

REFUSED_PAYMENT = "refuse-payment"
REFUSED_DELIVERY = "refuse-delivery"


def refusal(customer_id: str, prefix: str) -> str | None:
    """Why a party that refuses customers with this prefix refuses this one; None when it does not."""
    return "refused-customer" if customer_id.startswith(prefix) else None
