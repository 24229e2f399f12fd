import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { build, connect, ways } from "../support/connect.js";
import { Inbox } from "../support/inbox.js";
import { Server } from "../support/server.js";
import { event, until, within } from "../support/wait.js";

const unexpected = (target) => `An unexpected error occurred invoking '${target}' on the server.`;
const failed = (target) => `Failed to invoke '${target}' due to an error on the server.`;

// Names are camelCase in JSON and as declared in MessagePack.
function complex(protocol) {
  const value = {
    text: "a \u001e b", number: -7, fraction: 0.25, flag: true, list: [1, -1, 2147483647], map: { Key: "value", "": "empty" }, missing: null,
  };
  if (protocol === "json") return value;
  return Object.fromEntries(Object.entries(value).map(([name, v]) => [name[0].toUpperCase() + name.slice(1), v]));
}

for (const way of ways) {
  describe(`invocations: ${way.name}`, () => {
    let server, hub;
    before(async () => {
      server = await Server.start();
      hub = `${server.url}/conformance`;
    });
    after(() => server.stop("SIGKILL"));

    test("values come back as they were sent", async (t) => {
      const connection = await connect(t, hub, way);
      for (const text of ["", "hello", "ünïcode \u{1F600} \u2028", 'quote " back \\ slash', "line\nline\r\n", "\u0000\u001e\u001f"]) {
        assert.equal(await connection.invoke("Echo", text), text);
      }
      for (const number of [0, 1, -1, 127, 128, -128, 65536, 2147483647, -2147483648]) {
        assert.equal(await connection.invoke("EchoInt", number), number);
      }
      const value = complex(way.protocol);
      assert.deepEqual(await connection.invoke("EchoComplex", value), value);
      assert.equal(await connection.invoke("Echo", null), null);
      assert.equal(await connection.invoke("Void"), null);
    });

    test("bytes come back as they were sent", async (t) => {
      const connection = await connect(t, hub, way);
      const bytes = Uint8Array.from({ length: 1000 }, (_, i) => i % 256);
      if (way.protocol === "messagepack") {
        const answer = await connection.invoke("EchoBytes", bytes);
        assert.deepEqual(Buffer.from(answer), Buffer.from(bytes));
      } else {
        const text = Buffer.from(bytes).toString("base64");
        assert.equal(await connection.invoke("EchoBytes", text), text);
      }
    });

    test("method names are case-insensitive", async (t) => {
      const connection = await connect(t, hub, way);
      assert.equal(await connection.invoke("eCHO", "x"), "x");
    });

    test("the hub knows the connection's id, transport, query and headers", async (t) => {
      const connection = await connect(t, `${hub}?color=deep%20blue`, way, { headers: { "X-Suite": "clients" } });
      assert.equal(await connection.invoke("ConnectionId"), connection.connectionId);
      assert.equal(await connection.invoke("Transport"), way.transport);
      assert.equal(await connection.invoke("Query", "color"), "deep blue");
      assert.equal(await connection.invoke("Query", "none"), null);
      assert.equal(await connection.invoke("Header", "x-suite"), "clients");
      assert.equal(await connection.invoke("UserId"), null);
    });

    test("a message sent on connect arrives, the caller's handler being there before", async (t) => {
      const connection = build(t, `${hub}?welcome=hello`, way);
      const welcome = Inbox.of(connection, "Welcome");
      await connection.start();
      assert.equal(await welcome.next(), "hello");
    });

    test("errors have the texts of ASP.NET Core", async (t) => {
      const connection = await connect(t, hub, way);
      const cases = [
        ["Throw", ["secret"], unexpected("Throw")],
        ["ThrowHub", ["shown"], `${unexpected("ThrowHub")} HubException: shown`],
        ["Nope", [], `${failed("Nope")} HubException: Method does not exist.`],
        ["Echo", [], failed("Echo")],
        ["Echo", ["one", "two"], failed("Echo")],
        ["EchoInt", ["not a number"], failed("EchoInt")],
        ["AdminOnly", [], "Failed to invoke 'AdminOnly' because user is unauthorized"],
        ["Stream", [1, 0], "The client attempted to invoke the streaming 'Stream' method with a non-streaming invocation."],
      ];
      for (const [target, args, message] of cases) {
        await assert.rejects(connection.invoke(target, ...args), { message });
      }
      assert.equal(await connection.invoke("Echo", "still here"), "still here");
    });

    test("a send without an answer is carried out, its failure is silent", async (t) => {
      const connection = await connect(t, hub, way);
      const received = Inbox.of(connection, "Receive");
      await connection.send("Throw", "nobody hears");
      await connection.send("Nope");
      await connection.send("SendCaller", "first");
      await connection.send("SendCaller", "second");
      assert.deepEqual(await received.take(2), ["first", "second"]);
    });

    test("invocations of one client run one after the other, in order", async (t) => {
      const connection = await connect(t, hub, way);
      const order = [];
      const note = (answer) => order.push(answer);
      await Promise.all([
        connection.invoke("Delay", 60, "slow").then(note),
        connection.invoke("Delay", 1, "quick").then(note),
        connection.invoke("Echo", "last").then(note),
      ]);
      assert.deepEqual(order, ["slow", "quick", "last"]);
    });

    test("a client whose connect fails is closed with an error and not told to reconnect", async (t) => {
      const connection = build(t, `${hub}?throwOnConnect=1`, way, { configure: (builder) => builder.withAutomaticReconnect([0]) });
      const closed = event();
      connection.onclose(closed.happen);
      connection.onreconnecting(() => assert.fail("it must not reconnect"));
      // The Close message may come in one piece with the handshake's answer: then it is start() that fails.
      const failure = await connection.start().then(() => undefined, (error) => error);
      if (way.transport === "ServerSentEvents" && failure?.statusCode === 404) {
        return; // start() ends with a ping in a request of its own, which may come when the connection has ended
      }
      const error = failure ?? (await within(closed.happened, "close"))[0];
      assert.equal(error.message, "Server returned an error on close: Connection closed with an error.");
    });

    test("an aborted client is closed without an error and not told to reconnect", async (t) => {
      const connection = await connect(t, hub, way, { configure: (builder) => builder.withAutomaticReconnect([0]) });
      const closed = event();
      connection.onclose(closed.happen);
      connection.onreconnecting(() => assert.fail("it must not reconnect"));
      await connection.send("Abort");
      const [error] = await within(closed.happened, "close");
      assert.equal(error, undefined);
    });

    test("a client that stops is disconnected cleanly", async (t) => {
      const observer = await connect(t, hub);
      const connection = await connect(t, hub, way);
      const id = connection.connectionId;
      assert.equal(await observer.invoke("Disconnected", id), null);
      await connection.stop();
      await until(async () => (await observer.invoke("Disconnected", id)) !== null, "disconnect");
      assert.equal(await observer.invoke("Disconnected", id), "");
    });
  });
}

test("detailed errors show the message of any error", async (t) => {
  const server = await Server.start({ DETAILED_ERRORS: "true" });
  t.after(() => server.stop("SIGKILL"));
  const connection = await connect(t, `${server.url}/conformance`);
  const message = new RegExp(`^${unexpected("Throw")} \\w+: shown$`);
  await assert.rejects(connection.invoke("Throw", "shown"), { message });
});

test("negotiation offers what the endpoint allows", async (t) => {
  const server = await Server.start();
  t.after(() => server.stop("SIGKILL"));
  const pollingOnly = await connect(t, `${server.url}/conformance-longpolling`, { transport: "LongPolling", protocol: "json" });
  assert.equal(await pollingOnly.invoke("Transport"), "LongPolling");
  await assert.rejects(build(t, `${server.url}/conformance-none`).start(), /None of the transports supported by the client/);
});
