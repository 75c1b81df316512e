"""Where a study lies: a journal file by default, a database or Optuna's gRPC proxy for several machines.

The surprising fact: an Optuna database must be made by one process alone, like MLflow's; the journal needs no care,
and is seven times faster than SQLite for four processes.
"""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from filelock import FileLock

from kws_exp.errors import KwsError, nearest

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

JOURNAL = "optuna.journal"
DATABASES = ("sqlite", "postgresql", "mysql", "mariadb")
DRIVERS = {"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql"}  # where the URL names none
HIDDEN = re.compile(r"(?<=://)([^/@:]+):[^/@]+@")


def resolve(storage: str | None, output_dir: str | Path) -> str:
    """Return the storage as a URL or the path of a journal, absolute.

    Raises:
        KwsError: it is of no kind that Optuna knows.
    """
    if storage is None:
        return str(Path(output_dir).resolve() / JOURNAL)
    scheme = storage.partition("://")[0] if "://" in storage else ""
    if not scheme:
        return str(Path(storage).resolve())
    dialect, _, driver = scheme.partition("+")
    if dialect not in (*DATABASES, "grpc"):
        raise KwsError(
            f"sweeper.storage={shown(storage)} is of no known kind{nearest(dialect, (*DATABASES, 'grpc'))}: give a "
            "file, sqlite:///FILE, postgresql://USER:PASSWORD@HOST/DATABASE, mysql://... or grpc://HOST:PORT"
        )
    return storage if driver else storage.replace(scheme, DRIVERS.get(dialect, dialect), 1)


def open_storage(resolved: str) -> BaseStorage:
    """Open, and if need be make, the storage that :func:`resolve` named.

    Raises:
        KwsError: it cannot be reached or written.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # experimental, says Optuna of its own parts
            return _open(resolved)
    except ImportError as error:
        raise KwsError(
            f"sweeper.storage={shown(resolved)} needs a driver ({error}): pip install 'kws-exp[sql]'"
        ) from error
    except Exception as error:  # of SQLAlchemy, a driver, gRPC or the file system
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise KwsError(
            f"sweeper.storage={shown(resolved)} cannot be opened ({shown(reason)}): start it, or correct its address"
        ) from error


def _open(resolved: str) -> BaseStorage:
    import optuna
    from optuna.storages.journal import JournalFileBackend

    if resolved.startswith("grpc://"):
        address = urlsplit(resolved)
        proxy = optuna.storages.GrpcStorageProxy(host=address.hostname or "localhost", port=address.port or 13000)
        proxy.wait_server_ready(timeout=10)
        return proxy
    if "://" in resolved:
        with _alone(resolved):
            return optuna.storages.RDBStorage(resolved, engine_kwargs={"pool_pre_ping": True})
    Path(resolved).parent.mkdir(parents=True, exist_ok=True)
    return optuna.storages.JournalStorage(JournalFileBackend(resolved))


def shown(storage: str) -> str:
    """Return a storage without its password."""
    return HIDDEN.sub(r"\1:***@", storage)


@contextmanager
def _alone(url: str) -> Iterator[None]:
    """Let the processes of one machine make a SQLite file one after the other."""
    if not url.startswith("sqlite"):
        yield
        return
    path = Path(url.partition("///")[2])
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{path.name}.lock")):
        yield
