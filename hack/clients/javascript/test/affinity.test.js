import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import signalR from "@microsoft/signalr";
import { Balancer } from "../support/balancer.js";
import { build, connect, open, ways, webSocketWays } from "../support/connect.js";
import { Cluster } from "../support/cluster.js";
import { Inbox } from "../support/inbox.js";
import { redisAbsent } from "../support/redis.js";
import { isReference } from "../support/server.js";
import { event, until } from "../support/wait.js";

// The reference needs sticky sessions: a connection token is known to the server only that issued it.
const skip = redisAbsent || (isReference && "ASP.NET Core needs sticky sessions");

describe("every request at another server", { skip }, () => {
  let cluster;
  before(async () => {
    cluster = await Cluster.start();
  });
  after(() => cluster?.stop());

  for (const way of ways) {
    describe(way.name, () => {
      test("calls, broadcasts, groups and streams", async (t) => {
        const balancer = await Balancer.start(t, cluster.servers);
        const [one, two] = [await connect(t, `${balancer.url}/conformance`, way), await connect(t, `${balancer.url}/conformance`, way)];
        const received = [one, two].map((client) => Inbox.of(client, "Receive"));
        for (let i = 0; i < 20; i++) assert.equal(await one.invoke("Echo", `text ${i}`), `text ${i}`);
        const group = one.connectionId;
        await Promise.all([one, two].map((client) => client.invoke("JoinGroup", group)));
        for (let i = 0; i < 10; i++) await (i % 2 ? one : two).invoke("SendGroup", group, `message ${i}`);
        for (const inbox of received) assert.deepEqual(await inbox.take(10), Array.from({ length: 10 }, (_, i) => `message ${i}`));
        const items = [];
        const { happen, happened } = event();
        two.stream("Stream", 10, 5).subscribe({ next: (item) => items.push(item), complete: happen, error: happen });
        assert.deepEqual(await happened, []);
        assert.deepEqual(items, Array.from({ length: 10 }, (_, i) => i));
        const subject = new signalR.Subject();
        const result = one.invoke("UploadConcat", subject);
        for (const part of ["a", "b", "c"]) subject.next(part);
        subject.complete();
        assert.equal(await result, "abc");
        const [first, second] = balancer.counts;
        assert.ok(first > 0 && second > 0 && Math.abs(first - second) <= 1, `requests: ${balancer.counts}`);
      });

      test("a client answers a server that is not its own", async (t) => {
        const balancer = await Balancer.start(t, cluster.servers);
        const [asking, asked] = [await connect(t, `${balancer.url}/conformance`, way), await connect(t, `${balancer.url}/conformance`, way)];
        asked.on("Ask", (question) => `${question}: because`);
        assert.equal(await asking.invoke("Ask", asked.connectionId, "why"), "why: because");
      });

      test("a client that stops is gone at its owner", async (t) => {
        const balancer = await Balancer.start(t, cluster.servers);
        const client = await connect(t, `${balancer.url}/conformance`, way);
        const id = client.connectionId;
        await client.stop();
        const watchers = await Promise.all(cluster.servers.map((server) => connect(t, `${server.url}/conformance`)));
        await until(async () => {
          const ends = await Promise.all(watchers.map((watcher) => watcher.invoke("Disconnected", id)));
          return ends.some((end) => end !== null);
        }, "the end of the connection");
      });
    });
  }

  for (const way of webSocketWays) {
    test(`a client with stateful reconnect resumes wherever it comes out: ${way.name}`, async (t) => {
      const balancer = await Balancer.start(t, cluster.servers);
      const client = build(t, `${balancer.url}/conformance`, way, { configure: (builder) => builder.withStatefulReconnect() });
      const received = Inbox.of(client, "Receive");
      let closed = "";
      client.onclose((error) => (closed = `closed: ${error}`));
      await open(client);
      const id = client.connectionId;
      const talker = await connect(t, `${cluster.servers[1].url}/conformance`);
      const calls = [];
      for (let round = 0; round < 6; round++) {
        for (let i = 0; i < 5; i++) {
          calls.push(client.invoke("Echo", `${round}.${i}`));
          await talker.invoke("SendClient", id, `${round}.${i}`);
          if (i === 2) balancer.cut();
        }
        // The next cut comes when this one is over: else the client only sees the last.
        assert.deepEqual(await received.take(5), Array.from({ length: 5 }, (_, i) => `${round}.${i}`));
        assert.equal(await client.invoke("ConnectionId"), id);
      }
      assert.deepEqual(await Promise.all(calls), Array.from({ length: 30 }, (_, i) => `${Math.floor(i / 5)}.${i % 5}`));
      assert.equal(received.size, 0);
      assert.equal(closed, "");
    });
  }
});
