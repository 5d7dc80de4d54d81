"""Copies packages and modules into folders as in Lambda: with unchecked bytecode and no other
code.
"""

import compileall
import shutil
import site
from collections.abc import Iterable
from pathlib import Path
from py_compile import PycInvalidationMode

INSTALLED = Path(site.getsitepackages()[0])
RUNTIME_CLIENT = ("awslambdaric", "simplejson", "snapshot_restore_py.py", "runtime_client.*.so")
BOTO3 = ("boto3", "s3transfer")
BOTOCORE = ("botocore", "jmespath", "urllib3", "certifi", "dateutil", "six.py")


def copy_packages(patterns: Iterable[str], folder: Path) -> Path:
    """Copy installed packages into a new folder and compile them."""
    folder.mkdir()
    for pattern in patterns:
        for found in INSTALLED.glob(pattern):
            if found.is_dir():
                skipped = shutil.ignore_patterns("__pycache__")
                shutil.copytree(found, folder / found.name, ignore=skipped)
            else:
                shutil.copy(found, folder)
    _compile(folder)
    return folder


def copy_file(file: Path, folder: Path) -> Path:
    """Copy a module into a new folder and compile it."""
    folder.mkdir()
    shutil.copy(file, folder)
    _compile(folder)
    return folder


def _compile(folder: Path) -> None:
    mode = PycInvalidationMode.UNCHECKED_HASH
    compileall.compile_dir(folder, quiet=2, invalidation_mode=mode)
