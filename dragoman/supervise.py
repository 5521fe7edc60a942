"""Children of `dragoman run`: started with nothing they do not need, restarted when they die.

A child gets a scrubbed environment, its own session (so Ctrl-C reaches only the parent), no core
dumps, and dies with the parent whatever kills it. What the children say is not read here.
"""

import asyncio
import ctypes
import os
import resource
import signal
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

PR_SET_PDEATHSIG = 1
BACKOFF_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
STABLE_S = 10.0
"""A child that lived this long starts again at the shortest back-off."""

LineReader = Callable[[bytes], None]


@dataclass(frozen=True, slots=True)
class Child:
    """One program to keep running."""

    name: str
    command: tuple[str, ...]
    on_line: LineReader | None = None
    """Takes each line of its standard output; without it the child shares ours."""
    environment: bytes | None = None
    """JSON handed over on an inherited pipe named by `--environ-fd`, never by the environment."""


def scrubbed_environment() -> dict[str, str]:
    """What every child gets, and nothing else."""
    kept = ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR")
    return {name: os.environ[name] for name in kept if name in os.environ} | {
        "PYTHONUNBUFFERED": "1",
        "GRPC_VERBOSITY": "NONE",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _isolate() -> None:
    """Between fork and exec: no core dumps, and no life after the parent."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


async def _start(child: Child) -> asyncio.subprocess.Process:
    pass_fds: tuple[int, ...] = ()
    extra: tuple[str, ...] = ()
    if child.environment is not None:
        fd = _handed_over(child.environment)
        pass_fds, extra = (fd,), ("--environ-fd", str(fd))
    try:
        return await asyncio.create_subprocess_exec(
            *child.command,
            *extra,
            env=scrubbed_environment(),
            pass_fds=pass_fds,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE if child.on_line else None,
            start_new_session=True,
            preexec_fn=_isolate,
        )
    finally:
        for fd in pass_fds:
            os.close(fd)


def _handed_over(content: bytes) -> int:
    """A file descriptor that reads as `content`, and a file that no name leads to."""
    if sys.platform == "linux":
        fd = os.memfd_create("environment", 0)
    else:
        with tempfile.TemporaryFile() as unnamed:
            fd = os.dup(unnamed.fileno())
    os.write(fd, content)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


async def _read_lines(process: asyncio.subprocess.Process, on_line: LineReader | None) -> None:
    if on_line is None or process.stdout is None:
        return
    while line := await process.stdout.readline():
        on_line(line)


async def keep_running(child: Child, on_exit: Callable[[Child, int], None]) -> None:
    """Run the child for ever; when this task is cancelled, end it: SIGTERM, then SIGKILL."""
    loop = asyncio.get_running_loop()
    failures = 0
    while True:
        started = loop.time()
        process = await _start(child)
        reader = asyncio.create_task(_read_lines(process, child.on_line))
        try:
            code = await process.wait()
            await reader
        except asyncio.CancelledError:
            await asyncio.shield(_end(process))
            reader.cancel()
            raise
        on_exit(child, code)
        failures = 0 if loop.time() - started > STABLE_S else failures + 1
        await asyncio.sleep(BACKOFF_S[min(failures, len(BACKOFF_S) - 1)])


async def _end(process: asyncio.subprocess.Process, patience_s: float = 5.0) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), patience_s)
    except TimeoutError:
        process.kill()
        await process.wait()


async def end_in_order(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel the tasks one after the other, each when the one before has ended."""
    for task in tasks:
        task.cancel()
        await _ended(task)


async def _ended(task: Awaitable[None]) -> None:
    try:
        await task
    except asyncio.CancelledError:
        return
