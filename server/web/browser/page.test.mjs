import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';

import { lacking, launch, Windows } from './browser.mjs';
import { freePort, hubserverBinary, startHub } from './servers.mjs';

const phone = { viewport: { width: 320, height: 568 }, hasTouch: true, isMobile: true };
const separator = '\u001e';

describe('the page of one server', { skip: lacking() }, () => {
  let binary;
  let hub;
  let browser;
  const windows = new Windows();

  before(async () => {
    binary = hubserverBinary();
    hub = await startHub(binary.path, { port: await freePort(), more: ['--page', '--path-base', '/apps/chat'] });
    browser = await launch();
  });
  after(async () => {
    await browser?.close();
    await hub?.stop();
    binary?.remove();
  });
  afterEach(() => windows.close());

  async function open(options, path = '/') {
    const window = await windows.open(browser, hub.address + path, options);
    return window;
  }

  const serveConfig = (answer) => (page) => page.route('**/config.json', (route) => route.fulfill(answer));

  /** Shows many messages at once, as if others had sent them. */
  const deliver = (messages) => (page) =>
    page.routeWebSocket(/chatHub/, (socket) => {
      const server = socket.connectToServer();
      server.onMessage((text) => {
        socket.send(text);
        const invocations = messages.splice(0).map((args) => ({ type: 1, target: 'ReceiveMessage', arguments: args }));
        invocations.forEach((invocation) => socket.send(JSON.stringify(invocation) + separator));
      });
    });

  it('has no buttons for servers', async () => {
    const ann = await open({ name: 'ann' });
    await ann.state('Connected');
    assert.equal(await ann.page.getByRole('group', { name: 'Server' }).count(), 0);
    await ann.say('hello');
    await ann.sees(`[Server ${hub.port}] ann: hello`);
  });

  for (const path of ['/apps/chat/', '/apps/chat', '/apps/chat/some/where']) {
    it(`works under a path base, at ${path}`, async () => {
      const sockets = [];
      const ann = await open({ name: 'ann', prepare: async (page) => page.on('websocket', (socket) => sockets.push(socket.url())) }, path);
      await ann.state('Connected');
      assert.equal(ann.page.url(), `${hub.address}/apps/chat/`);
      assert.equal(new URL(sockets[0]).pathname, '/apps/chat/chatHub');
    });
  }

  for (const [what, answer, reason] of [
    ['missing', { status: 404, body: '' }, 'the server answered 404'],
    ['broken', { status: 200, body: '{"servers":' }, 'it is not valid JSON'],
    ['wrong', { status: 200, body: '{"servers":[{"url":"nowhere"}]}' }, 'servers[0].url must be empty or start with http:// or https://'],
  ]) {
    it(`says that config.json is ${what} and uses its own server`, async () => {
      const ann = await open({ name: 'ann', prepare: serveConfig(answer) });
      await ann.page.getByRole('alert').filter({ hasText: `config.json could not be used (${reason}).` }).waitFor();
      await ann.state('Connected');
    });
  }

  it('says what it waits for before anybody has spoken', async () => {
    const ann = await open();
    await ann.state('Connected');
    await ann.page.getByText('No messages yet').waitFor();
  });

  it('keeps 500 messages, the newest', async () => {
    const messages = Array.from({ length: 620 }, (_, index) => ['ben', `message ${index + 1}`, 'Server 5001']);
    const ann = await open({ name: 'ann', prepare: deliver(messages) });
    await ann.sees('message 620');
    assert.equal(await ann.entries.count(), 500);
    assert.match((await ann.lines())[0], /message 121$/);
  });

  it('follows new messages, but not while the user reads older ones', async () => {
    const messages = Array.from({ length: 60 }, (_, index) => ['ben', `message ${index + 1}`, 'Server 5001']);
    const ann = await open({ name: 'ann', prepare: deliver(messages) });
    const ben = await open({ name: 'ben' });
    await ann.sees('message 60');
    const distance = () => ann.log.evaluate((log) => log.scrollHeight - log.clientHeight - log.scrollTop);
    await ann.page.waitForFunction(() => document.querySelector('.log').scrollTop > 0);
    assert.ok((await distance()) < 2, 'starts at the end');

    await ann.log.focus();
    await ann.page.keyboard.press('Home');
    await ann.page.getByRole('button', { name: /Latest/ }).waitFor();
    await ann.page.waitForFunction(() => document.querySelector('.log').scrollTop === 0);
    await ben.say('news');
    await ann.page.getByRole('button', { name: /1 new/ }).waitFor();
    assert.equal(await ann.log.evaluate((log) => log.scrollTop), 0);

    await ann.page.getByRole('button', { name: /1 new/ }).click();
    await ann.page.getByRole('button', { name: /new/ }).waitFor({ state: 'detached' });
    assert.ok((await distance()) < 2, 'is at the end again');

    await ann.log.evaluate((log) => (log.scrollTop = 0));
    await ann.page.getByRole('button', { name: /Latest/ }).waitFor();
    await ann.say('my own');
    await ann.sees('my own');
    await ann.page.getByRole('button', { name: /Latest/ }).waitFor({ state: 'detached' });
    assert.ok((await distance()) < 2, 'own messages come into view');
  });

  for (const colorScheme of ['light', 'dark']) {
    it(`fits a phone and can be read there, ${colorScheme}`, async () => {
      const long = 'Donaudampfschifffahrtsgesellschaftskapitaen'.repeat(3);
      const messages = [
        [long, long, long],
        ['ben', 'hello', 'Server 5001'],
      ];
      const servers = JSON.stringify({ servers: [{ name: 'Server 1' }, { name: long, url: 'http://localhost:1' }, { name: 'Server 3', url: 'http://localhost:2' }] });
      const prepare = async (page) => {
        await serveConfig({ status: 200, body: servers })(page);
        await deliver(messages)(page);
      };
      const ann = await open({ ...phone, colorScheme, name: 'ann', prepare });
      await ann.sees('hello');
      await ann.say('mine');
      await ann.sees('mine');
      assert.deepEqual(await overflowing(ann.page), []);
      assert.deepEqual(await pale(ann.page), []);
      for (const control of [ann.name, ann.message, ann.send]) {
        const box = await control.boundingBox();
        assert.ok(box.x >= 0 && box.x + box.width <= 320 && box.y + box.height <= 568, JSON.stringify(box));
      }
    });

    it(`can be read when something is wrong, ${colorScheme}`, async () => {
      const prepare = async (page) => {
        await serveConfig({ status: 500, body: '' })(page);
        await page.route('**/chatHub/**', (route) => route.abort());
      };
      const ann = await open({ colorScheme, prepare });
      await ann.state('Disconnected');
      assert.deepEqual(await pale(ann.page), []);
    });
  }

  it('has a name for every control, one heading, and no id twice', async () => {
    const ann = await open({ name: 'ann' });
    await ann.state('Connected');
    await ann.say('hello');
    await ann.sees('hello');
    assert.equal(await ann.page.locator('html').getAttribute('lang'), 'en');
    assert.equal(await ann.page.getByRole('heading', { level: 1 }).count(), 1);
    assert.equal(await ann.page.getByRole('main').count(), 1);
    assert.deepEqual(await ann.page.evaluate(() => {
      const ids = [...document.querySelectorAll('[id]')].map((element) => element.id);
      return ids.filter((id, index) => ids.indexOf(id) !== index);
    }), []);
    assert.deepEqual(await ann.page.evaluate(() => {
      const named = (control) => control.labels?.length || control.getAttribute('aria-label') || control.textContent.trim();
      return [...document.querySelectorAll('button, input, textarea')].filter((control) => !named(control)).map((control) => control.outerHTML);
    }), []);
    assert.equal(await ann.log.getAttribute('role'), 'log');
  });

  it('can be used by keyboard alone, with the focus in view', async () => {
    const ann = await open({ name: 'ann' });
    await ann.state('Connected');
    await ann.message.fill('hello');
    await ann.page.locator('.send:enabled').waitFor();
    const stops = [];
    // From the message onwards: Send, out of the page, around to the log, the name and the message.
    for (let stop = 0; stop < 5; stop++) {
      await ann.page.keyboard.press('Tab');
      stops.push(
        await ann.page.evaluate(() => {
          const { activeElement } = document;
          const { outlineStyle, outlineWidth } = getComputedStyle(activeElement);
          return { at: activeElement.id || activeElement.className, outlined: outlineStyle !== 'none' && parseFloat(outlineWidth) >= 1 };
        }),
      );
    }
    const controls = stops.filter(({ at }) => at !== '');
    assert.deepEqual(controls.map(({ at }) => at), ['send', 'log', 'name', 'message']);
    assert.deepEqual(controls.filter(({ outlined }) => !outlined), []);
  });

  it('moves nothing for those who asked for it', async () => {
    const ann = await open({ name: 'ann', reducedMotion: 'reduce' });
    await ann.say('hello');
    await ann.sees('hello');
    assert.equal(await ann.page.evaluate(() => document.getAnimations().length), 0);
  });
});

