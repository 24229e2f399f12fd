"""pysignalr against one server: calls, streams, errors, the end of connections. It has WebSockets only."""

import asyncio
import unittest

from pysignalr.exceptions import AuthorizationError

from support import PATIENCE, Client, HubError, Server, eventually, take

UNEXPECTED = "An unexpected error occurred invoking '{0}' on the server."
FAILED = "Failed to invoke '{0}' due to an error on the server."


class Common:
    """The tests, for one protocol."""

    packed: bool

    async def asyncSetUp(self):
        self.server = Server()
        self.addCleanup(self.server.stop)
        await self.server.ready()

    def connect(self, query: str = "", path: str = "/conformance", headers: dict[str, str] | None = None) -> Client:
        return Client(f"{self.server.url}{path}{query}", self.packed, headers)

    async def test_values_come_back_as_they_were_sent(self):
        async with self.connect() as client:
            for text in ["", "hello", "ünïcode 😀", 'quote " back \\ slash', "a\nb\r\n", "\u0000\u001f"]:
                self.assertEqual(await client.invoke("Echo", text), text)
            for number in [0, 1, -1, 127, 128, -128, 65536, 2147483647, -2147483648]:
                self.assertEqual(await client.invoke("EchoInt", number), number)
            self.assertIsNone(await client.invoke("Echo", None))
            self.assertIsNone(await client.invoke("Void"))
            value = self.complex()
            self.assertEqual(await client.invoke("EchoComplex", value), value)

    def complex(self) -> dict:
        value = {
            "text": "ä", "number": -7, "fraction": 0.25, "flag": True, "list": [1, -1, 2147483647],
            "map": {"Key": "value", "": "empty"}, "missing": None,
        }
        return {key[0].upper() + key[1:]: item for key, item in value.items()} if self.packed else value

    async def test_the_hub_knows_the_connection(self):
        async with self.connect("?color=deep%20blue", headers={"X-Suite": "python"}) as client:
            self.assertEqual(await client.invoke("Transport"), "WebSockets")
            self.assertEqual(await client.invoke("Query", "color"), "deep blue")
            self.assertEqual(await client.invoke("Header", "x-suite"), "python")
            self.assertIsNone(await client.invoke("UserId"))

    async def test_errors_have_the_texts_of_the_protocol(self):
        async with self.connect() as client:
            for method, arguments, text in [
                ("Throw", ["secret"], UNEXPECTED.format("Throw")),
                ("ThrowHub", ["shown"], UNEXPECTED.format("ThrowHub") + " HubException: shown"),
                ("Nope", [], FAILED.format("Nope") + " HubException: Method does not exist."),
                ("Echo", [], FAILED.format("Echo")),
                ("EchoInt", ["no number"], FAILED.format("EchoInt")),
                ("AdminOnly", [], "Failed to invoke 'AdminOnly' because user is unauthorized"),
            ]:
                with self.assertRaises(HubError) as raised:
                    await client.invoke(method, *arguments)
                self.assertEqual(str(raised.exception), text)
            self.assertEqual(await client.invoke("Echo", "still here"), "still here")

    async def test_sends_without_answer_arrive_in_order(self):
        async with self.connect() as client:
            received = client.inbox("Receive")
            for number in range(50):
                await client.hub.send("SendCaller", [str(number)])
            self.assertEqual(await take(received, 50), [[str(number)] for number in range(50)])

    async def test_calls_of_one_client_run_one_after_the_other(self):
        async with self.connect() as client:
            order: list = []

            async def call(method, *arguments):
                order.append(await client.invoke(method, *arguments))

            async with asyncio.TaskGroup() as calls:
                calls.create_task(call("Delay", 60, "slow"))
                await asyncio.sleep(0)
                calls.create_task(call("Echo", "quick"))
            self.assertEqual(order, ["slow", "quick"])

    async def test_streams(self):
        async with self.connect() as client:
            self.assertEqual(await client.stream("Stream", 0, 0), [])
            self.assertEqual(await client.stream("Stream", 500, 0), list(range(500)))
            several = await asyncio.gather(*(client.stream("Stream", 10, pause) for pause in (1, 2, 3)))
            self.assertEqual(several, [list(range(10))] * 3)
            with self.assertRaises(HubError) as raised:
                await client.stream("StreamThenThrow", 3, "secret")
            self.assertEqual(raised.exception.args, ("An error occurred on the server while streaming results.", [0, 1, 2]))

    async def test_uploads_leave_the_connection_working(self):
        # This client sends uploads as calls without an id: what the method returns stays unknown.
        async with self.connect() as client:
            async with client.hub.client_stream("UploadConcat") as upload:
                for item in ["a", "b", "c"]:
                    await upload.send(item)
            self.assertEqual(await client.invoke("Echo", "behind"), "behind")

    async def test_the_server_asks_the_client(self):
        async with self.connect() as client:
            identity = await client.invoke("ConnectionId")

            async def answer(arguments):
                if arguments[0] == "bad":
                    raise ValueError("no idea")
                return arguments[0] + "? yes"

            client.hub.on("Ask", answer)
            self.assertEqual(await client.invoke("Ask", identity, "sure"), "sure? yes")
            with self.assertRaises(HubError) as raised:
                await client.invoke("Ask", identity, "bad")
            self.assertEqual(str(raised.exception), UNEXPECTED.format("Ask") + " HubException: no idea")

    async def test_tokens(self):
        with self.assertRaises(AuthorizationError):
            async with self.connect(path="/protected"):
                pass
        token = await self.server.token("ann", "&admin=true")
        async with self.connect(path="/protected", headers={"Authorization": f"Bearer {token}"}) as client:
            self.assertEqual(await client.invoke("UserId"), "ann")
            self.assertEqual(await client.invoke("AdminOnly"), "welcome")

    async def test_the_hub_sees_the_client_go(self):
        async with self.connect() as observer:
            async with self.connect() as client:
                identity = await client.invoke("ConnectionId")
                self.assertIsNone(await observer.invoke("Disconnected", identity))

            async def gone():
                return await observer.invoke("Disconnected", identity) is not None

            await eventually(gone, "the hub sees the end")

    async def test_a_failing_connect_is_told_to_the_client(self):
        client = self.connect("?throwOnConnect=1")
        running = asyncio.create_task(client.hub.run())
        done, _ = await asyncio.wait([running], timeout=PATIENCE)
        self.assertTrue(done, "the client still runs")
        self.assertEqual(str(running.exception()), "Connection closed with an error.")

    async def test_a_new_client_connects_to_a_server_that_restarted(self):
        # This client cannot reconnect by itself: it asks for its old connection, which no SignalR server has then.
        async with self.connect() as client:
            self.server.stop()
            self.server.start()
            await self.server.ready()
        async with self.connect() as client:
            self.assertEqual(await client.invoke("Echo", "back"), "back")


class JSON(Common, unittest.IsolatedAsyncioTestCase):
    packed = False


class MessagePack(Common, unittest.IsolatedAsyncioTestCase):
    packed = True

    async def test_bytes_come_back_as_they_were_sent(self):
        async with self.connect() as client:
            data = bytes(range(256))
            self.assertEqual(await client.invoke("EchoBytes", data), data)


if __name__ == "__main__":
    unittest.main()
