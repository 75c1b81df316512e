"""``python -m kws_exp.demo MODEL``: a page in the browser that shows what a model hears.

Give a run (its folder, its id, or ``latest``), an export folder or a registered model, and open the address that is
printed. The page listens to the microphone, or to a file that is dropped on it, draws the averaged score of each label
over time and shows the words as they fire. It is served to this machine only, and nothing leaves it. Ctrl-C ends it.
Status 0, or 2 with the reason.

The surprising fact: browsers give a page the microphone on 127.0.0.1 without encryption, and on no other address.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from kws_exp import model_argument
from kws_exp.errors import KwsError, complain

LAST_PORT = 65535


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m kws_exp.demo", description=(__doc__ or "").split("\n\n")[1])
    model_argument.add(parser)
    parser.add_argument("--port", type=int, default=0, help="of the page (default: any that is free)")
    chosen = parser.parse_args(arguments)
    try:
        serve(model_argument.folder(chosen), chosen.port)
    except KwsError as error:
        return complain(str(error))
    except KeyboardInterrupt:
        pass
    return 0


def serve(folder: Path, port: int) -> None:
    """Serve the page of an export until the user ends it.

    Raises:
        KwsError: There is no whole export, or the port cannot be had.
    """
    if not 0 <= port <= LAST_PORT:
        raise KwsError(f"--port must be from 0 to {LAST_PORT}, but is {port}: leave it out for one that is free")
    from kws_exp.demo.server import Server
    from kws_exp.stream import spotter

    with spotter.opened(folder) as model:
        try:
            server = Server(folder, model, port)
        except OSError as error:
            raise KwsError(
                f"--port {port} must be free, but cannot be had ({error.strerror}): leave it out for one that is free"
            ) from error
        with server:
            print(f"{server.url} shows what {server.about['name']} hears; Ctrl-C ends it", flush=True)
            server.serve_forever()


if __name__ == "__main__":
    sys.exit(main())
