import { createServer, request } from "node:http";
import { connect } from "node:net";
import { once } from "node:events";
import { lastly } from "./ending.js";

// A Balancer sends every single request to another server than the request before: no client could be less sticky.
export class Balancer {
  #server;
  #sockets = new Set();
  #next = 0;

  // servers are those that get requests; they may be replaced.
  servers;

  // What each server got so far, by its position: requests and upgrades together.
  counts;

  // start returns a balancer of the servers, closed when the test ends.
  static async start(test, servers) {
    const balancer = new Balancer();
    balancer.servers = servers;
    balancer.counts = servers.map(() => 0);
    balancer.#server = createServer((incoming, outgoing) => balancer.#pass(incoming, outgoing));
    balancer.#server.on("upgrade", (incoming, socket, head) => balancer.#upgrade(incoming, socket, head));
    balancer.#server.listen(0, "127.0.0.1");
    await once(balancer.#server, "listening");
    balancer.url = `http://127.0.0.1:${balancer.#server.address().port}`;
    lastly(test, () => balancer.#close());
    return balancer;
  }

  #choose() {
    const at = this.#next++ % this.servers.length;
    this.counts[at] = (this.counts[at] ?? 0) + 1;
    return this.servers[at];
  }

  #pass(incoming, outgoing) {
    const { port } = this.#choose();
    const passed = request({ host: "127.0.0.1", port, method: incoming.method, path: incoming.url, headers: incoming.headers });
    incoming.pipe(passed);
    passed.on("response", (response) => {
      outgoing.writeHead(response.statusCode, response.headers);
      outgoing.flushHeaders();
      response.pipe(outgoing);
      response.on("error", () => outgoing.destroy());
    });
    passed.on("error", () => outgoing.destroy());
    outgoing.on("close", () => passed.destroy());
  }

  #upgrade(incoming, socket, head) {
    const upstream = connect({ port: this.#choose().port, host: "127.0.0.1", noDelay: true });
    const headers = incoming.rawHeaders.reduce((text, value, at) => text + value + (at % 2 === 0 ? ": " : "\r\n"), "");
    upstream.write(`${incoming.method} ${incoming.url} HTTP/1.1\r\n${headers}\r\n`);
    upstream.write(head);
    for (const [one, other] of [[socket, upstream], [upstream, socket]]) {
      one.pipe(other);
      one.on("error", () => {});
      one.on("close", () => other.destroy());
    }
    this.#sockets.add(socket);
    socket.on("close", () => this.#sockets.delete(socket));
  }

  // cut ends all WebSockets without a close frame.
  cut() {
    for (const socket of this.#sockets) socket.end();
  }

  async #close() {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }
}
