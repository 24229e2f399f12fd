import signalR from "@microsoft/signalr";
import signalRMessagePack from "@microsoft/signalr-protocol-msgpack";
import { lastly } from "./ending.js";

const { HttpTransportType, HubConnectionBuilder, LogLevel } = signalR;

// The ways to speak to a hub. Server-sent events carry text only.
export const ways = [
  { transport: "WebSockets", protocol: "json" },
  { transport: "WebSockets", protocol: "messagepack" },
  { transport: "ServerSentEvents", protocol: "json" },
  { transport: "LongPolling", protocol: "json" },
  { transport: "LongPolling", protocol: "messagepack" },
].map((way) => ({ ...way, name: `${way.transport}, ${way.protocol}` }));

export const webSocketWays = ways.filter((way) => way.transport === "WebSockets");

// build returns a connection that is not started, stopped when the test ends.
// configure may change the builder. Other options are those of withUrl (headers, accessTokenFactory, ...).
export function build(test, url, way = ways[0], { configure, ...options } = {}) {
  const builder = new HubConnectionBuilder()
    .withUrl(url, { transport: HttpTransportType[way.transport], ...options })
    .configureLogging(LogLevel.None);
  if (way.protocol === "messagepack") builder.withHubProtocol(new signalRMessagePack.MessagePackHubProtocol());
  configure?.(builder);
  const connection = builder.build();
  lastly(test, () => connection.stop());
  return connection;
}

// open starts the connection and waits until the server has run OnConnected: start() alone resolves on the handshake,
// when the connection may not be registered yet.
export async function open(connection) {
  await connection.start();
  await connection.invoke("ConnectionId");
  return connection;
}

export function connect(test, url, way, options) {
  return open(build(test, url, way, options));
}
