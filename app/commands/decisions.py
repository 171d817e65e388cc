"""The decisions of the fulfilment saga, made on the orders in the store."""

from uuid import UUID

from app.commands.service import Commands, Request
from app.domain.calls import Cancel, Confirm, Decided, Superseded
from app.domain.events import Event, OrderCancelled, OrderConfirmed
from app.domain.orders import CancelOrder, ConfirmOrder, OrderEndedError
from app.domain.step import caused_id
from app.errors import ConcurrencyError, PermanentError

_EVENTS: dict[type[Confirm | Cancel], type[Event]] = {Confirm: OrderConfirmed, Cancel: OrderCancelled}


class Decisions:
    """Confirms and cancels orders. The same cause decides once, however often it is asked."""

    def __init__(self, commands: Commands) -> None:
        self._commands = commands

    async def perform(self, call: object) -> Decided | Superseded:
        """`Superseded` names the version that the order has instead; transient errors are the store's."""
        if not isinstance(call, Confirm | Cancel):
            raise PermanentError(f"{type(call).__name__} is no decision on an order; look at the rule that asks for it")
        try:
            handled = await self._commands.handle(_request(call))
        except (ConcurrencyError, OrderEndedError):
            last = await self._commands.last_event(call.order_id)
            # the result of a call that comes again after a long time has expired; its event is there
            was_decided = last.event_id == caused_id(call.causation_id, _EVENTS[type(call)].__name__)
            return Decided(last.version) if was_decided else Superseded(last.version)
        return Decided(handled.order.version)


def _request(call: Confirm | Cancel) -> Request:
    # of its kind: a cause that is judged anew after a crash may lead to the other decision
    command_id = UUID(caused_id(call.causation_id, type(call).__name__))
    match call:
        case Confirm():
            return Request(
                command=ConfirmOrder(order_id=call.order_id),
                command_id=command_id,
                causation_id=call.causation_id,
                expected=call.order_version,
            )
        case Cancel():
            return Request(
                command=CancelOrder(order_id=call.order_id, reason=call.reason),
                command_id=command_id,
                causation_id=call.causation_id,
            )
