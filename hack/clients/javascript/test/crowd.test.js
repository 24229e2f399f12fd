import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import readline from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import WebSocket from "ws";
import { within } from "../support/wait.js";

const record = (message) => `${JSON.stringify(message)}\x1e`;
const word = (text) => record({ type: 1, target: "ReceiveMessage", arguments: ["", text, ""] });
const sequence = 9;

// hub answers each message of a client by respond(socket, message), and returns its URL.
async function hub(t, respond) {
  const server = createServer((request, response) =>
    response.end(JSON.stringify({
      connectionId: "id", connectionToken: "token", negotiateVersion: 1, useStatefulReconnect: true,
      availableTransports: [{ transport: "WebSockets", transferFormats: ["Text"] }],
    })));
  const sockets = new WebSocket.Server({ server });
  sockets.on("connection", (socket) => socket.on("message", (text) => respond(socket, JSON.parse(text.split("\x1e")[0]))));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    for (const socket of sockets.clients) socket.terminate();
    server.close();
  });
  return `http://127.0.0.1:${server.address().port}`;
}

// together sends messages so that the client gets all of them by one read.
function together(socket, ...messages) {
  socket._socket.cork();
  for (const message of messages) socket.send(message);
  socket._socket.uncork();
}

// hearUntil starts a crowd of one and returns what it hears, last at the end.
async function hearUntil(t, url, last) {
  const program = fileURLToPath(new URL("../crowd.js", import.meta.url));
  const crowd = spawn(process.execPath, [program, url, "1", "--stateful"], { stdio: ["pipe", "pipe", "inherit"] });
  t.after(() => crowd.kill("SIGKILL"));
  const heard = [];
  for await (const line of readline.createInterface({ input: crowd.stdout })) {
    const { event, text } = JSON.parse(line);
    if (event === "heard") heard.push(text);
    if (text === last) break;
  }
  return heard;
}

test("the crowd hears once what comes by one read with the answer to the handshake", async (t) => {
  const url = await hub(t, (socket, { protocol, type }) => {
    if (protocol) {
      together(socket, record({}), word("one"), word("two"));
    } else if (type === sequence) {
      together(socket, record({ type: sequence, sequenceId: 1 }), word("one"), word("two"), word("three"));
    } else {
      socket.terminate(); // a Ping: the client has dealt with the answer
    }
  });
  assert.deepEqual(await within(hearUntil(t, url, "three"), "the last word", 20_000), ["one", "two", "three"]);
});
