"""Servers and clients for the tests. Everything is awaited within PATIENCE; nothing sleeps to let things happen."""

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import socket
import subprocess
import unittest
import uuid

import aiohttp
from pysignalr.client import SignalRClient
from pysignalr.protocol.json import JSONProtocol
from pysignalr.protocol.messagepack import MessagepackProtocol

# Seconds that anything may take, far more than it does.
PATIENCE = 30

# What the client logs of the errors that the tests ask for, and the event loop of slow machines, is no news.
logging.disable(logging.CRITICAL)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


async def eventually(probe, what: str):
    """Asks the probe until it answers with something true, and returns that."""
    for _ in range(PATIENCE * 20):
        answer = await probe()
        if answer:
            return answer
        await asyncio.sleep(0.05)
    raise AssertionError(f"not within {PATIENCE} s: {what}")


class Process:
    """A child process that answers on a port once it is ready, and is killed at the end."""

    def __init__(self, command: list[str], environment: dict[str, str]):
        self._process = subprocess.Popen(
            command, env={**os.environ, **environment}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def check(self):
        if self._process.poll() is not None:
            raise AssertionError(f"{self._process.args} ended with {self._process.returncode} before it was ready")

    def stop(self, how: signal.Signals = signal.SIGKILL):
        self._process.send_signal(how)
        self._process.wait(PATIENCE)


class Server:
    """A hub server on a port of its own, which it keeps over restarts."""

    def __init__(self, **environment: str):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = environment
        self.start()

    def start(self):
        command = os.environ.get("SERVER_COMMAND")
        if not command:
            raise AssertionError("SERVER_COMMAND is not set: run hack/clients/python/test, it starts the server under test")
        self._process = Process(["sh", "-c", command], {**self.environment, "PORT": str(self.port)})

    async def ready(self) -> "Server":
        async def healthy():
            self._process.check()
            try:
                async with aiohttp.ClientSession() as session, session.get(f"{self.url}/health") as response:
                    return response.status == 200
            except aiohttp.ClientError:
                return False

        await eventually(healthy, "the server answers")
        return self

    async def token(self, user: str, more: str = "") -> str:
        async with aiohttp.ClientSession() as session, session.get(f"{self.url}/token?user={user}{more}") as response:
            return await response.text()

    def stop(self, how: signal.Signals = signal.SIGKILL):
        self._process.stop(how)


class Redis:
    """A redis-server of the test's own, in memory only."""

    def __init__(self):
        if not shutil.which("redis-server"):
            raise unittest.SkipTest("redis-server is absent")
        self.port = free_port()
        self.connection = f"127.0.0.1:{self.port},abortConnect=false"
        self._process = Process(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"], {}
        )

    async def ready(self) -> "Redis":
        async def answers():
            self._process.check()
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError:
                return False
            writer.close()
            return True

        await eventually(answers, "Redis answers")
        return self

    def stop(self):
        self._process.stop()


class HubError(Exception):
    """A call failed: the server's text."""


class Client:
    """A connection to a hub whose calls are awaited. Use it by `async with`."""

    def __init__(self, url: str, packed: bool, headers: dict[str, str] | None = None):
        protocol = MessagepackProtocol() if packed else JSONProtocol()
        self.hub = SignalRClient(url, protocol=protocol, headers=headers)
        self._opened = asyncio.Event()
        self.hub.on_open(self._note_open)
        self.hub.on_error(self._ignore)

    async def _note_open(self):
        self._opened.set()

    async def _ignore(self, _):
        """Errors reach whoever called."""

    async def __aenter__(self) -> "Client":
        self.running = asyncio.create_task(self.hub.run())
        opened = asyncio.create_task(self._opened.wait())
        await asyncio.wait([self.running, opened], timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        if not opened.done():
            opened.cancel()
            if self.running.done():
                self.running.result()
            raise AssertionError("the client did not connect")
        await self.invoke("ConnectionId")  # it is registered by now: messages to all reach it
        return self

    async def __aexit__(self, *_):
        self.running.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await self.running

    def inbox(self, method: str) -> asyncio.Queue:
        """Keeps the arguments of all calls of a client method."""
        received: asyncio.Queue = asyncio.Queue()

        async def note(arguments):
            received.put_nowait(arguments)

        self.hub.on(method, note)
        return received

    async def invoke(self, method: str, *arguments):
        completed = asyncio.get_running_loop().create_future()

        async def complete(message):
            completed.set_result(message)

        await self.hub.send(method, list(arguments), on_invocation=complete)
        message = await asyncio.wait_for(completed, PATIENCE)
        if message.error:
            raise HubError(message.error)
        return message.result

    async def stream(self, method: str, *arguments) -> list:
        """All items of a stream. If it fails, HubError has them too, as its second argument."""
        items: list = []
        ended = asyncio.get_running_loop().create_future()

        async def note(item):
            items.append(item)

        async def end(message):
            ended.set_result(message)

        await self.hub.stream(method, list(arguments), on_next=note, on_complete=end, on_error=end)
        message = await asyncio.wait_for(ended, PATIENCE)
        if message.error:
            raise HubError(message.error, items)
        return items


async def take(inbox: asyncio.Queue, count: int = 1) -> list:
    """The next calls that an inbox kept, waiting for those still to come."""
    return [await asyncio.wait_for(inbox.get(), PATIENCE) for _ in range(count)]


def unique(name: str) -> str:
    """A name that no other test has."""
    return f"{name} {uuid.uuid4()}"
