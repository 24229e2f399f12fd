import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import signalR from "@microsoft/signalr";
import { build, connect, open, webSocketWays } from "../support/connect.js";
import { Cluster } from "../support/cluster.js";
import { Inbox } from "../support/inbox.js";
import { Proxy } from "../support/proxy.js";
import { redisAbsent } from "../support/redis.js";
import { isReference, Server } from "../support/server.js";
import { event, within } from "../support/wait.js";

const stateful = (builder) => builder.withStatefulReconnect();
const numbered = (name, from, count) => Array.from({ length: count }, (_, i) => `${name} ${from + i}`);

// A session is a client behind a proxy, on the first server, and a peer that it talks with.
async function session(t, [first, second], way) {
  const proxy = await Proxy.start(t, first);
  const client = build(t, `${proxy.url}/conformance`, way, { configure: stateful });
  const peer = await connect(t, `${second.url}/conformance`);
  const received = Inbox.of(client, "Receive");
  const peerReceived = Inbox.of(peer, "Receive");
  client.onclose((error) => received.push(`closed: ${error}`));
  await open(client);
  const id = client.connectionId;
  return {
    proxy, client, peer, id, received, peerReceived,

    // cut breaks the connection and returns when the client waits for a new one.
    async cut(how) {
      proxy.hold();
      proxy[how]();
      await proxy.waiting();
    },
    async say(texts) {
      for (const text of texts) await client.send("SendGroup", id, text);
    },
    async answer(texts) {
      for (const text of texts) await peer.invoke("SendClient", id, text);
    },
    // same fails unless the connection is still the one it was.
    async same() {
      assert.equal(client.connectionId, id);
      assert.equal(await client.invoke("ConnectionId"), id);
    },
  };
}

