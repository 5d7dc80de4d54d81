"""The media library: uploaded files, their properties, and thumbnails."""

import hashlib
import io
import json
import os
import tempfile
import threading
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError

Box = tuple[int, int]


@dataclass(frozen=True)
class Media:
    id: str
    name: str
    path: str
    content_type: str
    etag: str
    size: int
    width: int | None = None
    height: int | None = None
    created_at: str = "1970-01-01T00:00:00.000Z"  # of files that older versions have stored

    @property
    def is_image(self) -> bool:
        return self.width is not None


class Library:
    """Stores files under the hash of their path, so that clients choose no file names."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._changing = threading.Lock()

    def add(self, path: str, content: bytes) -> Media:
        """Store a file, in place of an earlier one at the same path."""
        media = Media(
            id=id_of(path),
            name=path.rpartition("/")[2],
            path=path,
            etag=hashlib.sha256(content).hexdigest()[:32],
            size=len(content),
            created_at=_now(),
            **_properties(content),
        )
        with self._changing:
            _write(self._content(media.id), content)
            _write(self._details(media.id), json.dumps(asdict(media)).encode())
            for thumbnail in self._directory.glob(f"{media.id}.*x*"):
                thumbnail.unlink()
        return media

    def count(self) -> int:
        return len(list(self._directory.glob("*.json")))

    def list_folder(self, folder: str) -> list[Media]:
        """List the files of a folder, without those of its folders, in the order of creation."""
        found = (self.find(file.stem) for file in self._directory.glob("*.json"))
        prefix = f"{folder.rstrip('/')}/"
        inside = [each for each in found if each and each.path == prefix + each.name]
        return sorted(inside, key=lambda media: (media.created_at, media.id))

    def find(self, media_id: str) -> Media | None:
        try:
            return Media(**json.loads(self._details(media_id).read_bytes()))
        except FileNotFoundError:
            return None

    def read(self, media: Media, box: Box | None = None) -> bytes:
        """Read the file, or make a thumbnail that fits into the box."""
        if box is None or not media.is_image:
            return self._content(media.id).read_bytes()
        thumbnail = self._directory / f"{media.id}.{box[0]}x{box[1]}"
        with self._changing:
            if not thumbnail.exists():
                _write(thumbnail, _thumbnail(self._content(media.id).read_bytes(), box))
            return thumbnail.read_bytes()

    def remove(self, media_id: str) -> None:
        with self._changing:
            for file in self._directory.glob(f"{media_id}.*"):
                file.unlink()

    def _details(self, media_id: str) -> Path:
        return self._directory / f"{media_id}.json"

    def _content(self, media_id: str) -> Path:
        return self._directory / f"{media_id}.content"


def _now() -> str:
    """Return the time in ImageKit's form: `2026-11-22T09:30:00.000Z`."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def id_of(path: str) -> str:
    """Return the id of the file at a path: 24 hexadecimal digits, as at ImageKit."""
    return hashlib.sha256(path.encode()).hexdigest()[:24]


def _properties(content: bytes) -> dict[str, Any]:
    """Detect type and size from the content; a file that is no picture is never a page."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            content_type = image.get_format_mimetype() or "application/octet-stream"
            return {"content_type": content_type, "width": image.width, "height": image.height}
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError):
        return {"content_type": "application/octet-stream"}


def _thumbnail(content: bytes, box: Box) -> bytes:
    shrunk = io.BytesIO()
    try:
        with Image.open(io.BytesIO(content)) as image:
            image.thumbnail(box)
            image.save(shrunk, image.format)
    except OSError:
        return content  # a truncated picture stays as it is
    return shrunk.getvalue()


def _write(file: Path, content: bytes) -> None:
    """Write a file atomically."""
    with tempfile.NamedTemporaryFile(dir=file.parent, delete=False) as unfinished:
        unfinished.write(content)
    os.replace(unfinished.name, file)  # noqa: PTH105
