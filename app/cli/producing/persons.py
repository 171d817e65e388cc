"""Makes up who gets an order: a customer has one name and one address, the same in every run."""

from random import Random

from msgspec.structs import replace

from app.cli.producing.orders import PlannedOrder

_FIRST = ("Ada", "Bea", "Cyril", "Dora", "Edwin", "Flora", "Georg", "Hanna", "Ivo", "Joan", "Karl", "Lea")
_LAST = ("Abbot", "Brook", "Carver", "Dale", "Ember", "Frost", "Grove", "Heath", "Ingle", "Jessop", "Knight", "Lark")
_STREETS = ("Acorn Way", "Birch Lane", "Cedar Row", "Dove Street", "Elm Close", "Fern Hill", "Gorse Road", "Holly Walk")
_TOWNS = ("Arlford", "Brambury", "Coldwick", "Denholt", "Easterby", "Fenmoor", "Glenport", "Hartwell")


def addressed(order: PlannedOrder) -> PlannedOrder:
    """The order with the name and the address of its customer."""
    chance = Random(f"person:{order.customer_id}")  # noqa: S311 - repeatable, not secret
    name = f"{chance.choice(_FIRST)} {chance.choice(_LAST)}"
    address = f"{chance.randint(1, 199)} {chance.choice(_STREETS)}, {chance.choice(_TOWNS)}"
    return replace(order, customer_name=name, delivery_address=address)
