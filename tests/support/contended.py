"""Many buyers of one product at once, in one process, with transactions that DynamoDB cancels.

usage: contended.py BUYERS PIECES SHARE

SHARE of all transactions that reserve stock are cancelled as if another one held the bucket. Prints
a JSON object: how many buyers got each status and code, and what the product's seller sees then.
"""

import json
import os
import random
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
ADDRESS = {
    "street": "12 MG Road",
    "city": "Bengaluru",
    "state": "Karnataka",
    "zip": "560001",
    "country": "IN",
}
AT_ONCE = 40


def sell_to_many(
    environment: dict[str, str], *, buyers: int, pieces: int, share: float
) -> dict[str, Any]:
    """Run the program; returns what it prints."""
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-P", __file__, str(buyers), str(pieces), str(share)],
        env={
            **environment,
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{ROOT / 'functions'}:{ROOT / 'tests'}:{ROOT}",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def main(buyers: int, pieces: int, share: float) -> None:
    from order.endpoints import create_order
    from product.model import Draft
    from product.wiring import product_service
    from supermarket.caller import Caller, Role
    from supermarket.clock import new_id
    from supermarket.money import Currency, Money
    from support.api import api_event

    seller = Caller(new_id(), new_id(), Role.SELLER, "ravi@example.com", "Ravi")
    draft = Draft("Festival sweets", Money(49900, Currency.INR), stock=pieces)
    product = product_service().create(draft, (), seller)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        tokens = list(pool.map(lambda _: _buyer(product.id), range(buyers)))
    cancelled = _cancel_some(share)

    def buy(token: str) -> str:
        headers = {"authorization": f"Bearer {token}"}
        body = {"shippingAddress": ADDRESS}
        answer = create_order(api_event(create_order, body, headers=headers), None)
        read = json.loads(answer["body"])
        codes = [error["code"] for error in read.get("errors", ())]
        return " ".join(map(str, (answer["statusCode"], *codes[:1])))

    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = Counter(pool.map(buy, tokens))
    after = product_service().get_product(product.id)
    levels = {"onHand": after.on_hand, "reserved": after.reserved, "stock": after.stock}
    result = {"answers": answers, "cancelled": cancelled[0], **levels}
    sys.stdout.write("\n" + json.dumps(result))


def _buyer(product_id: str) -> str:
    """Return the token of a new customer who has one piece in the cart."""
    from auth.wiring import token_issuing
    from cart.wiring import cart_service
    from supermarket.caller import Caller, Role
    from supermarket.clock import new_id
    from supermarket.wiring import sessions

    caller = Caller(new_id(), new_id(), Role.USER, "asha@example.com", "Asha")
    sessions().open(caller.session_id, caller.user_id, caller.standing)
    cart_service().add(caller.user_id, product_id, 1)
    return token_issuing().issue(caller)


def _cancel_some(share: float) -> list[int]:
    """Have DynamoDB cancel a share of the reservations; returns a list with their number."""
    from botocore.awsrequest import AWSResponse
    from botocore.compat import HTTPHeaders
    from urllib3 import HTTPResponse

    from supermarket.dynamo.rows import database

    count, chance = [0], random.Random(1)

    def cancel(request: Any, **_: Any) -> Any:
        items = json.loads(request.body)["TransactItems"]
        holds = ["bucket#" in json.dumps(item.get("Update", {}).get("Key")) for item in items]
        if not any(holds) or chance.random() >= share:
            return None
        count[0] += 1
        reasons = [{"Code": "TransactionConflict" if held else "None"} for held in holds]
        kind = "com.amazonaws.dynamodb.v20120810#TransactionCanceledException"
        body = json.dumps({"__type": kind, "Message": "", "CancellationReasons": reasons})
        sent = HTTPResponse(BytesIO(body.encode()), preload_content=False)
        return AWSResponse(request.url, 400, HTTPHeaders(), sent)

    event = "before-send.dynamodb.TransactWriteItems"
    database().client.meta.events.register(event, cancel)
    return count


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
