"""Examples for schemas: values by the name of a field, else by its type."""

from typing import Any

SCHEMAS = "#/components/schemas/"
ID = "01JDVQ5S3E8Z0M6N4T7W9X2Y1B"
MOMENT = "2026-11-29T09:30:00.000Z"
BY_NAME: dict[str, Any] = {
    "accessToken": "eyJhbGciOiJIUzI1NiIsImtpZCI6ImsxIn0.e30.c2lnbmF0dXJl",
    "category": "Grains",
    "city": "Pune",
    "code": "NOT_FOUND",
    "country": "IN",
    "createdAt": MOMENT,
    "currency": "INR",
    "cursor": None,
    "description": "Aged basmati rice, 1 kg",
    "email": "asha@example.com",
    "field": "quantity",
    "first": "Asha",
    "firstName": "Asha",
    "from": "2026-11-01",
    "last": "Rao",
    "lastName": "Rao",
    "message": "Done",
    "nextCursor": None,
    "phone": "+919876543210",
    "password": "correct horse battery",
    "currentPassword": "correct horse battery",
    "newPassword": "staple battery horse",
    "price": 499.5,
    "priceAmount": 499.5,
    "razorpay_order_id": "order_PabcdefGhijkl1",
    "razorpay_payment_id": "pay_PabcdefGhijkl1",
    "razorpay_signature": "0" * 64,
    "state": "Maharashtra",
    "street": "12 MG Road",
    "title": "Basmati rice",
    "to": "2026-11-30",
    "token": "dG9rZW4tb2YtYS1tYWlsLWxpbmstdGhhdC1pcy1sb25n",
    "trackingNumber": "BD123456789IN",
    "username": "asha.rao",
    "zip": "411001",
}


def example(schema: dict[str, Any], schemas: dict[str, Any], name: str = "", depth: int = 0) -> Any:
    """Return a value that the schema allows; `schemas` are the components it may refer to."""
    if "$ref" in schema:
        return example(schemas[schema["$ref"].removeprefix(SCHEMAS)], schemas, name, depth)
    if "properties" in schema:
        fields = schema["properties"].items()
        return {name: example(field, schemas, name, depth + 1) for name, field in fields}
    for choice in ("anyOf", "oneOf", "allOf"):
        if choice in schema:
            return example(schema[choice][0], schemas, name, depth)
    if "const" in schema or "enum" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    if schema.get("type") == "array":
        items = example(schema.get("items", {}), schemas, name, depth + 1)
        return [items] if depth < 8 and schema.get("maxItems", 1) else []
    return _scalar(schema, name)


def _scalar(schema: dict[str, Any], name: str) -> Any:
    kind = schema.get("type")
    known = BY_NAME.get(name)
    if kind == "string":
        return known if isinstance(known, str) else _text(schema, name)
    if kind in {"integer", "number"}:
        least = schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1)
        return known if isinstance(known, float) and kind == "number" else max(int(least), 1)
    if kind == "boolean":
        return True
    return {} if kind == "object" else known


def _text(schema: dict[str, Any], name: str) -> str:
    by_format = {"date-time": MOMENT, "date": "2026-11-29", "email": "asha@example.com"}
    if schema.get("format") in by_format:
        return by_format[schema["format"]]
    if schema.get("pattern", "").startswith("^[0-7]") or name.lower().endswith("id"):
        return ID
    if name.endswith(("At", "Until")):
        return MOMENT
    return "text".ljust(schema.get("minLength", 0), "x")[: schema.get("maxLength", 80)]
