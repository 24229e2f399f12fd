import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Balancer } from "../support/balancer.js";
import { build, ways } from "../support/connect.js";
import { HubServer, hubServerAbsent } from "../support/hubserver.js";
import { Inbox } from "../support/inbox.js";
import { Redis, redisAbsent } from "../support/redis.js";
import { until } from "../support/wait.js";

describe("a server that ends in order", { skip: redisAbsent || hubServerAbsent }, () => {
  for (const way of ways.filter(({ transport }) => transport === "LongPolling")) {
    test(`clients go on with the other server and miss nothing: ${way.name}`, async (t) => {
      const redis = await Redis.start();
      t.after(() => redis.stop());
      const env = { CHATCLUSTER_REDIS_CONNECTION: redis.connection, CHATCLUSTER_DRAIN_DELAY: "1s", CHATCLUSTER_SHUTDOWN_TIMEOUT: "30s" };
      const [first, second] = await Promise.all([HubServer.start(env), HubServer.start(env)]);
      t.after(() => Promise.all([first, second].map((server) => server.stop("SIGKILL"))));
      const balancer = await Balancer.start(t, [first]);
      const clients = Array.from({ length: 5 }, () => build(t, `${balancer.url}/chatHub`, way));
      const received = clients.map((client) => Inbox.of(client, "ReceiveMessage"));
      const ends = [];
      for (const client of clients) {
        client.onclose((error) => ends.push(String(error)));
        await client.start();
      }
      const ids = clients.map((client) => client.connectionId);

      let sent = 0;
      const say = () => clients[sent % clients.length].invoke("SendMessage", "client", String(sent++));
      let ended = "";
      for (let i = 0; i < 20; i++) await say();
      balancer.servers = [first, second];
      const stopping = first.stop("SIGTERM").then((how) => (ended = how));
      const noticing = until(async () => !(await first.isReady()), "the server is not ready").then(() => (balancer.servers = [second]));
      while (ended === "") await say();
      await Promise.all([stopping, noticing]);
      for (let i = 0; i < 20; i++) await say();

      const expected = Array.from({ length: sent }, (_, number) => ["client", String(number)]);
      for (const inbox of received) assert.deepEqual((await inbox.take(sent)).map(([user, text]) => [user, text]), expected);
      assert.equal(ended, 0);
      assert.deepEqual(ends, []);
      assert.deepEqual(clients.map((client) => client.connectionId), ids);
      t.diagnostic(`${sent} messages to ${clients.length} clients`);
    });
  }
});
