import { Redis } from "./redis.js";
import { Server } from "./server.js";

// A Cluster is some servers on one Redis.
export class Cluster {
  #redis;

  // start returns a cluster whose servers are ready. env goes to each server.
  static async start(count = 2, env = {}) {
    const cluster = new Cluster();
    cluster.#redis = await Redis.start();
    const all = { ...env, REDIS_CONNECTION: cluster.#redis.connection };
    cluster.servers = await Promise.all(Array.from({ length: count }, () => Server.start(all)));
    return cluster;
  }

  async stop() {
    await Promise.all(this.servers.map((server) => server.stop("SIGKILL")));
    await this.#redis.stop();
  }
}
