"""Puts changed code of `functions/` and `layers/shared` live in the running shop at once."""

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
KERNEL = ROOT / "layers" / "shared" / "supermarket"
LAYER = "SharedLayer"


def reload(functions: Any) -> tuple[int, bool]:
    """How many functions got new code, and whether all got a new kernel (`functions`: a client)."""
    deployed = list(_deployed(functions))
    code = _zip(FUNCTIONS, prefix=Path())
    stale = [each for each in deployed if each["CodeSha256"] != _sha256(code)]
    kernel = _zip(KERNEL, prefix=Path("python") / KERNEL.name)
    renewed = _kernel_differs(functions, deployed, kernel)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda each: _put_code(functions, each, code), stale))
        if renewed:
            arn = functions.publish_layer_version(LayerName=LAYER, Content={"ZipFile": kernel})
            layer = arn["LayerVersionArn"]
            list(pool.map(lambda each: _put_layer(functions, each, layer), deployed))
    return len(stale), renewed


def _deployed(functions: Any) -> Iterator[dict[str, Any]]:
    for page in functions.get_paginator("list_functions").paginate():
        for function in page["Functions"]:
            if function["FunctionName"].startswith(f"{STACK}-"):
                yield function


def _zip(folder: Path, prefix: Path) -> bytes:
    """The folder's files; equal content gives equal bytes, whenever it was written."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files(folder):
            archive.writestr(
                zipfile.ZipInfo(str(prefix / file.relative_to(folder))), file.read_bytes()
            )
    return content.getvalue()


def _sha256(content: bytes) -> str:
    return base64.b64encode(hashlib.sha256(content).digest()).decode()


def _kernel_differs(functions: Any, deployed: list[dict[str, Any]], kernel: bytes) -> bool:
    arns = {layer["Arn"] for each in deployed for layer in each["Layers"] if _is_kernel(layer)}
    return any(
        functions.get_layer_version_by_arn(Arn=arn)["Content"]["CodeSha256"] != _sha256(kernel)
        for arn in arns
    )


def _is_kernel(layer: dict[str, Any]) -> bool:
    return f":layer:{LAYER}:" in layer["Arn"]


def _put_code(functions: Any, function: dict[str, Any], code: bytes) -> None:
    functions.update_function_code(FunctionName=function["FunctionName"], ZipFile=code)


def _put_layer(functions: Any, function: dict[str, Any], kernel: str) -> None:
    layers = [kernel if _is_kernel(layer) else layer["Arn"] for layer in function["Layers"]]
    functions.update_function_configuration(FunctionName=function["FunctionName"], Layers=layers)
