"""The event handlers of the catalogue."""

from time import monotonic

from product import wiring
from product.model import SellerDecision
from supermarket.contracts import Metadata, UserStandingChanged
from supermarket.events import EventHandlers
from supermarket.init_phase import prepare

SELLING_ROLES = {"seller", "admin"}
SECONDS_PER_ATTEMPT = 40

event_handlers = EventHandlers("product", spare_milliseconds=50_000)


@event_handlers.on(UserStandingChanged)
def hide_or_show_products(event: UserStandingChanged, _metadata: Metadata) -> None:
    """An account that is suspended, pending or no seller any more sells nothing."""
    sells = event.role in SELLING_ROLES and event.status == "active"
    decision = SellerDecision(event.user_id, event.revision, is_hidden=not sells)
    ends = monotonic() + SECONDS_PER_ATTEMPT
    wiring.seller_visibility().carry_out(decision, lambda: monotonic() < ends)


prepare(__name__)
