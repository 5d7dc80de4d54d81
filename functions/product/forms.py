"""Bodies of product requests: JSON, or a form with pictures."""

from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import ValidationError
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import create_form_parser

from product.model import MAX_IMAGES, invalid_field
from product.pictures import Picture
from supermarket.errors import Invalid
from supermarket.http import MAX_JSON_BYTES, PayloadTooLarge, invalid
from supermarket.request import Request
from supermarket.schemas import Body

FORM = "multipart/form-data"

# a Lambda receives at most 6 MB, and API Gateway encodes bytes as base64, a third longer
MAX_FORM_BYTES = 4_500_000
MAX_PICTURE_BYTES = 1_000_000
MAX_FORM_DESCRIPTION = 500
LIMITS = {
    "MAX_FIELDS": 30,
    "MAX_FIELD_SIZE": MAX_JSON_BYTES,
    "MAX_MEMORY_FILE_SIZE": MAX_FORM_BYTES,
}

IMAGES = "images"
UNKNOWN = "EXTRA_FORBIDDEN"
ROUTES = {"stock": "is changed by PATCH /api/products/{productId}/stock"}
LISTS = frozenset({"removeImages"})


@dataclass
class Form:
    """The parts of a parsed form."""

    texts: dict[str, list[str]] = field(default_factory=dict)
    files: list[tuple[str, bytes]] = field(default_factory=list)

    def add_text(self, part: Any) -> None:
        self.texts.setdefault(_text(part.field_name), []).append(_text(part.value))

    def add_file(self, part: Any) -> None:
        # a browser sends an empty file without a name where none was chosen
        if part.file_name or part.size:
            part.file_object.seek(0)
            self.files.append((_text(part.field_name), part.file_object.read()))
        part.close()

    def fields(self) -> dict[str, Any]:
        """Return the fields that are not blank, since blank means absent."""
        sent = {
            name: [value for value in values if value.strip()]
            for name, values in self.texts.items()
        }
        return {
            name: values if name in LISTS else _only(name, values)
            for name, values in sent.items()
            if values
        }

    def pictures(self) -> list[Picture]:
        if any(name != IMAGES for name, _ in self.files):
            raise invalid_field("body", f"files must be sent in the field {IMAGES}")
        if len(self.files) > MAX_IMAGES:
            raise invalid_field(IMAGES, f"at most {MAX_IMAGES} pictures")
        if any(len(content) > MAX_PICTURE_BYTES for _, content in self.files):
            raise PayloadTooLarge(f"A picture is larger than {MAX_PICTURE_BYTES} bytes")
        return [Picture.of(content) for _, content in self.files]


def read[Sent: Body](request: Request, kind: type[Sent]) -> tuple[Sent, list[Picture]]:
    """Return the body as `kind` and its pictures. Raises Invalid and PayloadTooLarge."""
    try:
        if request.content_type != FORM:
            if len(request.body) > MAX_JSON_BYTES:
                raise PayloadTooLarge(f"The body is larger than {MAX_JSON_BYTES} bytes")
            return kind.model_validate_json(request.body), []
        form = _parse(request)
        fields = form.fields()
        if len(fields.get("description", "")) > MAX_FORM_DESCRIPTION:
            raise invalid_field(
                "description", f"at most {MAX_FORM_DESCRIPTION} characters in a form"
            )
        # a form holds text only, so numbers are parsed
        return kind.model_validate(fields, strict=False), form.pictures()
    except ValidationError as fault:
        raise _with_routes(invalid(fault)) from None


def _with_routes(refusal: Invalid) -> Invalid:
    """Name the route of each field that has one of its own."""
    errors = tuple(
        replace(error, message=ROUTES[error.field])
        if error.code == UNKNOWN and error.field in ROUTES
        else error
        for error in refusal.errors
    )
    return Invalid(refusal.message, errors)


def _parse(request: Request) -> Form:
    form = Form()
    headers = {"Content-Type": request.headers.get("content-type", "").encode()}
    try:
        parser = create_form_parser(headers, form.add_text, form.add_file, config=LIMITS)
        parser.write(request.body)
        parser.finalize()
    except (FormParserError, UnicodeDecodeError):
        raise Invalid("The form is malformed") from None
    return form


def _only(name: str, values: list[str]) -> str:
    if len(values) > 1:
        raise invalid_field(name[:80], "must be sent once")
    return values[0]


def _text(raw: bytes | None) -> str:
    return (raw or b"").decode()
