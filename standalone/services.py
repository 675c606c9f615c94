"""A private MariaDB and a private Redis, each in a folder of its own, on a free port of 127.0.0.1."""

from __future__ import annotations

import getpass
import os
import socket
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path

from . import programs
from .processes import Failed, Process


def free_port(preferred: int = 0) -> int:
    """A port of 127.0.0.1 that nobody listens on: `preferred`, or any if that one is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", preferred))
        except OSError:
            return free_port()
        return int(probe.getsockname()[1])


class Service(ABC):
    """The common part of both: start, stop, kill, restart, always on the same port."""

    name = ""

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.environment = environment
        self.port = free_port()
        self.process: Process | None = None

    @abstractmethod
    def command(self) -> list[str]:
        """Program and arguments."""

    @abstractmethod
    def ready(self) -> bool:
        """Whether it answers."""

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name.lower()}.log"

    def start(self, timeout: float = 30.0) -> None:
        """Start, and come back when it answers. The first start takes another port if ours was taken meanwhile."""
        for attempt in range(3):
            self.process = Process(
                self.name, self.command(), folder=self.folder, log=self.log, environment=self.environment
            )
            try:
                self.process.wait_until(self.ready, timeout)
                return
            except Failed as failure:
                self.process.stop()
                if attempt == 2 or "ddress already in use" not in str(failure):
                    raise
                self.port = free_port()

    def stop(self, timeout: float = 20.0) -> None:
        if self.process:
            self.process.stop(timeout)

    def kill(self) -> None:
        """End it as a crash of the machine's service would: SIGKILL."""
        if self.process:
            self.process.kill()


class Redis(Service):
    """A redis-server that keeps nothing on disk. Database 0 is Frappe's queue, database 1 its cache."""

    name = "Redis"

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        super().__init__(folder, environment)
        self.folder.mkdir(parents=True, exist_ok=True)

    @property
    def configuration(self) -> Path:
        return self.folder / "redis.conf"

    @property
    def queue_url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def cache_url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/1"

    def command(self) -> list[str]:
        self.configuration.write_text(
            f'bind 127.0.0.1\nport {self.port}\ndir "{self.folder}"\nsave ""\nappendonly no\ndaemonize no\n'
            "maxmemory-policy noeviction\n"
        )
        return [programs.redis_server(), str(self.configuration)]

    def ready(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(5) == b"+PONG"
        except OSError:
            return False


class MariaDB(Service):
    """A mariadbd for development: small files, no waiting for the disk (a killed server loses nothing, a crashed
    machine may), unless `durable`, for benchmarks that quote a number. Root comes in by the socket only."""

    name = "MariaDB"

    def __init__(
        self,
        folder: Path,
        snapshot_isolation: bool = False,
        durable: bool = False,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(folder, environment)
        self.snapshot_isolation = snapshot_isolation
        self.durable = durable

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def socket(self) -> Path:
        path = self.folder / "s"
        # The kernel takes 107 bytes: fall back on a name that is as unique as our process and port.
        return path if len(str(path)) < 104 else Path(f"/tmp/dw-{os.getpid()}-{self.port}.sock")

    def create(self) -> None:
        """An empty data folder."""
        self.folder.mkdir(parents=True, exist_ok=True)
        command = [
            programs.mariadb_install_db(),
            "--no-defaults",
            f"--datadir={self.data}",
            "--skip-test-db",
            "--auth-root-authentication-method=socket",
            f"--auth-root-socket-user={getpass.getuser()}",
            *self._user(),
            *self._files(),
        ]
        log = self.folder / "create.log"
        process = Process("mariadb-install-db", command, folder=self.folder, log=log, environment=self.environment)
        try:
            status = process.wait(timeout=120)
        finally:
            process.stop(timeout=0)
        if status:
            raise Failed(f"mariadb-install-db failed.{process.tail()}")

    def command(self) -> list[str]:
        return [
            programs.mariadbd(),
            "--no-defaults",
            f"--datadir={self.data}",
            f"--socket={self.socket}",
            f"--pid-file={self.folder / 'pid'}",
            f"--tmpdir={self.folder}",  # in a shared one, any server that starts deletes the others' temporary tables
            f"--port={self.port}",
            "--bind-address=127.0.0.1",
            "--skip-name-resolve",
            "--skip-log-bin",
            "--character-set-server=utf8mb4",
            "--collation-server=utf8mb4_unicode_ci",
            "--max-connections=300",
            "--max-allowed-packet=64M",
            f"--loose-innodb-snapshot-isolation={'ON' if self.snapshot_isolation else 'OFF'}",
            f"--innodb-flush-log-at-trx-commit={1 if self.durable else 2}",
            *([] if self.durable else ["--loose-debug-no-sync"]),
            *self._user(),
            *self._files(),
        ]

    @staticmethod
    def _user() -> list[str]:
        return ["--user=root"] if os.geteuid() == 0 else []

    @staticmethod
    def _files() -> list[str]:
        """Settings that shape the files on disk, so the same at creation and at every start."""
        return [
            "--innodb-log-file-size=32M",
            "--innodb-buffer-pool-size=128M",
            "--innodb-undo-tablespaces=0",
            "--innodb-data-file-path=ibdata1:10M:autoextend",
            "--innodb-temp-data-file-path=ibtmp1:4M:autoextend",
            "--innodb-doublewrite=0",
            "--loose-aria-log-file-size=8M",
            "--performance-schema=0",
        ]

    def ready(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                return bool(connection.recv(1))
        except OSError:
            return False

    def sql(self, *statements: str) -> list[tuple]:
        """Run statements as the server's root user; the rows of the last one."""
        import pymysql

        rows: list[tuple] = []
        connection = pymysql.connect(unix_socket=str(self.socket), user=getpass.getuser(), autocommit=True)
        with connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
                rows = list(cursor.fetchall())
        return rows

    def stop(self, timeout: float = 20.0) -> None:
        super().stop(timeout)
        self._remove_socket()

    def kill(self) -> None:
        super().kill()
        self._remove_socket()

    def _remove_socket(self) -> None:
        if self.socket.parent != self.folder:
            self.socket.unlink(missing_ok=True)
