import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';

import { lacking, startChat, Windows } from './browser.mjs';
import { startCuttableProxy, startPage, freePort } from './servers.mjs';

const separator = '\u001e';

describe('a connection that fails', { skip: lacking('redis-server') }, () => {
  let chat;
  const windows = new Windows();

  before(async () => (chat = await startChat()));
  after(() => chat?.stop());
  afterEach(() => windows.close());

  async function open(options, address = chat.page.address) {
    const window = await windows.open(chat.browser, address, options);
    return window;
  }

  for (const [how, signal] of [['ends', 'SIGTERM'], ['is killed', 'SIGKILL']]) {
    it(`shows that the server ${how}, keeps the draft and comes back by itself`, async () => {
      const ann = await open({ name: 'ann' });
      const ben = await open({ name: 'ben' });
      await ann.state('Connected', 'Server 1');
      await ben.choose('Server 2');
      await ann.message.fill('a draft');
      await chat.one.stop(signal);
      await ann.state('Reconnecting', 'Server 1');
      await ann.page.getByText('The connection was lost.').or(ann.page.getByText('No answer from')).waitFor();
      assert.equal(await ann.message.isDisabled(), true);
      assert.equal(await ann.send.isDisabled(), true);
      assert.equal(await ann.retry.isVisible(), true);
      await chat.one.start();
      await ann.state('Connected', 'Server 1');
      await ann.page.getByText('Connected to Server 1 again.').waitFor();
      assert.equal(await ann.retry.count(), 0);
      assert.equal(await ann.message.inputValue(), 'a draft');
      assert.equal(await ann.message.evaluate((field) => field === document.activeElement), true);
      await ann.message.press('Enter');
      await ben.sees(`[Server ${chat.one.port}] ann: a draft`);
      await ben.say('welcome back');
      await ann.sees('welcome back');
      assert.equal(await ann.entries.count(), 2);
    });
  }

  it('shows a server that is down as Disconnected, says why, and connects on Retry now', async () => {
    await chat.one.stop();
    const ann = await open({ name: 'ann' });
    await ann.state('Disconnected', 'Server 1');
    await ann.page
      .getByRole('alert')
      .filter({ hasText: `No answer from ${chat.one.address}. Is the server running, and does it allow the origin ${chat.page.address}?` })
      .waitFor();
    assert.equal(await ann.send.isDisabled(), true);
    await ann.page.getByText(/Next attempt in \d+ s/).waitFor();
    await chat.one.start();
    // Its own next attempt may have come first: then there is nothing left to press.
    await ann.retry.click({ timeout: 2_000 }).catch(() => {});
    await ann.state('Connected', 'Server 1');
  });

  it('lets the user leave a dead server for one that lives', async () => {
    await chat.one.stop();
    const ann = await open({ name: 'ann' });
    await ann.state('Disconnected', 'Server 1');
    await ann.choose('Server 2');
    await ann.say('hello');
    await ann.sees(`[Server ${chat.two.port}] ann: hello`);
    await chat.one.start();
  });

  it('goes on after a cut socket without losing a message, and without a word', async () => {
    const proxy = await startCuttableProxy(chat.one.port);
    const port = await freePort();
    const page = await startPage(chat.binary, port, [{ name: 'Server 1', address: proxy.address }]);
    const hub = await chat.startHubFor(page.address);
    proxy.target = hub.port;
    try {
      const states = [];
      const ann = await open({ name: 'ann' }, page.address);
      await ann.state('Connected');
      await ann.say('before');
      await ann.page.exposeFunction('heard', (text) => states.push(text));
      await ann.status.evaluate((status) =>
        new MutationObserver(() => globalThis.heard(status.textContent)).observe(status, { subtree: true, characterData: true, childList: true }),
      );
      const ben = await open({ name: 'ben' });
      await ben.choose('Server 2');
      for (let round = 1; round <= 3; round++) {
        const again = proxy.nextConnection();
        proxy.cut();
        await Promise.all([ben.say(`while cut ${round}`), again]);
        await ann.sees(`while cut ${round}`);
        await ann.say(`after cut ${round}`);
        await ann.sees(`after cut ${round}`); // it may come behind the answer that empties the box
      }
      assert.deepEqual(
        (await ann.lines()).map((text) => text.replace(/^.*?: /, '')),
        ['before', 'while cut 1', 'after cut 1', 'while cut 2', 'after cut 2', 'while cut 3', 'after cut 3'],
      );
      assert.deepEqual(states, []);
      await windows.close(); // the hub server would wait for a page that is open to come back
    } finally {
      await Promise.all([page.stop(), proxy.stop(), hub.stop()]);
    }
  });

  /** Lets the test answer in place of the hub. */
  const intercept = (onSend) => async (page) =>
    page.routeWebSocket(/chatHub/, (socket) => {
      const hub = socket.connectToServer();
      socket.onMessage((text) => {
        const invocation = String(text).includes('"SendMessage"') && JSON.parse(String(text).split(separator)[0]);
        if (invocation) {
          onSend(socket, invocation, hub);
        } else {
          hub.send(text);
        }
      });
    });

  it("keeps a message that the hub refuses, with the hub's reason, until it is accepted", async () => {
    let refusing = true;
    const prepare = intercept((socket, invocation, hub) => {
      if (!refusing) {
        hub.send(JSON.stringify(invocation) + separator);
        return;
      }
      const error = "An unexpected error occurred invoking 'SendMessage' on the server. HubException: Too loud.";
      socket.send(JSON.stringify({ type: 3, invocationId: invocation.invocationId, error }) + separator);
    });
    const ann = await open({ name: 'ann', prepare });
    await ann.state('Connected');
    await ann.message.fill('HELLO');
    await ann.message.press('Enter');
    await ann.page.getByRole('alert').filter({ hasText: 'Not sent: Too loud.' }).waitFor();
    assert.equal(await ann.message.inputValue(), 'HELLO');
    assert.equal(await ann.message.getAttribute('aria-invalid'), 'true');
    assert.equal(await ann.entries.count(), 0);
    refusing = false;
    await ann.message.press('Enter');
    await ann.sees('ann: HELLO');
    assert.equal(await ann.page.getByText('Not sent').count(), 0);
  });

  it('keeps a message whose connection was lost before the answer, and says that nobody knows', async () => {
    const ann = await open({ name: 'ann', prepare: intercept((socket) => socket.close({ code: 1011 })) });
    await ann.state('Connected');
    await ann.page.route('**/chatHub/**', (route) => route.abort());
    await ann.message.fill('hello');
    await ann.message.press('Enter');
    await ann.page.getByRole('alert').filter({ hasText: 'Not confirmed:' }).waitFor({ timeout: 20_000 });
    assert.equal(await ann.message.inputValue(), 'hello');
  });
});
