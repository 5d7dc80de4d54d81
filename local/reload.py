"""Puts changed code of `functions/` live in the running shop at once."""

import base64
import hashlib
import io
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from local.emulator import ROOT
from local.fingerprint import files
from local.stack import STACK

FUNCTIONS = ROOT / "functions"


def reload(functions: Any) -> int:
    """Update every function whose code differs; returns how many (`functions`: a client)."""
    code = _zip(FUNCTIONS)
    stale = [each for each in _deployed(functions) if each["CodeSha256"] != _sha256(code)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda each: _put_code(functions, each, code), stale))
    return len(stale)


def _deployed(functions: Any) -> Iterator[dict[str, Any]]:
    for page in functions.get_paginator("list_functions").paginate():
        for function in page["Functions"]:
            if function["FunctionName"].startswith(f"{STACK}-"):
                yield function


def _zip(folder: Path) -> bytes:
    """Zip the folder's files; equal content gives equal bytes, whatever the files' times."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files(folder):
            archive.writestr(zipfile.ZipInfo(str(file.relative_to(folder))), file.read_bytes())
    return content.getvalue()


def _sha256(content: bytes) -> str:
    return base64.b64encode(hashlib.sha256(content).digest()).decode()


def _put_code(functions: Any, function: dict[str, Any], code: bytes) -> None:
    functions.update_function_code(FunctionName=function["FunctionName"], ZipFile=code)
