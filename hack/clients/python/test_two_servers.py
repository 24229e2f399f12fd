"""pysignalr on two servers with one Redis: clients of both protocols, who hear each other."""

import asyncio
import unittest

from support import Client, Redis, Server, take, unique


class TwoServers(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        redis = Redis()
        self.addCleanup(redis.stop)
        await redis.ready()
        self.servers = [Server(REDIS_CONNECTION=redis.connection) for _ in range(2)]
        for server in self.servers:
            self.addCleanup(server.stop)
        await asyncio.gather(*(server.ready() for server in self.servers))

    async def clients(self) -> list[Client]:
        """One client of each protocol on each server."""
        clients = [Client(f"{server.url}/conformance", packed) for server in self.servers for packed in (False, True)]
        for client in clients:
            await self.enterAsyncContext(client)
        return clients

    async def test_broadcasts_reach_everyone_in_order(self):
        clients = await self.clients()
        inboxes = [client.inbox("Receive") for client in clients]
        for sender in clients:
            texts = [f"{number}" for number in range(30)]
            for text in texts:
                await sender.hub.send("Broadcast", [text])
            for inbox in inboxes:
                self.assertEqual(await take(inbox, 30), [[text] for text in texts])

    async def test_groups(self):
        one, two, three, four = await self.clients()
        inboxes = [client.inbox("Receive") for client in (one, two, three, four)]
        group = unique("group")
        for member in (two, three):
            await member.invoke("JoinGroup", group)
        await one.invoke("JoinGroupFor", await four.invoke("ConnectionId"), group)
        await one.invoke("SendGroup", group, "members")
        for inbox in inboxes[1:]:
            self.assertEqual(await take(inbox), [["members"]])
        await four.invoke("LeaveGroup", group)
        await four.invoke("SendGroup", group, "who stays")
        for inbox in inboxes[1:3]:
            self.assertEqual(await take(inbox), [["who stays"]])
        await one.invoke("Broadcast", "end")
        for inbox in inboxes:
            self.assertEqual(await take(inbox), [["end"]])

    async def test_single_clients_and_complex_values(self):
        one, two, three, _ = await self.clients()
        received = three.inbox("Receive")
        await two.invoke("SendClient", await three.invoke("ConnectionId"), "over there")
        self.assertEqual(await take(received), [["over there"]])
        json, packed = one.inbox("ReceiveComplex"), two.inbox("ReceiveComplex")
        value = {"text": "t", "number": 1, "fraction": 1.5, "flag": False, "list": [3], "map": {"a": "b"}, "missing": None}
        await three.invoke("BroadcastComplex", value)
        self.assertEqual(await take(json), [[value]])
        self.assertEqual(await take(packed), [[{key.capitalize(): item for key, item in value.items()}]])

    async def test_a_client_of_the_other_server_is_asked(self):
        one, _, _, four = await self.clients()

        async def answer(arguments):
            return arguments[0].upper()

        four.hub.on("Ask", answer)
        self.assertEqual(await one.invoke("Ask", await four.invoke("ConnectionId"), "why"), "WHY")


if __name__ == "__main__":
    unittest.main()
