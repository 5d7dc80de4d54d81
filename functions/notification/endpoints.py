"""The HTTP Lambdas of the caller's inbox."""

from notification import wiring
from notification.schemas import NotificationListResponse, NotificationResponse, ReadAllResponse
from supermarket.caller import Caller
from supermarket.http import get, post
from supermarket.init_phase import prepare
from supermarket.schemas import Page
from supermarket.wiring import cursors


@get("/api/notifications")
def list_notifications(page: Page, caller: Caller) -> NotificationListResponse:
    purpose = f"GET /api/notifications {caller.user_id}"
    position = cursors().decode(page.cursor, purpose) or {}
    before = position.get("before")
    found, unread = wiring.inbox().list_messages(caller.user_id, before, page.limit)
    following = {"before": found.next_before} if found.next_before else None
    cursor = cursors().encode(following, purpose)
    return NotificationListResponse.model_validate(
        {"notifications": found.messages, "unread": unread, "next_cursor": cursor}
    )


@post("/api/notifications/{notificationId}/read")
def read_notification(notificationId: str, caller: Caller) -> NotificationResponse:
    message = wiring.inbox().read(caller.user_id, notificationId)
    return NotificationResponse.model_validate({"notification": message})


@post("/api/notifications/read-all")
def read_all_notifications(caller: Caller) -> ReadAllResponse:
    return ReadAllResponse(all_read=wiring.inbox().read_all(caller.user_id))


prepare(__name__)
