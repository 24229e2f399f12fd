import { connect, createServer } from "node:net";
import { once } from "node:events";
import { lastly } from "./ending.js";
import { until } from "./wait.js";

// A Proxy is a TCP proxy in front of one server, whose network the test breaks and mends.
export class Proxy {
  #server;
  #links = new Set();
  #waiting = [];
  #held = false;
  #delay = 0;
  #piece = Infinity;

  // Connections accepted so far, also those that wait while it holds.
  accepted = 0;

  // start returns a proxy of the server, closed when the test ends.
  static async start(test, server) {
    const proxy = new Proxy();
    proxy.#server = createServer((client) => proxy.#accept(client, server.port));
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    proxy.url = `http://127.0.0.1:${proxy.#server.address().port}`;
    lastly(test, () => proxy.#close());
    return proxy;
  }

  #accept(client, port) {
    this.accepted++;
    client.on("error", () => {});
    if (this.#held) this.#waiting.push({ client, port });
    else this.#join(client, port);
  }

  #join(client, port) {
    if (client.destroyed) return;
    const link = new Link(client, connect({ port, host: "127.0.0.1", noDelay: true }), this.#delay, this.#piece);
    this.#links.add(link);
    link.ended.then(() => this.#links.delete(link));
  }

  // fin ends all connections in an orderly way, without a WebSocket close frame. What is under way still arrives.
  fin() {
    for (const link of this.#links) link.fin();
  }

  // reset ends all connections abruptly: what is under way is lost.
  reset() {
    for (const link of this.#links) link.reset();
  }

  // resetClients resets the clients' sides only. The server sees sockets that are open and silent.
  resetClients() {
    for (const link of this.#links) link.resetClient();
  }

  // freeze stops all connections without ending them; thaw lets them go on. Nothing is lost in between.
  freeze() {
    for (const link of this.#links) link.pause();
  }

  thaw() {
    for (const link of this.#links) link.resume();
  }

  // hold accepts new connections but connects them to the server only after release.
  hold() {
    this.#held = true;
  }

  release() {
    this.#held = false;
    for (const { client, port } of this.#waiting.splice(0)) this.#join(client, port);
  }

  // slow delays each direction of connections to come and cuts what they carry into pieces of a few bytes.
  slow({ delay = 0, piece = Infinity }) {
    this.#delay = delay;
    this.#piece = piece;
  }

  // waiting settles when a connection waits for release.
  waiting() {
    return until(() => this.#waiting.some(({ client }) => !client.destroyed), "a connection that waits at the proxy");
  }

  async #close() {
    for (const link of this.#links) link.reset();
    for (const { client } of this.#waiting) client.destroy();
    this.#server.close();
    await once(this.#server, "close");
  }
}

// A Link is one client's connection and the one to the server behind it.
class Link {
  #client;
  #upstream;
  #severed = false;

  constructor(client, upstream, delay, piece) {
    this.#client = client;
    this.#upstream = upstream;
    client.setNoDelay(true);
    this.ended = Promise.all([client, upstream].map((socket) => new Promise((resolve) => socket.once("close", resolve))));
    this.#carry(client, upstream, delay, piece);
    this.#carry(upstream, client, delay, piece);
  }

  fin() {
    this.#client.end();
    this.#upstream.end();
  }

  reset() {
    this.#client.resetAndDestroy();
    // A socket that is still connecting cannot be reset.
    if (this.#upstream.connecting) this.#upstream.destroy();
    else this.#upstream.resetAndDestroy();
  }

  resetClient() {
    this.#severed = true;
    this.#upstream.pause();
    this.#client.resetAndDestroy();
  }

  pause() {
    this.#client.pause();
    this.#upstream.pause();
  }

  resume() {
    this.#client.resume();
    this.#upstream.resume();
  }

  // carry moves bytes one way, in order, and passes on how the source ended.
  #carry(source, target, delay, piece) {
    const later = (action) => (delay > 0 ? setTimeout(action, delay) : action());
    source.on("data", (bytes) => {
      for (let at = 0; at < bytes.length; at += piece) {
        const part = bytes.subarray(at, at + piece);
        later(() => target.writable && target.write(part));
      }
    });
    const end = (how) => later(() => this.#severed || how());
    source.on("error", () => {}); // "close" follows and says so
    source.on("end", () => end(() => target.end()));
    source.on("close", (failed) => end(() => (failed ? target.destroy() : target.end())));
  }
}
