import { spawnSync } from "node:child_process";
import { connect } from "node:net";
import { once } from "node:events";
import { freePort, Process } from "./process.js";

// The reason to skip what needs Redis, or false.
export const redisAbsent = spawnSync("redis-server", ["--version"]).error ? "redis-server is absent" : false;

// A Redis is a redis-server of the test's own, in memory only.
export class Redis {
  #process;

  static async start() {
    const redis = new Redis();
    redis.port = await freePort();
    redis.connection = `127.0.0.1:${redis.port},abortConnect=false`;
    redis.#process = new Process("redis-server", "redis-server", [
      "--port", String(redis.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
    ]);
    await redis.#process.ready(() => answers(redis.port));
    return redis;
  }

  stop() {
    return this.#process.stop("SIGKILL");
  }
}

async function answers(port) {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
