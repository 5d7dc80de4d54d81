"""ImageKit's API and its delivery of pictures, as the official SDKs and a browser speak to them."""

import base64
import binascii
import hmac
import re
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from simulators.imagekit.media import Box, Library, Media
from simulators.imagekit.uploads import LARGEST_FILE, ImageKitError, parse_upload

_THUMBNAIL: Box = (300, 300)
_LONGEST_SIDE = 4000
_SERVED = {
    "Access-Control-Allow-Origin": "*",
    "Cache-Control": "public, max-age=31536000, must-revalidate",
    "Content-Security-Policy": "sandbox",
    "X-Content-Type-Options": "nosniff",
}


class Api:
    def __init__(self, library: Library, private_key: str, public_url: str) -> None:
        self._library = library
        self._private_key = private_key
        self._public_url = public_url

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/api/v1/files/upload", self.upload, methods=["POST"]),
            Route("/v1/files/{id}", self.delete, methods=["DELETE"]),
            Route("/v1/files/{id}/details", self.details),
            Route("/tr:{transformation}/{path:path}", self.serve),
            Route("/{path:path}", self.serve),
        ]

    async def upload(self, request: Request) -> Response:
        self._authenticate(request)
        if int(request.headers.get("Content-Length", "0")) > LARGEST_FILE + 100_000:
            raise ImageKitError("File size exceeds the limit of your account")
        async with request.form() as form:
            upload = await parse_upload(form)
        media = await run_in_threadpool(self._library.add, upload.path, upload.content)
        return JSONResponse({**self._view(media), "tags": upload.tags})

    def details(self, request: Request) -> Response:
        return JSONResponse({"type": "file", **self._view(self._authenticated_media(request))})

    def delete(self, request: Request) -> Response:
        self._library.remove(self._authenticated_media(request).id)
        return Response(status_code=204)

    def serve(self, request: Request) -> Response:
        """A picture or a thumbnail of it, asked for in the path or in the query."""
        media = self._library.at("/" + request.path_params["path"])
        if media is None:
            return Response("Not Found", 404, media_type="text/plain")
        asked = request.path_params.get("transformation") or request.query_params.get("tr", "")
        box = _box_of(asked)
        etag = f'"{media.etag}{f"-{box[0]}x{box[1]}" if box else ""}"'
        headers = {**_SERVED, "ETag": etag}
        if etag in request.headers.get("If-None-Match", ""):
            return Response(status_code=304, headers=headers)
        content = self._library.read(media, box)
        return Response(content, headers=headers, media_type=media.content_type)

    def _authenticated_media(self, request: Request) -> Media:
        self._authenticate(request)
        media_id = request.path_params["id"]
        media = self._library.find(media_id) if re.fullmatch("[0-9a-f]{24}", media_id) else None
        if media is None:
            raise ImageKitError("The requested file does not exist.", 404)
        return media

    def _authenticate(self, request: Request) -> None:
        """The private key is the user name of basic authentication; the password means nothing."""
        scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "basic":
            raise ImageKitError("Your request does not contain private API key.", 401)
        try:
            key = base64.b64decode(encoded, validate=True).partition(b":")[0]
        except binascii.Error:
            key = b""
        if not hmac.compare_digest(key, self._private_key.encode()):
            raise ImageKitError("Your account cannot be authenticated.", 403)

    def _view(self, media: Media) -> dict[str, Any]:
        view: dict[str, Any] = {
            "fileId": media.id,
            "name": media.name,
            "filePath": media.path,
            "url": self._public_url + media.path,
            "fileType": "image" if media.is_image else "non-image",
            "size": media.size,
            "versionInfo": {"id": media.id, "name": "Version 1"},
            "AITags": None,
        }
        if media.is_image:
            view |= {
                "height": media.height,
                "width": media.width,
                "thumbnailUrl": f"{self._public_url}/tr:n-ik_ml_thumbnail{media.path}",
            }
        return view


def _box_of(transformation: str) -> Box | None:
    """The size that a transformation asks for; all else that ImageKit could do is passed over."""
    steps = transformation.split(",")
    if "n-ik_ml_thumbnail" in steps:
        return _THUMBNAIL
    sides = dict(re.findall(r"\b([wh])-(\d{1,4})\b", transformation))
    if not sides:
        return None
    width, height = (int(sides.get(side, _LONGEST_SIDE)) for side in "wh")
    return max(1, min(width, _LONGEST_SIDE)), max(1, min(height, _LONGEST_SIDE))
