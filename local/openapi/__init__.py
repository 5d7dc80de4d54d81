"""Writes what describes the HTTP API, from the endpoints' decorators and types.

`functions/documentation/openapi.json` is the published description (OpenAPI 3.1), which
`docs/openapi.json` links to. `deployment/http-api.json` has the routes for API Gateway, which the
template includes; it is OpenAPI 3.0 because API Gateway imports no later version.
"""

import json
from pathlib import Path
from typing import Any

from local.openapi import description, gateway
from local.openapi.routes import endpoints

ROOT = Path(__file__).parents[2]
DESCRIPTION = ROOT / "functions" / "documentation" / "openapi.json"
GATEWAY = ROOT / "deployment" / "http-api.json"


def documents() -> dict[Path, str]:
    """Return the text of both files by their path."""
    found = endpoints()
    return {
        DESCRIPTION: _as_text(description.document(found)),
        GATEWAY: _as_text(gateway.document(found)),
    }


def outdated() -> dict[Path, str]:
    """Return the files that differ from what the endpoints say, with the text of `documents`."""
    found = {path: path.read_text() for path in (DESCRIPTION, GATEWAY) if path.exists()}
    return {path: text for path, text in documents().items() if found.get(path) != text}


def write() -> dict[Path, str]:
    """Write the outdated files, and return them."""
    changed = outdated()
    for path, text in changed.items():
        path.write_text(text)
    return changed


def _as_text(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"
