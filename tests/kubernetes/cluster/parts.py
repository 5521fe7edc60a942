"""The processes of one cluster, each known by its id and its start time: only ours are ever ended."""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path


class ClusterError(Exception):
    """The cluster cannot be made or has ended; the message says why and what to do."""

    def __init__(self, message: str, output: str = "") -> None:
        super().__init__(message)
        self.output = output
        """All that a command wrote before it failed."""


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name, which may hold blanks."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _running_since(pid: int) -> str:
    """When the process began, or nothing if it has ended; our own dead children are taken away."""
    stat = _stat(pid)
    if stat and stat[0] in "ZX":
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
        return ""
    return stat[19] if stat else ""


def wait_for(what: str, true: Callable[[], object], seconds: float = 120) -> None:
    """Ask until it is true."""
    until = time.monotonic() + seconds
    while not true():
        if time.monotonic() > until:
            raise ClusterError(f"{what}: not in {seconds:.0f} s")
        time.sleep(0.1)


class Parts:
    """Starts, stops and finds again the processes named in `FOLDER/pids`; logs are in `FOLDER/logs`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _file(self, name: str) -> Path:
        return self.folder / "pids" / name

    def log(self, name: str) -> Path:
        return self.folder / "logs" / f"{name}.log"

    def pid(self, name: str) -> int | None:
        """The id of the running process of that name."""
        try:
            pid, since = self._file(name).read_text().split()
        except (OSError, ValueError):
            return None
        return int(pid) if _running_since(int(pid)) == since else None

    def start(self, name: str, *command: str | Path, env: Mapping[str, str] | None = None) -> None:
        """Run a command apart from this process; it goes on when this one ends."""
        for made in (self._file(name), self.log(name)):
            made.parent.mkdir(parents=True, exist_ok=True)
        output = os.open(self.log(name), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        try:
            pid = os.posix_spawnp(
                str(command[0]),
                [str(word) for word in command],
                {**os.environ, **(env or {})},
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, nothing, 0),
                    (os.POSIX_SPAWN_DUP2, output, 1),
                    (os.POSIX_SPAWN_DUP2, output, 2),
                ],
                setsid=True,
            )
        finally:
            os.close(output)
            os.close(nothing)
        self._keep(name, pid)

    def start_in(self, outer: int, name: str, *command: str | Path, **env: str) -> None:
        """Run it in the namespaces of another process. What is kept is the command's own id."""
        enter = ("nsenter", "--target", str(outer), "--mount", "--net", "--pid", "--uts", "--ipc")
        self.start(name, *enter, "--", *command, env=env)
        self.keep_child(name)

    def keep_child(self, name: str) -> None:
        """Take the one child in the place of the process that made it."""
        parent = self.pid(name)
        children = Path(f"/proc/{parent}/task/{parent}/children")
        wait_for(f"{name} starts", lambda: not children.exists() or children.read_text(), 10)
        if not children.exists():
            raise ClusterError(self.last_words(name))
        self._keep(name, int(children.read_text().split()[0]))

    def _keep(self, name: str, pid: int) -> None:
        self._file(name).write_text(f"{pid} {_running_since(pid)}")

    def send(self, name: str, number: signal.Signals) -> None:
        """Send it a signal, such as SIGSTOP; a process that is not ours gets none."""
        pid = self.pid(name)
        if pid is not None:
            os.kill(pid, number)

    def stop(self, name: str, *, how: signal.Signals = signal.SIGTERM) -> None:
        """End it, and wait until it has ended; by force after ten seconds."""
        self.send(name, signal.SIGCONT)
        self.send(name, how)
        try:
            wait_for(f"{name} ends", lambda: self.pid(name) is None, 10)
        except ClusterError:
            self.send(name, signal.SIGKILL)
            wait_for(f"{name} ends", lambda: self.pid(name) is None)
        self._file(name).unlink(missing_ok=True)

    def ready(self, name: str, true: Callable[[], object]) -> None:
        """Wait until it is ready; say what it wrote if it ends instead."""

        def check() -> object:
            if self.pid(name) is None:
                raise ClusterError(self.last_words(name))
            return true()

        wait_for(f"{name} is ready (its log: {self.log(name)})", check)

    def last_words(self, name: str) -> str:
        lines = self.log(name).read_text(errors="replace").splitlines()[-15:]
        return f"{name} has ended:\n" + "\n".join(lines)
