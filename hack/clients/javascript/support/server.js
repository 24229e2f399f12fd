import { freePort, Process } from "./process.js";

const command = process.env.SERVER_COMMAND;

// Whether the server under test is ASP.NET Core: it falls short in a few places that a test then names.
export const isReference = process.env.REFERENCE === "1";

// A Server is one hub server on a port of its own, which it keeps over restarts.
export class Server {
  #process;

  constructor(port, env) {
    this.port = port;
    this.env = env;
    this.url = `http://127.0.0.1:${port}`;
  }

  // start returns a server that answers. env: variables of the server under test, such as REDIS_CONNECTION.
  static async start(env = {}) {
    const server = new Server(await freePort(), env);
    await server.start();
    return server;
  }

  async start() {
    if (!command) throw new Error("SERVER_COMMAND is not set: run the suite by npm test, it starts the server under test");
    this.#process = new Process(`server ${this.port}`, "sh", ["-c", command], { ...this.env, PORT: String(this.port) });
    await this.#process.ready(() => this.#healthy());
  }

  async #healthy() {
    try {
      const response = await fetch(`${this.url}/health`);
      return response.ok;
    } catch {
      return false;
    }
  }

  stop(signal) {
    return this.#process.stop(signal);
  }

  async token(user, parameters = "") {
    const response = await fetch(`${this.url}/token?user=${encodeURIComponent(user)}${parameters}`);
    return response.text();
  }
}
