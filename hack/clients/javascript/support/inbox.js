import { within } from "./wait.js";

// An Inbox keeps what arrived, in order, for a test that reads it later.
export class Inbox {
  #name;
  #items = [];
  #wake = () => {};

  constructor(name) {
    this.#name = name;
  }

  // of records the arguments of each call of a client method: one argument as itself, more as an array.
  static of(connection, method) {
    const inbox = new Inbox(method);
    connection.on(method, (...args) => inbox.push(args.length === 1 ? args[0] : args));
    return inbox;
  }

  push(item) {
    this.#items.push(item);
    this.#wake();
  }

  get size() {
    return this.#items.length;
  }

  async next(ms) {
    return (await this.take(1, ms))[0];
  }

  // take removes and returns the first `count` items; it waits for those that are still to come.
  async take(count, ms) {
    const arrived = new Promise((resolve) => {
      this.#wake = () => this.#items.length >= count && resolve();
      this.#wake();
    });
    await within(arrived, `${count} x ${this.#name}, ${this.#items.length} there at first`, ms).catch((error) => {
      throw new Error(`${error.message}, ${this.#items.length} there now`);
    });
    return this.#items.splice(0, count);
  }

  // before removes all items up to the mark and returns those ahead of it: nothing else came in between.
  async before(mark, ms) {
    const items = [];
    for (;;) {
      const item = await this.next(ms);
      if (item === mark) return items;
      items.push(item);
    }
  }
}
