import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';

import { lacking, startChat, Windows } from './browser.mjs';

describe('the chat on two servers', { skip: lacking('redis-server') }, () => {
  let chat;
  const windows = new Windows();

  before(async () => (chat = await startChat()));
  after(() => chat?.stop());
  afterEach(() => windows.close());

  async function open(options) {
    const window = await windows.open(chat.browser, chat.page.address, options);
    await window.state('Connected', 'Server 1');
    return window;
  }

  const line = (hub, user, text) => `[Server ${hub.port}] ${user}: ${text}`;

  it('carries messages both ways', async () => {
    const ann = await open({ name: 'ann' });
    const ben = await open({ name: 'ben' });
    await ben.choose('Server 2');
    await ann.say('hello');
    await ben.sees(line(chat.one, 'ann', 'hello'));
    await ben.say('hello yourself');
    await ann.sees(line(chat.two, 'ben', 'hello yourself'));
    const both = [line(chat.one, 'ann', 'hello'), line(chat.two, 'ben', 'hello yourself')];
    assert.deepEqual(await ann.lines(), both);
    assert.deepEqual(await ben.lines(), both);
  });

  it('tells own messages from those of a namesake', async () => {
    const mine = await open({ name: 'ann' });
    const namesake = await open({ name: 'ann' });
    await mine.say('from here');
    await namesake.say('from there');
    await mine.sees('from there');
    const own = await mine.entries.evaluateAll((items) => items.map((item) => item.classList.contains('own')));
    assert.deepEqual(own, [true, false]);
    assert.match(await mine.entries.first().textContent(), /\(you\)/);
  });

  it('sends by Enter and by the button, and starts a line by Shift+Enter', async () => {
    const ann = await open({ name: 'ann' });
    await ann.message.pressSequentially('one');
    await ann.message.press('Shift+Enter');
    await ann.message.pressSequentially('two');
    assert.equal(await ann.entries.count(), 0);
    await ann.message.press('Enter');
    await ann.sees('one\ntwo');
    await ann.message.fill('three');
    await ann.send.click();
    await ann.sees('three');
    assert.equal(await ann.message.inputValue(), '');
    assert.equal(await ann.message.evaluate((field) => field === document.activeElement), true);
  });

  it('shows markup as the text that it is', async () => {
    const ann = await open({ name: '<b>ann</b>' });
    const text = '<img src=x onerror="document.title=\'broken\'"><script>document.title="broken"</script>';
    await ann.say(text);
    await ann.sees(line(chat.one, '<b>ann</b>', text));
    assert.equal(await ann.page.title(), 'ChatCluster');
    assert.equal(await ann.log.locator('img, script, b').count(), 0);
  });

  it('asks for a name before it sends, and remembers it', async () => {
    const ann = await open();
    await ann.message.fill('hello');
    await ann.message.press('Enter');
    await ann.page.getByText('Enter your name first.').waitFor();
    assert.equal(await ann.name.evaluate((field) => field === document.activeElement), true);
    assert.equal(await ann.message.inputValue(), 'hello');
    await ann.name.fill('ann');
    await ann.page.reload();
    await ann.state('Connected');
    assert.equal(await ann.name.inputValue(), 'ann');
  });

  it('sends nothing that is empty or too long', async () => {
    const ann = await open({ name: 'ann' });
    for (const text of ['', '  \n ', 'x'.repeat(4_001)]) {
      await ann.message.fill(text);
      await ann.message.press('Enter');
      assert.equal(await ann.send.isDisabled(), true, `${text.length} characters`);
    }
    await ann.page.getByText('1 characters too many.').waitFor();
    await ann.message.fill('\u{1F600}'.repeat(2_000));
    await ann.message.press('Enter');
    await ann.sees('\u{1F600}');
    assert.equal(await ann.entries.count(), 1);
  });

  it('never shows a message twice, out of order or from a closed connection while servers are switched', async () => {
    const ann = await open({ name: 'ann' });
    const ben = await open({ name: 'ben' });
    await ben.choose('Server 2');
    let speaking = true;
    let said = 0;
    const speech = (async () => {
      while (speaking) {
        await ben.say(`number ${++said}`);
      }
    })();
    for (const server of ['Server 2', 'Server 1', 'Server 2', 'Server 1', 'Server 2', 'Server 1']) {
      await ann.choose(server);
      const seen = await ann.entries.count();
      await ann.page.waitForFunction((count) => document.querySelectorAll('li.message').length >= count, seen + 2);
    }
    speaking = false;
    await speech;
    await ann.sees(`number ${said}`);
    const numbers = (await ann.lines()).map((text) => Number(/number (\d+)$/.exec(text)[1]));
    assert.deepEqual(numbers, [...new Set(numbers)].sort((a, b) => a - b));
    assert.ok(numbers.length >= 12, `${numbers.length} messages were seen`);
  });

  it('ends the connection that it leaves', async () => {
    const sockets = [];
    const ann = await open({ name: 'ann', prepare: async (page) => page.on('websocket', (socket) => sockets.push(socket)) });
    const closed = new Promise((resolve) => sockets[0].on('close', resolve));
    await ann.choose('Server 2');
    await closed;
    assert.equal(new URL(sockets[0].url()).port, String(chat.one.port));
    assert.deepEqual(sockets.map((socket) => socket.isClosed()), [true, false]);
  });

  it('settles on the last of many hasty choices', async () => {
    const ann = await open({ name: 'ann' });
    for (let turn = 0; turn < 5; turn++) {
      await ann.server('Server 2').click();
      await ann.server('Server 1').click();
    }
    await ann.server('Server 2').click();
    await ann.state('Connected', 'Server 2');
    await ann.say('here');
    await ann.sees(line(chat.two, 'ann', 'here'));
    assert.equal(await ann.entries.count(), 1);
    assert.equal(await ann.server('Server 2').getAttribute('aria-pressed'), 'true');
    assert.equal(await ann.server('Server 1').getAttribute('aria-pressed'), 'false');
  });
});
