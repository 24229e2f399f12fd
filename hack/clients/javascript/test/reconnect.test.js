import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { build, connect, open, ways } from "../support/connect.js";
import { Cluster } from "../support/cluster.js";
import { Inbox } from "../support/inbox.js";
import { Proxy } from "../support/proxy.js";
import { redisAbsent } from "../support/redis.js";
import { Server } from "../support/server.js";
import { event, until, within } from "../support/wait.js";

// A client that tries again every 50 ms, for as long as a server may take to come back.
const patiently = (builder) => builder.withAutomaticReconnect({ nextRetryDelayInMilliseconds: () => 50 });

// lifecycle notes what a page would show: when the connection is lost and when it is back.
function lifecycle(connection) {
  const lost = event();
  const back = event();
  const closed = event();
  connection.onreconnecting(lost.happen);
  connection.onreconnected(back.happen);
  connection.onclose(closed.happen);
  return { lost: lost.happened, back: back.happened, closed: closed.happened };
}

describe("automatic reconnect", () => {
  for (const signal of ["SIGTERM", "SIGKILL"]) {
    test(`every kind of client comes back after its server was restarted by ${signal}`, async (t) => {
      const server = await Server.start();
      t.after(() => server.stop("SIGKILL"));
      const clients = await Promise.all(ways.map(async (way) => {
        const connection = await connect(t, `${server.url}/conformance`, way, { configure: patiently });
        await connection.invoke("JoinGroup", "before");
        return { way, connection, id: connection.connectionId, events: lifecycle(connection), received: Inbox.of(connection, "Receive") };
      }));

      await server.stop(signal);
      await Promise.all(clients.map(({ way, events }) => within(events.lost, `loss of ${way.name}`)));
      await server.start();
      await Promise.all(clients.map(({ way, events }) => within(events.back, `return of ${way.name}`)));

      for (const { connection, id } of clients) {
        assert.notEqual(connection.connectionId, id);
        assert.equal(await connection.invoke("Echo", "back"), "back");
      }
      const sender = clients[0].connection;
      await sender.invoke("SendGroup", "before", "nobody is in this group any more");
      await sender.invoke("Broadcast", "end");
      for (const { received } of clients) assert.deepEqual(await received.before("end"), []);
    });
  }

  test("a chat goes on after one of two servers was restarted", { skip: redisAbsent }, async (t) => {
    const cluster = await Cluster.start();
    t.after(() => cluster.stop());
    const [first, second] = cluster.servers;
    const ann = build(t, `${first.url}/chatHub`, ways[0], { configure: patiently });
    const bob = build(t, `${second.url}/chatHub`, ways[0], { configure: patiently });
    const received = Inbox.of(ann, "ReceiveMessage");
    const events = lifecycle(ann);
    await Promise.all([ann.start(), bob.start()]);
    await first.stop("SIGKILL");
    await within(events.lost, "loss");
    await first.start();
    await within(events.back, "return");
    await until(async () => {
      await bob.invoke("SendMessage", "bob", "are you back?");
      return received.size > 0;
    }, "a message after the restart");
    assert.deepEqual(await received.next(), ["bob", "are you back?", `Server ${second.port}`]);
  });

  test("without it, a client whose connection breaks is closed with an error", async (t) => {
    const server = await Server.start();
    t.after(() => server.stop("SIGKILL"));
    for (const way of ways) {
      const proxy = await Proxy.start(t, server);
      const connection = await connect(t, `${proxy.url}/conformance`, way);
      const events = lifecycle(connection);
      const pending = assert.rejects(connection.invoke("Delay", 60_000, "never"));
      proxy.hold();
      proxy.reset();
      await within(events.closed, `close of ${way.name}`);
      await within(pending, `failure of the pending invocation of ${way.name}`);
      assert.equal(connection.state, "Disconnected");
    }
  });
});

describe("a network that freezes", { concurrency: true }, () => {
  // Long polling is left out: its client gives a poll 100 s.
  for (const way of ways.filter(({ transport }) => transport !== "LongPolling")) {
    test(`client and server both notice, and the client comes back: ${way.name}`, async (t) => {
      const server = await Server.start({ CLIENT_TIMEOUT_INTERVAL: "5", KEEP_ALIVE_INTERVAL: "1" });
      t.after(() => server.stop("SIGKILL"));
      const proxy = await Proxy.start(t, server);
      const lively = (builder) => patiently(builder).withServerTimeout(7000).withKeepAliveInterval(300);
      const observer = await connect(t, `${server.url}/conformance`, ways[0], { configure: lively });
      const connection = await connect(t, `${proxy.url}/conformance`, way, { configure: lively });
      const events = lifecycle(connection);
      const id = connection.connectionId;

      proxy.freeze();
      const [error] = await within(events.lost, "the client's notice");
      assert.equal(error.message, "Server timeout elapsed without receiving a message from the server.");
      proxy.resetClients(); // else the client's HTTP pool would negotiate over a frozen connection
      await within(events.back, "return over a new connection");
      assert.equal(await connection.invoke("Echo", "back"), "back");
      assert.notEqual(connection.connectionId, id);
      const message = await until(() => observer.invoke("Disconnected", id), "the server's notice");
      assert.equal(message, "Client hasn't sent a message/ping within the configured ClientTimeoutInterval.");
    });
  }
});

describe("a network that is slow and cuts everything into pieces", () => {
  for (const way of ways) {
    test(`all goes on as usual: ${way.name}`, async (t) => {
      const server = await Server.start();
      t.after(() => server.stop("SIGKILL"));
      const proxy = await Proxy.start(t, server);
      proxy.slow({ delay: 10, piece: 7 });
      const connection = build(t, `${proxy.url}/conformance`, way);
      const received = Inbox.of(connection, "Receive");
      await open(connection);
      const long = "piece by piece ".repeat(200);
      assert.equal(await connection.invoke("Echo", long), long);
      const texts = Array.from({ length: 20 }, (_, i) => `${i}`);
      for (const text of texts) await connection.send("SendCaller", text);
      assert.deepEqual(await received.take(20), texts);
      const items = new Inbox("item");
      connection.stream("Stream", 20, 0).subscribe({ next: (item) => items.push(item), complete: () => items.push("end"), error: items.push });
      assert.deepEqual(await items.before("end"), Array.from({ length: 20 }, (_, i) => i));
    });
  }
});
