"""Parses uploads and decides the path of a file in the library."""

import base64
import binascii
import re
import secrets
import string
from dataclasses import dataclass

from starlette.datastructures import FormData, UploadFile

from simulators.http import ApiError

LARGEST_FILE = 25 * 1024 * 1024
_UNIQUE = string.ascii_letters + string.digits + "-_"


def refusal(message: str, status: int = 400) -> ApiError:
    """Return a refusal in ImageKit's form."""
    support = "For support kindly contact us at support@imagekit.io ."
    return ApiError(status, {"message": message, "help": support})


@dataclass(frozen=True)
class Upload:
    path: str
    content: bytes
    tags: list[str] | None


async def parse_upload(form: FormData) -> Upload:
    name = form.get("fileName")
    if not isinstance(name, str) or not name:
        raise refusal("Missing fileName parameter for upload")
    folder = _safe_folder(str(form.get("folder", "/")))
    unique = form.get("useUniqueFileName", "true") != "false"
    tags = str(form["tags"]).split(",") if form.get("tags") else None
    return Upload(folder + _file_name(name, unique=unique), await _content(form), tags)


async def _content(form: FormData) -> bytes:
    match form.get("file"):
        case UploadFile() as file:
            content = await file.read()
        case str(text) if text:
            content = _decode_base64(text)
        case _:
            raise refusal("Missing file parameter for upload")
    if len(content) > LARGEST_FILE:
        raise refusal("File size exceeds the limit of your account")
    return content


def _decode_base64(text: str) -> bytes:
    """Decode base64, bare or in a data URL; other URLs are refused, not fetched."""
    _, _, encoded = text.rpartition(";base64,")
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise refusal("Invalid file parameter for upload") from None


def _safe(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "_", name)


def _safe_folder(folder: str) -> str:
    parts = [_safe(part) for part in folder.split("/") if part.strip(".")]
    return "/" + "".join(f"{part}/" for part in parts)


def _file_name(name: str, *, unique: bool) -> str:
    safe = _safe(name)
    if not unique:
        return safe
    stem, dot, extension = safe.rpartition(".")
    if not dot:
        stem, extension = extension, ""
    return f"{stem}_{''.join(secrets.choice(_UNIQUE) for _ in range(9))}{dot}{extension}"
