"""HTTP Lambdas of the inbox; everything is the caller's own."""

from notification import wiring
from notification.schemas import NotificationAnswer, NotificationList, NotificationView, ReadAll
from supermarket.caller import Caller
from supermarket.http import get, post
from supermarket.init_phase import prepare
from supermarket.schemas import Page
from supermarket.wiring import cursors


@get("/api/notifications")
def list_notifications(page: Page, caller: Caller) -> NotificationList:
    purpose = f"GET /api/notifications {caller.user_id}"
    position = cursors().decode(page.cursor, purpose) or {}
    opened = wiring.inbox().open(caller.user_id, position.get("before"), page.limit)
    following = {"before": opened.page.next_before} if opened.page.next_before else None
    return NotificationList(
        notifications=[NotificationView.of(message) for message in opened.page.messages],
        unread=opened.unread,
        next_cursor=cursors().encode(following, purpose),
    )


@post("/api/notifications/{notificationId}/read")
def read_notification(notificationId: str, caller: Caller) -> NotificationAnswer:
    message = wiring.inbox().read(caller.user_id, notificationId)
    return NotificationAnswer(notification=NotificationView.of(message))


@post("/api/notifications/read-all")
def read_all_notifications(caller: Caller) -> ReadAll:
    return ReadAll(all_read=wiring.inbox().read_all(caller.user_id))


prepare(__name__)