describe("stateful reconnect", { skip: redisAbsent }, () => {
  let cluster;
  before(async () => {
    cluster = await Cluster.start();
  });
  after(() => cluster?.stop());

  // talk is a session whose peer hears what the client says: it is in the group named by the client's id.
  async function talk(t, way) {
    const one = await session(t, cluster.servers, way);
    await one.peer.invoke("JoinGroup", one.id);
    return one;
  }

  for (const way of webSocketWays) {
    describe(way.name, () => {
      for (const how of ["fin", "reset"]) {
        test(`what is said during a cut (${how}) arrives once and in order, both ways`, async (t) => {
          const one = await talk(t, way);
          const connects = await one.client.invoke("Connects");
          await one.say(numbered("said", 0, 3));
          await one.answer(numbered("answered", 0, 3));
          await one.cut(how);
          await one.say(numbered("said", 3, 20));
          await one.answer(numbered("answered", 3, 20));
          one.proxy.release();
          await one.say(numbered("said", 23, 3));
          await one.answer(numbered("answered", 23, 3));
          assert.deepEqual(await one.peerReceived.take(26), numbered("said", 0, 26));
          assert.deepEqual(await one.received.take(26), numbered("answered", 0, 26));
          await one.same();
          assert.equal(await one.client.invoke("Connects"), connects);
        });
      }

      test("cuts in the middle of the traffic lose nothing and repeat nothing", async (t) => {
        const one = await talk(t, way);
        for (let round = 0; round < 10; round++) {
          const [said, answered] = [numbered("said", round * 40, 40), numbered("answered", round * 40, 40)];
          const answering = one.answer(answered);
          await one.say(said.slice(0, 20));
          if (round % 2) one.proxy.fin();
          else one.proxy.reset();
          await one.say(said.slice(20));
          await answering;
          // Both sides have all of this round: the client is back, and the next cut hits a connection, not its opening.
          assert.deepEqual(await one.peerReceived.take(40), said);
          assert.deepEqual(await one.received.take(40), answered);
        }
        assert.equal(one.peerReceived.size + one.received.size, 0);
        await one.same();
      });

      test("what was under way when a frozen connection broke is sent again", async (t) => {
        const one = await talk(t, way);
        one.proxy.freeze();
        await one.say(numbered("said", 0, 10));
        await one.answer(numbered("answered", 0, 10));
        await one.cut("reset");
        one.proxy.release();
        assert.deepEqual(await one.peerReceived.take(10), numbered("said", 0, 10));
        assert.deepEqual(await one.received.take(10), numbered("answered", 0, 10));
        await one.same();
      });

      test("a connection that only froze goes on where it was", async (t) => {
        const one = await talk(t, way);
        one.proxy.freeze();
        await one.say(numbered("said", 0, 10));
        await one.answer(numbered("answered", 0, 10));
        assert.equal(one.received.size + one.peerReceived.size, 0);
        one.proxy.thaw();
        assert.deepEqual(await one.peerReceived.take(10), numbered("said", 0, 10));
        assert.deepEqual(await one.received.take(10), numbered("answered", 0, 10));
        assert.equal(one.proxy.accepted, 2); // negotiate and the WebSocket
        await one.same();
      });

      const refuses = isReference && "ASP.NET Core refuses a new socket while it believes in the old one";
      test("a new socket takes over from one that the server still believes in", { skip: refuses }, async (t) => {
        const one = await talk(t, way);
        await one.cut("resetClients");
        await one.say(numbered("said", 0, 10));
        await one.answer(numbered("answered", 0, 10));
        one.proxy.release();
        assert.deepEqual(await one.peerReceived.take(10), numbered("said", 0, 10));
        assert.deepEqual(await one.received.take(10), numbered("answered", 0, 10));
        await one.same();
      });

      test("groups, running methods and client results survive", async (t) => {
        const one = await talk(t, way);
        const group = `group of ${one.id}`;
        await one.client.invoke("JoinGroup", group);
        const questions = new Inbox("question");
        one.client.on("Ask", (question) => new Promise((answer) => questions.push({ question, answer })));
        const answer = one.peer.invoke("Ask", one.id, "still there?");
        const { answer: reply } = await questions.next();
        const running = one.client.invoke("Delay", 100, "finished");

        await one.cut("reset");
        reply("yes");
        await one.peer.invoke("SendGroup", group, "to the group");
        one.proxy.release();
        assert.equal(await within(answer, "client result"), "yes");
        assert.equal(await within(running, "running method"), "finished");
        assert.equal(await one.received.next(), "to the group");
        await one.same();
      });

      test("streams go on in both directions", async (t) => {
        const one = await talk(t, way);
        const subject = new signalR.Subject();
        const items = new Inbox("item");
        one.client.stream("EchoStream", subject).subscribe({
          next: (item) => items.push(item), complete: () => items.push("end"), error: (error) => items.push(error),
        });
        const expected = numbered("item", 0, 30);
        for (const item of expected.slice(0, 10)) subject.next(item);
        assert.deepEqual(await items.take(5), expected.slice(0, 5));
        await one.cut("reset");
        for (const item of expected.slice(10, 20)) subject.next(item);
        one.proxy.release();
        for (const item of expected.slice(20)) subject.next(item);
        subject.complete();
        assert.deepEqual(await items.before("end"), expected.slice(5));
        await one.same();
      });

      test("a backlog beyond the buffer waits at the sender and arrives complete", async (t) => {
        const one = await talk(t, way);
        await one.cut("reset");
        const texts = numbered("x".repeat(5000), 0, 60);
        const answering = one.answer(texts);
        one.proxy.release();
        await within(answering, "the sender");
        assert.deepEqual(await one.received.take(60), texts);
        await one.same();
      });
    });
  }

  test("when the server itself is gone, automatic reconnect takes over with a new connection", async (t) => {
    const server = await Server.start();
    t.after(() => server.stop("SIGKILL"));
    const patiently = (builder) => builder.withStatefulReconnect().withAutomaticReconnect({ nextRetryDelayInMilliseconds: () => 50 });
    const connection = await connect(t, `${server.url}/conformance`, webSocketWays[0], { configure: patiently });
    const id = connection.connectionId;
    const reconnected = event();
    connection.onreconnected(reconnected.happen);
    await server.stop("SIGKILL");
    await server.start();
    await within(reconnected.happened, "return");
    assert.notEqual(connection.connectionId, id);
    assert.equal(await connection.invoke("Echo", "back"), "back");
  });

  for (const [what, path, env] of [
    ["an endpoint that does not allow it", "/conformance-stateless", {}],
    ["a server that has it switched off", "/conformance", { STATEFUL_RECONNECT: "false" }],
  ]) {
    test(`a client that asks ${what} works without it`, async (t) => {
      const server = await Server.start(env);
      t.after(() => server.stop("SIGKILL"));
      const proxy = await Proxy.start(t, server);
      const connection = await connect(t, proxy.url + path, webSocketWays[0], { configure: stateful });
      assert.equal(await connection.invoke("Echo", "plain"), "plain");
      const closed = event();
      connection.onclose(closed.happen);
      proxy.reset();
      await within(closed.happened, "close");
      assert.equal(proxy.accepted, 2);
    });
  }
});
