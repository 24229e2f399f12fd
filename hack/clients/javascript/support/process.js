import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { once } from "node:events";
import { until, within } from "./wait.js";

// freePort returns a loopback port that nothing listens on. The system hands out others before it repeats one.
export async function freePort() {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

// A Process is a child process with a readiness probe; its output is shown when it fails to start.
export class Process {
  #child;
  #output = "";

  constructor(name, command, args, env = {}) {
    this.name = name;
    this.#child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
    this.#child.stdout.on("data", (text) => this.#keep(text));
    this.#child.stderr.on("data", (text) => this.#keep(text));
    this.exited = new Promise((resolve) => {
      this.#child.once("exit", (code, signal) => resolve(signal ?? code));
      this.#child.once("error", (error) => resolve(error.message));
    });
    // A test file that fails early must neither wait for its servers nor leave them behind.
    for (const part of [this.#child, this.#child.stdout, this.#child.stderr]) part.unref();
    const kill = () => this.#child.kill("SIGKILL");
    process.once("exit", kill);
    this.exited.then(() => process.off("exit", kill));
  }

  #keep(text) {
    this.#output = (this.#output + text).slice(-8192);
  }

  // ready returns once the probe says so. A process that does not get there is ended.
  async ready(probe) {
    let end;
    this.exited.then((how) => (end = how));
    try {
      await until(() => {
        if (end !== undefined) throw new Error(`it ended (${end}) before it was ready`);
        return probe();
      }, "readiness", 30_000);
    } catch (error) {
      this.#child.kill("SIGKILL");
      throw new Error(`${this.name}: ${error.message}\n${this.#output}`);
    }
  }

  // stop sends the signal and returns once the process is gone. One that ignores it for 40 s is killed, and that is an error.
  async stop(signal = "SIGTERM") {
    this.#child.kill(signal);
    try {
      return await within(this.exited, `end of ${this.name} after ${signal}`, 40_000);
    } catch (error) {
      this.#child.kill("SIGKILL");
      throw new Error(`${error.message}:\n${this.#output}`);
    }
  }
}
