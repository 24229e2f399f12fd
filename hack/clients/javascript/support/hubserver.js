import { freePort, Process } from "./process.js";

const command = process.env.HUBSERVER_COMMAND;

export const hubServerAbsent = !command && "the hub server is absent: run the suite by npm test, it builds it";

// A HubServer is one chat server as users run it: unlike the server of the other tests it drains when it is told to end.
export class HubServer {
  #process;

  // start returns a server that is ready. env: its configuration.
  static async start(env) {
    const server = new HubServer();
    server.port = await freePort();
    server.url = `http://127.0.0.1:${server.port}`;
    server.#process = new Process(`hub server ${server.port}`, "sh", ["-c", command], { ...env, CHATCLUSTER_URLS: server.url });
    await server.#process.ready(() => server.isReady());
    return server;
  }

  // isReady tells whether the server wants clients.
  async isReady() {
    try {
      return (await fetch(`${this.url}/readyz`)).ok;
    } catch {
      return false;
    }
  }

  // stop sends the signal and returns how the process ended.
  stop(signal) {
    return this.#process.stop(signal);
  }
}
