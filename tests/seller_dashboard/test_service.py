"""What sellers read: pages of lists, and exports."""

import pytest

from seller_dashboard.projections.model import Period, Slice
from supermarket.errors import NotFound
from support.seller_dashboard import PLACED, Projections, a_sale

EVER = Period.between(None, None)
TODAY = Period(PLACED.date(), PLACED.date())


@pytest.mark.parametrize("count", [0, 1, 3, 4, 6, 7])
def test_pages_have_every_order_once_and_the_last_page_has_no_next(count: int) -> None:
    projections = Projections()
    for number in range(count):
        projections.record(a_sale(order_id=f"o{number}"))
    seen: list[str] = []
    position, pages = None, 0
    while pages == 0 or position is not None:
        page = projections.dashboard.list_orders("s1", EVER, None, Slice(3, position))
        seen += [sale.order_id for sale in page.items]
        position, pages = page.next, pages + 1
    assert seen == [f"o{number}" for number in reversed(range(count))]
    assert pages == max(1, -(-count // 3))


def test_an_unknown_list_is_not_found() -> None:
    projections = Projections()
    with pytest.raises(NotFound):
        projections.dashboard.export("secrets", "s1", TODAY, None)
