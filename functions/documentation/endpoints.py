"""The HTTP Lambdas that describe the API, and the well-known addresses of the shop."""

from datetime import timedelta
from http import HTTPStatus
from importlib.util import find_spec
from pathlib import Path

from supermarket.clock import iso, utc_now
from supermarket.config import settings
from supermarket.errors import NotFound
from supermarket.http import JSON, Response, get
from supermarket.init_phase import prepare
from supermarket.request import Request
from supermarket.schemas import Message

DESCRIPTION = Path(__file__).with_name("openapi.json")
PAGE = Path(__file__).with_name("page")
INDEX = "index.html"
RENDERER = "swagger_ui"  # the package whose `static` folder holds Swagger UI: layers/docs

MEDIA_TYPES = {
    INDEX: "text/html; charset=utf-8",
    "start.js": "text/javascript; charset=utf-8",
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "swagger-ui.css": "text/css; charset=utf-8",
}
TEXT = "text/plain; charset=utf-8"
FOR_A_DAY = "public, max-age=86400"
CONTACT_EXPIRES_AFTER = timedelta(days=180)
FOR_A_MINUTE = "public, max-age=60"
POLICY = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:"


@get("/api/openapi.json", cache_control=FOR_A_MINUTE, media_type=JSON)
def get_api_description() -> Response[str]:
    """The description of this API in OpenAPI 3.1."""
    return Response(DESCRIPTION.read_text())


@get(
    "/api/docs",
    also=("GET /api/docs/{file}",),
    media_type=MEDIA_TYPES[INDEX],
    cache_control=FOR_A_DAY,
    errors=(NotFound,),
)
def get_api_docs(request: Request) -> Response[str]:
    """A page that renders the description, and the files that it loads."""
    name = request.path_parameters.get("file", INDEX)
    if name not in MEDIA_TYPES:
        raise NotFound("File not found")
    headers = {"content-type": MEDIA_TYPES[name], "content-security-policy": POLICY}
    return Response(_file(name).read_text(), headers=headers)


@get(
    "/.well-known/security.txt",
    media_type=TEXT,
    cache_control=FOR_A_DAY,
)
def get_security_contact() -> Response[str]:
    """Where to report a vulnerability, as RFC 9116 describes it."""
    # RFC 2142 reserves this mailbox in every domain
    domain = settings().mail_sender.rpartition("@")[2]
    expires = iso(utc_now() + CONTACT_EXPIRES_AFTER)
    text = f"Contact: mailto:security@{domain}\nExpires: {expires}\n"
    return Response(text, headers={"content-type": TEXT})


@get("/.well-known/change-password", status=HTTPStatus.FOUND)
def find_password_page() -> Response[Message]:
    """Redirects password managers to the page on which a password is changed."""
    location = f"{settings().storefront_url.rstrip('/')}/change-password"
    return Response(Message(message="Change your password there"), headers={"location": location})


def _file(name: str) -> Path:
    own = PAGE / name
    return own if own.exists() else _renderer() / name


def _renderer() -> Path:
    # found, not imported: the package's own module needs a web framework
    spec = find_spec(RENDERER)
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError(f"{RENDERER} is not installed: the layer `docs` is missing")
    return Path(next(iter(spec.submodule_search_locations))) / "static"


prepare(__name__)
