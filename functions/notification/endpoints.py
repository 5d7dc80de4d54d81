"""The HTTP Lambdas of the caller's inbox."""

from notification import wiring
from notification.schemas import (
    NotificationListResponse,
    NotificationResponse,
    NotificationView,
    ReadAllResponse,
)
from supermarket.caller import Caller
from supermarket.http import get, post
from supermarket.init_phase import prepare
from supermarket.schemas import Page
from supermarket.wiring import cursors


@get("/api/notifications")
def list_notifications(page: Page, caller: Caller) -> NotificationListResponse:
    purpose = f"GET /api/notifications {caller.user_id}"
    position = cursors().decode(page.cursor, purpose) or {}
    found = wiring.inbox().list_messages(caller.user_id, position.get("before"), page.limit)
    following = {"before": found.page.next_before} if found.page.next_before else None
    return NotificationListResponse(
        notifications=[NotificationView.of(message) for message in found.page.messages],
        unread=found.unread,
        next_cursor=cursors().encode(following, purpose),
    )


@post("/api/notifications/{notificationId}/read")
def read_notification(notificationId: str, caller: Caller) -> NotificationResponse:
    message = wiring.inbox().read(caller.user_id, notificationId)
    return NotificationResponse(notification=NotificationView.of(message))


@post("/api/notifications/read-all")
def read_all_notifications(caller: Caller) -> ReadAllResponse:
    return ReadAllResponse(all_read=wiring.inbox().read_all(caller.user_id))


prepare(__name__)
