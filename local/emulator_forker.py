"""Forks execution environments of functions from an interpreter that has imported what they import.

A cold start takes about a second of a processor, most of it for libraries and code that functions
share. `local.emulator_process` starts it with the emulator's own Python: `emulator_forker.py SOCKET
[LAYER…] CODE`. Each message on the socket is a program with its environment and the descriptors of
its three streams; the answer is the process id.
"""

import gc
import json
import os
import runpy
import signal
import site
import socket
import sys
from contextlib import redirect_stdout, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

# none reads the environment when it is imported
LIBRARIES = (
    *("botocore.session", "botocore.client", "botocore.endpoint", "botocore.parsers"),
    *("botocore.retries.standard", "botocore.httpsession", "botocore.signers", "botocore.auth"),
    *("pynamodb.models", "pynamodb.attributes", "pynamodb.transactions"),
    *("aws_lambda_powertools.logging", "aws_lambda_powertools.metrics"),
    *("pydantic", "jwt", "bcrypt", "ulid", "email_validator", "python_multipart", "requests"),
    *("jinja2", "snowballstemmer", "razorpay", "imagekitio"),
    *("langchain.agents", "langchain_google_genai"),  # in the assistant's layer only
)
MESSAGE_LIMIT = 2**18
STREAMS = (0, 1, 2)


def import_libraries(layers: list[str], code: str) -> None:
    """Import the libraries that the layers contain, from the same paths as a function."""
    sys.path.insert(0, code)
    for layer in layers:
        sys.path.insert(0, str(Path(layer) / "python"))
        for packages in Path(layer).glob("python/lib/*/site-packages"):
            site.addsitedir(str(packages))
    for library in LIBRARIES:
        with suppress(ImportError):
            import_module(library)
    gc.collect()
    gc.freeze()


def import_code(environment: dict[str, str]) -> None:
    """Import the handler's module, which prepares its services only if it finds the handler's name.

    An error is left to the function, which imports the module again. Lines of the log go to the
    standard error stream, as in a function.
    """
    variables = dict(environment)
    module = variables.pop("_HANDLER").rpartition(".")[0]
    if module not in sys.modules:
        os.environ.update(variables)
        with suppress(Exception), redirect_stdout(sys.stderr):
            import_module(module)
        gc.freeze()


def fork_for(parent: socket.socket) -> dict[str, Any] | None:
    """Fork a process for each message; return the message there, and None at the parent's end."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system collects processes that end
    while True:
        text, streams, _, _ = socket.recv_fds(parent, MESSAGE_LIMIT, len(STREAMS))
        if not text:
            return None
        program: dict[str, Any] = json.loads(text)
        import_code(program["environment"])
        process = os.fork()
        if not process:
            parent.close()
            for stream, standard in zip(streams, STREAMS, strict=True):
                os.dup2(stream, standard)
        for stream in streams:
            os.close(stream)
        if not process:
            return program
        parent.send(str(process).encode())


def become(program: dict[str, Any]) -> None:
    """Set up this process as if it had been started for the program, and run it."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.environ.clear()
    os.environ.update(program["environment"])
    os.chdir(program["folder"])
    sys.argv[:] = [program["path"]]
    runpy.run_path(program["path"], run_name="__main__")


if __name__ == "__main__":
    import_libraries(sys.argv[2:-1], sys.argv[-1])
    if program := fork_for(socket.socket(fileno=int(sys.argv[1]))):
        become(program)
