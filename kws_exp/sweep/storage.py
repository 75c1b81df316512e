"""Where a study lies: a journal file by default, a database or Optuna's gRPC proxy for several machines.

The surprising fact: an Optuna database must be made by one process alone, like MLflow's; the journal needs no care,
and is seven times faster than SQLite for four processes.
"""

from __future__ import annotations

import functools
import logging
import random
import re
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from kws_exp.errors import KwsError, nearest

if TYPE_CHECKING:
    from optuna.storages import BaseStorage, RDBStorage

JOURNAL = "optuna.journal"
DATABASES = ("sqlite", "postgresql", "mysql", "mariadb")
ENGINES = ("sqlalchemy", "psycopg", "pymysql", "grpc")  # packages whose errors tell of a lost storage
# where the URL names none
DRIVERS = {"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql", "mariadb": "mariadb+pymysql"}
ENTRY, SQLITE = b'{"op_code":', b"SQLite format 3\0"  # how a journal and a database begin
PATIENCE_SECONDS = 10  # with a server that does not answer; TCP alone would wait two minutes
MAKERS = 10  # times that another may be faster in making an empty database's tables
OVERTAKEN = re.compile("already exists|duplicate", re.IGNORECASE)
HIDDEN = re.compile(r"(?<=://)([^/@:\s]*):\S+@|(?<=password=)[^&\s]+")


def resolve(storage: str | None, output_dir: str | Path) -> str:
    """Return the storage as a URL or the path of a journal, absolute.

    Raises:
        KwsError: it is of no kind that Optuna knows.
    """
    if storage is None:
        return str(Path(output_dir).resolve() / JOURNAL)
    scheme = storage.partition("://")[0] if "://" in storage else ""
    if not scheme:
        _check_file(Path(storage))
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
            f"sweeper.storage={shown(resolved)} needs a driver ({_first_line(error)}): pip install "
            f"'kws-exp[{'grpc' if resolved.startswith('grpc://') else 'sql'}]'"
        ) from error
    except Exception as error:  # of SQLAlchemy, a driver, gRPC or the file system
        reason = _first_line(error)
        raise KwsError(
            f"sweeper.storage={shown(resolved)} cannot be opened ({shown(reason)}): start it, or correct its address"
        ) from error


@functools.lru_cache(maxsize=4)
def shared(resolved: str) -> BaseStorage:
    """Open a storage once for all trials of this process."""
    return open_storage(resolved)


def close(opened: BaseStorage) -> None:
    """Close the connections to a database."""
    engine = getattr(getattr(opened, "_backend", opened), "engine", None)
    if engine is not None:
        engine.dispose()


def exists(resolved: str) -> bool:
    """Whether there is what :func:`open_storage` would otherwise make: a journal, or the file of a database."""
    path = resolved.removeprefix("sqlite:///")
    return "://" in path or Path(path).is_file()


def _check_file(path: Path) -> None:
    """Refuse what is there but is no journal; one whose first line was cut short is."""
    if path.is_dir():
        raise KwsError(
            f"sweeper.storage={path} must be a file, but is a folder: write sweeper.storage={path / JOURNAL}"
        )
    if not path.is_file():
        return
    with open(path, "rb") as file:
        head = file.read(len(SQLITE))
    if head == SQLITE:
        raise KwsError(
            f"sweeper.storage={path} must be a journal, but is an SQLite database: write sweeper.storage=sqlite:///{path}"
        )
    if head[: len(ENTRY)] != ENTRY[: len(head)]:
        raise KwsError(
            f"sweeper.storage={path} must be a journal, but is another kind of file: name one that does not exist, as "
            f"in sweeper.storage={path.with_name(JOURNAL)}"
        )


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def _open(resolved: str) -> BaseStorage:
    import optuna

    from kws_exp.sweep import locks
    from kws_exp.sweep.journal import Journal

    if resolved.startswith("grpc://"):
        address = urlsplit(resolved)
        proxy = optuna.storages.GrpcStorageProxy(host=address.hostname or "localhost", port=address.port or 13000)
        proxy.wait_server_ready(timeout=PATIENCE_SECONDS)
        return proxy
    if "://" in resolved:
        with locks.alone(resolved):
            return optuna.storages.get_storage(_database(resolved))  # with a memory, shared by all that ask it
    return optuna.storages.JournalStorage(Journal(resolved))


def is_lost(error: BaseException) -> bool:
    """Whether an error is of a database or proxy that does not answer any more."""
    from optuna.exceptions import StorageInternalError

    return isinstance(error, StorageInternalError) or type(error).__module__.partition(".")[0] in ENGINES


def shown(storage: str) -> str:
    """Return a storage without its password."""
    return HIDDEN.sub(lambda found: "***" if found[1] is None else f"{found[1]}:***@", storage)


def _database(url: str) -> RDBStorage:
    """Open a database; of several processes that begin on an empty one all but one fail to make a table, and try again.

    Three of four did, with PostgreSQL's "duplicate key value" or "already exists", in each of three repetitions.
    """
    from optuna.storages import RDBStorage

    for _ in range(MAKERS):
        try:
            return RDBStorage(url, engine_kwargs=_engine(url))
        except Exception as error:
            if not OVERTAKEN.search(str(error)):
                raise
            time.sleep(random.uniform(0.1, 0.5))
    return RDBStorage(url, engine_kwargs=_engine(url))


def _engine(url: str) -> dict[str, Any]:
    """Return what SQLAlchemy must know: to look whether a connection still lives, and not to wait forever for one."""
    settings: dict[str, Any] = {"pool_pre_ping": True}
    if not url.startswith("sqlite"):
        settings["connect_args"] = {"connect_timeout": PATIENCE_SECONDS}  # psycopg and PyMySQL call it alike
    return settings
