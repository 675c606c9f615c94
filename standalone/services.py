"""A private MariaDB and a private Redis, each in a folder of its own, on a free port of 127.0.0.1."""

from __future__ import annotations

import getpass
import os
import socket
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


class Service:
    """The common part of both: start, stop and kill, always on the same port."""

    name = ""
    hello = b""
    """What it wants to hear before it answers."""

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.environment = environment
        self.port = free_port()
        self.process: Process | None = None

    def command(self) -> list[str]:
        """Program and arguments."""
        raise NotImplementedError

    def ready(self) -> bool:
        """Whether it answers."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(self.hello)
                return bool(connection.recv(1))
        except OSError:
            return False

    def start(self, timeout: float = 30.0) -> None:
        """Start, and come back when it answers. The first start takes another port if ours was taken meanwhile."""
        self.folder.mkdir(parents=True, exist_ok=True)
        log = self.folder / f"{self.name.lower()}.log"
        for attempt in range(3):
            self.process = Process(self.name, self.command(), folder=self.folder, log=log, environment=self.environment)
            try:
                self.process.wait_until(self.ready, timeout)
                return
            except Failed as failure:
                self.process.stop()
                if attempt == 2 or "ddress already in use" not in str(failure):
                    raise
                self.port = free_port()

    def stop(self, timeout: float = 20.0) -> None:
        """Shut it down in good order."""
        if self.process:
            self.process.stop(timeout)

    def kill(self) -> None:
        """End it as a crash of the machine's service would: SIGKILL."""
        if self.process:
            self.process.kill()


class Redis(Service):
    """A redis-server that keeps nothing on disk. Database 0 is Frappe's queue, database 1 its cache."""

    name = "Redis"
    hello = b"PING\r\n"

    def url(self, database: int) -> str:
        return f"redis://127.0.0.1:{self.port}/{database}"

    def variables(self) -> dict[str, str]:
        """What processes of the run have to know of it."""
        return {
            "DW_REDIS_CONF": str(self.folder / "redis.conf"),
            "FRAPPE_REDIS_QUEUE": self.url(0),
            "FRAPPE_REDIS_CACHE": self.url(1),
        }

    def command(self) -> list[str]:
        configuration = self.folder / "redis.conf"
        configuration.write_text(
            f'bind 127.0.0.1\nport {self.port}\ndir "{self.folder}"\nsave ""\nappendonly no\ndaemonize no\n'
            "maxmemory-policy noeviction\n"
        )
        return [programs.require("redis-server", "valkey-server"), str(configuration)]


class MariaDB(Service):
    """A mariadbd for development: small files, no waiting for the disk (a killed server loses nothing, a crashed
    machine may), unless `durable`, for benchmarks that quote a number. Root comes in by the socket only."""

    name = "MariaDB"

    def __init__(
        self, folder: Path, snapshot_isolation: bool, durable: bool, environment: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(folder, environment)
        self.data = folder / "data"
        self.socket = folder / "s"  # the kernel takes 107 bytes
        user = ["--user=root"] if os.geteuid() == 0 else []
        # The settings shape the files on disk, so they are the same at creation and at every start.
        self.common = [
            *("--no-defaults", f"--datadir={self.data}", *user, "--innodb-log-file-size=32M"),
            *("--innodb-buffer-pool-size=128M", "--innodb-undo-tablespaces=0", "--innodb-doublewrite=0"),
            *("--innodb-data-file-path=ibdata1:10M:autoextend", "--innodb-temp-data-file-path=ibtmp1:4M:autoextend"),
            *("--loose-aria-log-file-size=8M", "--performance-schema=0"),
        ]
        self.options = [
            f"--loose-innodb-snapshot-isolation={'ON' if snapshot_isolation else 'OFF'}",
            f"--innodb-flush-log-at-trx-commit={1 if durable else 2}",
            *([] if durable else ["--loose-debug-no-sync"]),
        ]

    def create(self) -> None:
        """An empty data folder."""
        self.folder.mkdir(parents=True, exist_ok=True)
        command = [
            *(programs.require("mariadb-install-db", "mysql_install_db"), *self.common, "--skip-test-db"),
            *("--auth-root-authentication-method=socket", f"--auth-root-socket-user={getpass.getuser()}"),
        ]
        log = self.folder / "create.log"
        Process("mariadb-install-db", command, folder=self.folder, log=log, environment=self.environment).finish(120)

    def command(self) -> list[str]:
        return [
            *(programs.mariadbd(), *self.common, *self.options, f"--socket={self.socket}", f"--port={self.port}"),
            f"--tmpdir={self.folder}",  # in a shared one, any server that starts deletes the others' temporary tables
            *(f"--pid-file={self.folder / 'pid'}", "--bind-address=127.0.0.1", "--skip-name-resolve"),
            *("--skip-log-bin", "--character-set-server=utf8mb4", "--collation-server=utf8mb4_unicode_ci"),
            *("--max-connections=300", "--max-allowed-packet=64M"),
        ]

    def sql(self, *statements: str) -> None:
        """Run statements as the server's root user."""
        import pymysql

        connection = pymysql.connect(unix_socket=str(self.socket), user=getpass.getuser(), autocommit=True)
        with connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
