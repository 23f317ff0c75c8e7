"""Open the web page: edit recipes, start runs, watch them learn, compare them, ask them.

  grpoctl webui
  grpoctl webui --port 7900
  GRPOCTL_WEBUI_PASSWORD=… grpoctl webui --host 0.0.0.0

It shows the runs below saves/ and the recipes in recipes/ of the folder that you stand in. What it starts goes on when
it ends. A recipe in it may name files of these two, of data/, and of folders given with --allow. On an address beyond
this machine it insists on a password, by the environment or a file of it."""

import argparse
import os
from pathlib import Path

from grpoctl.errors import Finding, InputError
from grpoctl.packages import missing_packages
from grpoctl.paths import is_folder, user_path

_PASSWORD = "GRPOCTL_WEBUI_PASSWORD"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="the address to serve on (%(default)s)")
    parser.add_argument("--port", type=int, metavar="N", help="the port (the first free one from 7860)")
    parser.add_argument(
        "--allow",
        action="append",
        default=[],
        metavar="FOLDER",
        help="a recipe may name what lies there too",
    )
    parser.add_argument("--password-file", metavar="FILE", help=f"holds the password; else {_PASSWORD} does")


def run(args: argparse.Namespace) -> int:
    if missing_packages(("gradio",)):
        fix = "pip install 'grpoctl[webui]'"
        raise InputError(Finding("takes gradio, which is not installed", fix, file="grpoctl webui"))
    from webui import places
    from webui.serve import free_port, is_loopback, serve

    password = _password(args.password_file)
    if not is_loopback(args.host) and password is None:
        problem = "is an address that others can reach, and no password is set"
        fix = f"set {_PASSWORD} or give --password-file, or leave --host out"
        raise InputError(Finding(problem, fix, file=f"--host {args.host}"))
    if args.port is not None and not 0 <= args.port < 65536:
        raise InputError(Finding(f"is {args.port}", "use 1024 to 65535", file="--port"))
    places.ALLOWED[:] = [_folder(name) for name in args.allow]
    serve(args.host, free_port(args.host, args.port), password)
    return 0


def _folder(name: str) -> Path:
    folder = user_path(name)
    if not is_folder(folder):
        raise InputError(Finding("is no folder", "give one that is there", file=f"--allow {name}"))
    return folder.resolve()


def _password(file: str | None) -> str | None:
    if file is None:
        return os.environ.get(_PASSWORD) or None
    try:
        password = Path(file).read_text(encoding="utf-8").strip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        said = (error.strerror if isinstance(error, OSError) else None) or "it is not UTF-8 text"
        raise InputError(Finding(f"cannot be read ({said})", "check the name", file=file)) from None
    if not password:
        raise InputError(Finding("is empty", "put the password into it", file=file))
    return password
