import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { build, connect, open, ways } from "../support/connect.js";
import { Cluster } from "../support/cluster.js";
import { Inbox } from "../support/inbox.js";
import { redisAbsent } from "../support/redis.js";
import { Server } from "../support/server.js";
import { event, within } from "../support/wait.js";

describe("large messages", () => {
  for (const way of ways) {
    test(`a megabyte goes and comes back where the limit allows it: ${way.name}`, async (t) => {
      const server = await Server.start({ MAX_MESSAGE_SIZE: String(4 << 20) });
      t.after(() => server.stop("SIGKILL"));
      const connection = await connect(t, `${server.url}/conformance`, way);
      const text = "0123456789abcdef".repeat(1 << 16);
      const answer = await connection.invoke("Echo", text);
      assert.ok(answer === text, `${answer.length} characters came back of ${text.length}`);
    });

    test(`a message beyond the limit closes the connection with an error: ${way.name}`, async (t) => {
      const server = await Server.start();
      t.after(() => server.stop("SIGKILL"));
      const hub = `${server.url}/conformance`;
      const connection = await connect(t, hub, way);
      const closed = event();
      connection.onclose(closed.happen);
      const largest = "x".repeat(32_000);
      assert.equal(await connection.invoke("Echo", largest), largest);
      const refused = assert.rejects(connection.invoke("Echo", "x".repeat(33_000)));
      const [error] = await within(closed.happened, "close");
      assert.match(error.message, /^Server returned an error on close: Connection closed with an error\./);
      await refused;
      const next = await connect(t, hub, way);
      assert.equal(await next.invoke("Echo", "the server lives"), "the server lives");
    });

    test(`a flood to one client arrives complete and in order: ${way.name}`, async (t) => {
      const server = await Server.start();
      t.after(() => server.stop("SIGKILL"));
      const connection = build(t, `${server.url}/conformance`, way);
      const flood = Inbox.of(connection, "Flood");
      await open(connection);
      await within(connection.invoke("Flood", 2000, 1000), "the method");
      const items = await flood.take(2000);
      assert.deepEqual(items.map(([i]) => i), Array.from({ length: 2000 }, (_, i) => i));
      assert.ok(items.every(([, payload]) => payload.length === 1000));
    });
  }
});

test("50 clients of all kinds connect to two servers at once and hear each other", { skip: redisAbsent }, async (t) => {
  const cluster = await Cluster.start();
  t.after(() => cluster.stop());
  const clients = await Promise.all(Array.from({ length: 50 }, async (_, i) => {
    const connection = build(t, `${cluster.servers[i % 2].url}/conformance`, ways[i % ways.length]);
    const received = Inbox.of(connection, "Receive");
    return { connection: await open(connection), received };
  }));
  await Promise.all(clients.map(({ connection }, i) => connection.invoke("Broadcast", `from ${i}`)));
  const expected = clients.map((_, i) => `from ${i}`).sort();
  for (const { received } of clients) assert.deepEqual((await received.take(50)).sort(), expected);
});
