// Opens the page in Chromium and reads it as a user would.
import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';

import { exists, freePort, hubserverBinary, startHub, startPage, startRedis } from './servers.mjs';

const executablePath = process.env.CHROMIUM || '/usr/bin/chromium';
const args = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** One line about what the tests need and this machine lacks, or false: the value of node:test's `skip`. */
export function lacking(...others) {
  const needed = process.env.HUBSERVER ? [executablePath, ...others] : [executablePath, 'go', ...others];
  const absent = needed.filter((program) => !exists(program));
  return absent.length > 0 && `skipped: ${absent.join(', ')} not found on this machine`;
}

export const launch = () => chromium.launch({ executablePath, args });

/** Redis, two hub servers, the page that offers both, and a browser. */
export async function startChat() {
  const ends = [];
  const stop = async () => {
    while (ends.length > 0) {
      await ends.pop()();
    }
  };
  const keep = (started) => (ends.push(() => started.stop()), started);
  try {
    const binary = hubserverBinary();
    ends.push(binary.remove);
    const redis = keep(await startRedis());
    const pagePort = await freePort();
    const startHubFor = async (origin) => startHub(binary.path, { redis: redis.address, origin, port: await freePort() });
    const one = keep(await startHubFor(`http://localhost:${pagePort}`));
    const two = keep(await startHubFor(`http://localhost:${pagePort}`));
    const servers = [
      { name: 'Server 1', address: one.address },
      { name: 'Server 2', address: two.address },
    ];
    const page = keep(await startPage(binary.path, pagePort, servers));
    const browser = await launch();
    ends.push(() => browser.close());
    return { binary: binary.path, one, two, page, browser, startHubFor, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/**
 * One window with a storage of its own. Whatever breaks the content security policy or throws is collected in
 * `faults`, which a test that ends checks to be empty.
 *
 * @param prepare is called with the window before it loads
 */
async function openWindow(browser, address, { name = '', prepare = async () => {}, ...options } = {}) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const faults = [];
  page.on('pageerror', (error) => faults.push(error.message));
  page.on('console', (message) => /Content Security Policy/i.test(message.text()) && faults.push(message.text()));
  await prepare(page);
  await page.goto(address);
  const window = new ChatWindow(page, faults);
  if (name) {
    await window.name.fill(name);
  }
  return window;
}

/** The windows that a test has open. */
export class Windows {
  #open = [];

  async open(browser, address, options) {
    const window = await openWindow(browser, address, options);
    this.#open.push(window);
    return window;
  }

  /** Closes all of them. It fails if anything went wrong in one. */
  async close() {
    const windows = this.#open;
    this.#open = [];
    const faults = windows.flatMap((window) => window.faults);
    await Promise.all(windows.map((window) => window.page.context().close()));
    assert.deepEqual(faults, []);
  }
}

/** The parts of the page by what a screen reader calls them. */
export class ChatWindow {
  constructor(page, faults) {
    this.page = page;
    this.faults = faults;
    this.status = page.getByRole('status');
    this.log = page.getByRole('log', { name: 'Messages' });
    this.name = page.getByRole('textbox', { name: 'Name' });
    this.message = page.getByRole('textbox', { name: 'Message' });
    this.send = page.getByRole('button', { name: /^Send/ });
    this.retry = page.getByRole('button', { name: 'Retry now' });
    this.entries = this.log.locator('li.message');
  }

  server(name) {
    return this.page.getByRole('button', { name, exact: true });
  }

  /** Waits for a state of the connection: Connecting, Connected, Reconnecting or Disconnected. */
  async state(state, server = '') {
    await this.status.filter({ hasText: new RegExp(`^\\s*${state}\\s*${server}`) }).waitFor({ timeout: 20_000 });
  }

  async choose(server) {
    await this.server(server).click();
    await this.state('Connected', server);
  }

  async say(text) {
    await this.message.fill(text);
    await this.message.press('Enter');
    await this.page.waitForFunction(() => document.querySelector('#message').value === '');
  }

  /** Waits until a line such as `[Server 5001] ann: hello` is shown. */
  async sees(line) {
    await this.entries.filter({ hasText: line }).first().waitFor();
  }

  /** All messages as read aloud, without time. */
  lines() {
    return this.entries.evaluateAll((items) =>
      items.map((item) => [...item.querySelectorAll('.meta, .bubble')].map((part) => part.textContent).join('')),
    );
  }
}