/** Visible elements that reach out of the window's width. */
function overflowing(page) {
  return page.evaluate(() => {
    const visible = [...document.querySelectorAll('body *')].filter((element) => !element.closest('.visually-hidden, .servers'));
    const outside = visible.filter((element) => element.getBoundingClientRect().right > innerWidth + 0.5);
    const scrolls = document.documentElement.scrollWidth > innerWidth ? ['the document scrolls sideways'] : [];
    return [...scrolls, ...outside.map((element) => element.outerHTML.slice(0, 120))];
  });
}

/** Texts whose contrast to what is behind them is below WCAG's 4.5 to 1; disabled controls are exempt there. */
function pale(page) {
  return page.evaluate(() => {
    const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
    const over = (color, [r, g, b]) => {
      canvas.fillStyle = `rgb(${r} ${g} ${b})`;
      canvas.fillRect(0, 0, 1, 1);
      canvas.fillStyle = color;
      canvas.fillRect(0, 0, 1, 1);
      return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
    };
    const behind = (element) => {
      const under = element.parentElement ? behind(element.parentElement) : [255, 255, 255];
      return over(getComputedStyle(element).backgroundColor, under);
    };
    const luminance = (color) =>
      color
        .map((part) => (part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4))
        .reduce((sum, part, index) => sum + part * [0.2126, 0.7152, 0.0722][index], 0);
    const contrast = (element) => {
      const back = behind(element);
      const [dark, light] = [luminance(back), luminance(over(getComputedStyle(element).color, back))].sort((a, b) => a - b);
      return (light + 0.05) / (dark + 0.05);
    };
    const hasText = (element) => [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
    return [...document.querySelectorAll('body *')]
      .filter((element) => hasText(element) && element.checkVisibility() && !element.closest('noscript, :disabled'))
      .map((element) => ({ text: element.textContent.trim().slice(0, 40), contrast: contrast(element) }))
      .filter(({ contrast }) => contrast < 4.5);
  });
}
