// A crowd of Microsoft's JavaScript clients in one process, led by another one (hack/e2e) over standard input and output,
// one JSON object a line.
//
//   node crowd.js URL COUNT [--transport WebSockets] [--stateful]
//
// In:  {"client":"js-0","say":TEXT} calls SendMessage.
// Out: {"event":"joined","client":C}, "left" with an error when its connection is lost, "back" when it is there again,
//      "opened" with the headers of the answer when a WebSocket is there,
//      "socket" when a WebSocket has ended, be it that the connection outlives it,
//      {"event":"heard","client":C,"text":T,"server":S,"at":MILLISECONDS},
//      {"event":"answered","text":T,"error":E or none}.
//      {"event":"fault","error":E} for an error in Microsoft's client that nobody caught: a page would go on, too.
// It ends when its standard input does.
import readline from "node:readline";
import { parseArgs } from "node:util";
import signalR from "@microsoft/signalr";
import EventSource from "eventsource";
import WebSocket from "ws";

const { HttpTransportType, HubConnectionBuilder, LogLevel } = signalR;
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { transport: { type: "string", default: "WebSockets" }, stateful: { type: "boolean", default: false } },
});
const [url, count] = positionals;

const tell = (event) => process.stdout.write(`${JSON.stringify(event)}\n`);
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
let ending = false;
process.on("uncaughtException", (error) => tell({ event: "fault", error: error.message }));

// The class of a client's WebSockets, those of Microsoft's client in Node. Each message is an event in a turn of its own, as in a
// browser, and so is the end behind them. ws hands over in one turn what came in one read, and the client does not count messages
// that come in one turn with the answer to its handshake: it hears them again when it resumes.
const socketsOf = (name) =>
  class extends WebSocket {
    constructor(...options) {
      super(...options);
      this.once("upgrade", ({ headers }) => tell({ event: "opened", client: name, headers }));
      this.once("close", () => ending || tell({ event: "socket", client: name }));
    }

    emit(event, ...details) {
      if (event !== "message" && event !== "close") return super.emit(event, ...details);
      setImmediate(() => super.emit(event, ...details));
      return true;
    }
  };

// Microsoft's client leaves a stream behind that it could not open. The stream goes on trying by itself, and when it is there
// and ends, the client takes that for the end of its next connection, which it leaves behind in turn: open, so that it hears
// everything twice. Servers can do nothing about it, so what they do is counted without it.
class Stream extends EventSource {
  set onerror(listener) {
    super.onerror = (event) => {
      this.close();
      listener(event);
    };
  }
}

// A client that always comes back, as a page would that people leave open.
class Client {
  constructor(name) {
    this.name = name;
    const builder = new HubConnectionBuilder()
      .withUrl(url, { transport: HttpTransportType[values.transport], WebSocket: socketsOf(name), EventSource: Stream })
      .withAutomaticReconnect({ nextRetryDelayInMilliseconds: ({ previousRetryCount }) => (previousRetryCount ? 500 : 0) })
      .configureLogging(LogLevel.None);
    if (values.stateful) builder.withStatefulReconnect();
    this.connection = builder.build();
    this.connection.on("ReceiveMessage", (user, text, server) =>
      tell({ event: "heard", client: name, text, server, at: Date.now() }));
    this.connection.onreconnecting((error) => tell({ event: "left", client: name, error: error?.message }));
    this.connection.onreconnected(() => tell({ event: "back", client: name }));
    this.connection.onclose(async (error) => {
      if (ending) return;
      tell({ event: "left", client: name, error: error?.message });
      await this.start();
      if (!ending) tell({ event: "back", client: name });
    });
  }

  async start() {
    while (!ending) {
      try {
        return await this.connection.start();
      } catch {
        await pause(500);
      }
    }
  }

  async say(text) {
    try {
      await this.connection.invoke("SendMessage", this.name, text);
      tell({ event: "answered", text });
    } catch (error) {
      tell({ event: "answered", text, error: error.message });
    }
  }
}

const clients = new Map();
for (let index = 0; index < Number(count); index++) {
  const client = new Client(`js-${index}`);
  clients.set(client.name, client);
}
await Promise.all(
  [...clients.values()].map(async (client) => {
    await client.start();
    tell({ event: "joined", client: client.name });
  }),
);

for await (const line of readline.createInterface({ input: process.stdin })) {
  const { client, say } = JSON.parse(line);
  void clients.get(client).say(say);
}
ending = true;
await Promise.race([Promise.all([...clients.values()].map((client) => client.connection.stop())), pause(5000)]);
process.exit(0);
