import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { build, ways } from "../support/connect.js";
import { Cluster } from "../support/cluster.js";
import { Inbox } from "../support/inbox.js";
import { redisAbsent } from "../support/redis.js";
import { isReference } from "../support/server.js";
import { until } from "../support/wait.js";

describe("chat between two servers", { skip: redisAbsent }, () => {
  let cluster;
  before(async () => {
    cluster = await Cluster.start();
  });
  after(() => cluster?.stop());

  // enter joins the chat. An own message that comes back proves that the connection is registered at its server.
  async function enter(t, server, way, name) {
    const connection = build(t, `${server.url}/chatHub`, way);
    const received = Inbox.of(connection, "ReceiveMessage");
    await connection.start();
    const hello = `${name} enters`;
    await until(async () => {
      await connection.invoke("SendMessage", name, hello);
      return received.size > 0;
    }, "own message");
    return { connection, received };
  }

  for (const way of ways) {
    test(`each message carries the server that took it: ${way.name}`, async (t) => {
      const [first, second] = cluster.servers;
      const ann = await enter(t, first, way, "ann");
      const bob = await enter(t, second, way, "bob");
      await ann.connection.invoke("SendMessage", "ann", "end of greetings");
      for (const one of [ann, bob]) {
        for (let message; message !== "end of greetings"; ) message = (await one.received.next())[1];
      }

      // The reference's chat hub looks for the request where ASP.NET Core keeps none between two polls.
      const name = (server) => `Server ${isReference && way.transport === "LongPolling" ? 0 : server.port}`;
      await ann.connection.invoke("SendMessage", "ann", "hello <b>");
      const fromAnn = ["ann", "hello <b>", name(first)];
      assert.deepEqual(await ann.received.next(), fromAnn);
      assert.deepEqual(await bob.received.next(), fromAnn);
      await bob.connection.invoke("SendMessage", "bob", "hi");
      const fromBob = ["bob", "hi", name(second)];
      assert.deepEqual(await ann.received.next(), fromBob);
      assert.deepEqual(await bob.received.next(), fromBob);
    });
  }
});
