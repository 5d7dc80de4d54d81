"""ImageKit's API, as its official SDKs use it, and the delivery of pictures to browsers."""

import hmac
import re
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from simulators.http import basic_credentials
from simulators.imagekit.media import Box, Library, Media, id_of
from simulators.imagekit.uploads import LARGEST_FILE, parse_upload, refusal

_THUMBNAIL: Box = (300, 300)
_LONGEST_SIDE = 4000
_LARGEST_PAGE = 1000
_SORTS = {"ASC_CREATED": 1, "DESC_CREATED": -1}
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
            Route("/", self.describe),
            Route("/api/v1/files/upload", self.upload, methods=["POST"]),
            Route("/v1/files", self.list_files),
            Route("/v1/files/{id}", self.delete, methods=["DELETE"]),
            Route("/v1/files/{id}/details", self.details),
            Route("/tr:{transformation}/{path:path}", self.serve),
            Route("/{path:path}", self.serve),
        ]

    def describe(self, _: Request) -> Response:
        return JSONResponse({"service": "ImageKit simulator", "files": self._library.count()})

    async def upload(self, request: Request) -> Response:
        self._authenticate(request)
        if int(request.headers.get("Content-Length", "0")) > LARGEST_FILE + 100_000:
            raise refusal("File size exceeds the limit of your account")
        async with request.form() as form:
            upload = await parse_upload(form)
        media = await run_in_threadpool(self._library.add, upload.path, upload.content)
        return JSONResponse({**self._to_json(media), "tags": upload.tags})

    def list_files(self, request: Request) -> Response:
        """List the files of a folder; searches and other orders are refused."""
        self._authenticate(request)
        query = dict(request.query_params)
        folder, sort = query.pop("path", "/"), query.pop("sort", "ASC_CREATED")
        skip, limit = query.pop("skip", "0"), query.pop("limit", "1000")
        if query.pop("type", "file") != "file" or sort not in _SORTS or query:
            raise refusal("The simulator lists files by their creation only.")
        if not (skip.isdecimal() and limit.isdecimal() and 1 <= int(limit) <= _LARGEST_PAGE):
            raise refusal("Invalid value for skip or limit.")
        found = self._library.list_folder(folder)[:: _SORTS[sort]]
        page = found[int(skip) :][: int(limit)]
        return JSONResponse([{"type": "file", **self._to_json(media)} for media in page])

    def details(self, request: Request) -> Response:
        return JSONResponse({"type": "file", **self._to_json(self._authenticated_media(request))})

    def delete(self, request: Request) -> Response:
        self._library.remove(self._authenticated_media(request).id)
        return Response(status_code=204)

    def serve(self, request: Request) -> Response:
        """Serve a picture, or a thumbnail for a transformation in the path or in the query."""
        media = self._library.find(id_of("/" + request.path_params["path"]))
        if media is None:
            return Response("Not Found", 404, media_type="text/plain")
        transformation = request.path_params.get("transformation", "")
        box = _box_of(transformation or request.query_params.get("tr", ""))
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
            raise refusal("The requested file does not exist.", 404)
        return media

    def _authenticate(self, request: Request) -> None:
        """Check the private key, which is the user name of basic authentication."""
        credentials = basic_credentials(request)
        if credentials is None:
            raise refusal("Your request does not contain private API key.", 401)
        if not hmac.compare_digest(credentials[0].encode(), self._private_key.encode()):
            raise refusal("Your account cannot be authenticated.", 403)

    def _to_json(self, media: Media) -> dict[str, Any]:
        view: dict[str, Any] = {
            "fileId": media.id,
            "name": media.name,
            "filePath": media.path,
            "url": self._public_url + media.path,
            "fileType": "image" if media.is_image else "non-image",
            "size": media.size,
            "createdAt": media.created_at,
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
    """Return the size in a transformation; other transformations are ignored."""
    steps = transformation.split(",")
    if "n-ik_ml_thumbnail" in steps:
        return _THUMBNAIL
    sides = dict(re.findall(r"\b([wh])-(\d{1,4})\b", transformation))
    if not sides:
        return None
    width, height = (int(sides.get(side, _LONGEST_SIDE)) for side in "wh")
    return max(1, min(width, _LONGEST_SIDE)), max(1, min(height, _LONGEST_SIDE))
