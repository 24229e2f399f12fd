import { HubServer } from '../config/page-config';
import { ChatSession } from './chat-session';
import { HubLink, HubLinkEvents } from './hub-link';

const one: HubServer = { name: 'Server 1', hubUrl: 'http://localhost:5001/chatHub' };
const two: HubServer = { name: 'Server 2', hubUrl: 'http://localhost:5002/chatHub' };

/** A promise that the test settles. */
class Deferred {
  resolve!: () => void;
  reject!: (reason: Error) => void;
  readonly promise = new Promise<void>((resolve, reject) => {
    this.resolve = resolve;
    this.reject = reject;
  });
}

/** A link whose every step the test decides. */
class FakeLink implements HubLink {
  readonly starting = new Deferred();
  readonly sent: { user: string; text: string; answer: Deferred }[] = [];
  stopped = false;

  constructor(
    readonly hubUrl: string,
    readonly events: HubLinkEvents,
  ) {}

  start(): Promise<void> {
    return this.starting.promise;
  }

  async stop(): Promise<void> {
    this.stopped = true;
  }

  send(user: string, text: string): Promise<void> {
    const answer = new Deferred();
    this.sent.push({ user, text, answer });
    return answer.promise;
  }
}

describe('ChatSession', () => {
  let links: FakeLink[];
  let session: ChatSession;

  beforeEach(() => {
    vi.useFakeTimers();
    links = [];
    session = new ChatSession((hubUrl, events) => {
      const link = new FakeLink(hubUrl, events);
      links.push(link);
      return link;
    }, 'http://localhost:4200');
  });

  afterEach(() => vi.useRealTimers());

  const settle = () => vi.advanceTimersByTimeAsync(0);
  const texts = () => session.entries().map((entry) => entry.text);

  function link(index: number): FakeLink {
    const found = links[index];
    if (!found) {
      throw new Error(`only ${links.length} links were opened`);
    }
    return found;
  }

  /** Of each message with this text: is it the page's own? */
  const owners = (text: string) => session.entries().flatMap((entry) => (entry.kind === 'message' && entry.text === text ? [entry.own] : []));

  function reconnect(events: HubLinkEvents): void {
    events.reconnecting();
    events.reconnected();
  }

  async function connected(server = one): Promise<FakeLink> {
    session.connect(server);
    const opened = link(links.length - 1);
    opened.starting.resolve();
    await settle();
    return opened;
  }

  it('goes from connecting to connected', async () => {
    session.connect(one);
    expect([session.state(), session.server(), link(0).hubUrl]).toEqual(['connecting', one, one.hubUrl]);
    link(0).starting.resolve();
    await settle();
    expect([session.state(), session.problem(), session.retryAt()]).toEqual(['connected', null, null]);
    expect(texts()).toEqual([]);
  });

  it('shows what it receives', async () => {
    const { events } = await connected();
    events.message('ann', 'hello', 'Server 5001');
    expect(session.entries()).toMatchObject([{ kind: 'message', user: 'ann', text: 'hello', server: 'Server 5001', own: false }]);
  });

  describe('switching the server', () => {
    it('stops the old connection and tells of the new one', async () => {
      const old = await connected(one);
      await connected(two);
      expect(old.stopped).toBe(true);
      expect([session.state(), session.server()]).toEqual(['connected', two]);
      expect(texts()).toEqual(['Connected to Server 2']);
    });

    it('ignores every late event of the old connection', async () => {
      const old = await connected(one);
      await connected(two);
      old.events.message('ann', 'from a closed connection', 'Server 5001');
      old.events.retryScheduled(1_000);
      old.events.reconnecting();
      old.events.reconnected();
      old.events.closed(new Error('late'));
      expect(texts()).toEqual(['Connected to Server 2']);
      expect([session.state(), session.problem(), session.retryAt()]).toEqual(['connected', null, null]);
    });

    it('ignores an attempt that succeeds or fails after it was given up', async () => {
      session.connect(one);
      session.connect(two);
      session.connect(one);
      link(0).starting.resolve();
      link(1).starting.reject(new Error('late'));
      await settle();
      expect([session.state(), session.server(), session.problem()]).toEqual(['connecting', one, null]);
      expect(links.map(({ stopped }) => stopped)).toEqual([true, true, false]);
    });

    it('shows a message once that both connections deliver', async () => {
      const old = await connected(one);
      old.events.message('ann', 'hello', 'Server 5001');
      const { events } = await connected(two);
      events.message('ann', 'hello', 'Server 5001');
      expect(texts()).toEqual(['hello', 'Connected to Server 2']);
      events.message('ann', 'hello', 'Server 5001');
      expect(texts()).toEqual(['hello', 'Connected to Server 2', 'hello']);
    });

    it('leaves a send without an answer, and says that nobody knows', async () => {
      await connected(one);
      const sending = session.send('ann', 'hello');
      session.connect(two);
      await expect(sending).rejects.toThrow('Not confirmed: the connection was changed');
    });

    it('does not go on retrying the old server', async () => {
      session.connect(one);
      link(0).starting.reject(new Error('Failed to fetch'));
      await settle();
      await connected(two);
      await vi.advanceTimersByTimeAsync(120_000);
      expect(links).toHaveLength(2);
    });
  });

  describe('a connection that is lost', () => {
    it('reconnects in view and says what may be missing', async () => {
      const { events } = await connected();
      events.retryScheduled(700);
      events.reconnecting();
      expect([session.state(), session.problem()]).toEqual(['reconnecting', 'The connection was lost.']);
      expect(session.retryAt()).toBe(Date.now() + 700);
      events.reconnected();
      expect([session.state(), session.problem(), session.retryAt()]).toEqual(['connected', null, null]);
      expect(texts()).toEqual(['Connected to Server 1 again. Messages sent in the meantime are not shown.']);
    });

    it('ends the sends under way, and not those after the reconnect', async () => {
      const { events, sent } = await connected();
      const before = session.send('ann', 'before');
      events.reconnecting();
      await expect(before).rejects.toThrow('Not confirmed: the connection was lost');
      await expect(session.send('ann', 'during')).rejects.toThrow('Not sent: there is no connection.');
      events.reconnected();
      const after = session.send('ann', 'after');
      sent[1]?.answer.resolve();
      await expect(after).resolves.toBeUndefined();
    });

    it('is replaced by a fresh one when the user does not want to wait', async () => {
      const old = await connected();
      old.events.reconnecting();
      session.retry();
      expect([links.length, old.stopped, session.state()]).toEqual([2, true, 'reconnecting']);
      old.events.reconnected();
      expect(session.state()).toBe('reconnecting');
      link(1).starting.resolve();
      await settle();
      expect(session.state()).toBe('connected');
    });

    it('stays closed when the server closed it, until the user retries', async () => {
      const { events } = await connected();
      events.closed(new Error('Not welcome.'));
      await vi.advanceTimersByTimeAsync(120_000);
      expect([session.state(), session.problem(), session.retryAt(), links.length]).toEqual([
        'disconnected',
        'The server closed the connection: Not welcome.',
        null,
        1,
      ]);
      session.retry();
      expect(links).toHaveLength(2);
    });
  });

  describe('a server that cannot be reached', () => {
    it('is tried again for ever, less and less often, and says why', async () => {
      session.connect(one);
      const waits: number[] = [];
      for (let attempt = 0; attempt < 12; attempt++) {
        link(attempt).starting.reject(new Error('Failed to fetch'));
        await settle();
        expect(session.state()).toBe('disconnected');
        expect(session.problem()).toContain('No answer from http://localhost:5001');
        const wait = (session.retryAt() ?? 0) - Date.now();
        waits.push(wait);
        await vi.advanceTimersByTimeAsync(wait);
      }
      expect(links).toHaveLength(13);
      expect(Math.max(...waits)).toBeLessThanOrEqual(30_000);
      expect(waits[11]).toBeGreaterThanOrEqual(15_000);
      link(12).starting.resolve();
      await settle();
      expect([session.state(), session.problem()]).toEqual(['connected', null]);
      expect(texts()).toEqual([]);
    });

    it('is given up when it accepts and then stays silent', async () => {
      session.connect(one);
      await vi.advanceTimersByTimeAsync(20_000);
      expect([session.state(), link(0).stopped]).toEqual(['disconnected', true]);
      expect(session.problem()).toContain('does not answer');
      link(0).starting.resolve();
      await settle();
      expect(session.state()).toBe('disconnected');
    });

    it('is tried at once on demand, in place of the planned attempt', async () => {
      session.connect(one);
      link(0).starting.reject(new Error('Failed to fetch'));
      await settle();
      session.retry();
      link(1).starting.resolve();
      await vi.advanceTimersByTimeAsync(120_000);
      expect([session.state(), links.length]).toEqual(['connected', 2]);
    });
  });

  describe('sending', () => {
    it('waits for the server, and knows its own message when it comes back', async () => {
      const { events, sent } = await connected();
      const sending = session.send('ann', 'hello');
      events.message('ben', 'hello', 'Server 5002');
      events.message('ann', 'hello', 'Server 5001');
      sent[0]?.answer.resolve();
      await sending;
      expect(session.entries()).toMatchObject([{ user: 'ben', own: false }, { user: 'ann', own: true }]);
    });

    it('shows its own words again after a reconnect, and keeps nothing of them for a namesake', async () => {
      const { events, sent } = await connected();
      for (const at of [0, 1]) {
        const sending = session.send('ann', 'ok');
        events.message('ann', 'ok', 'Server 5001');
        sent[at]?.answer.resolve();
        await sending;
        reconnect(events);
      }
      expect(owners('ok')).toEqual([true, true]);
      await vi.advanceTimersByTimeAsync(3_000);
      events.message('ann', 'ok', 'Server 5001');
      expect(owners('ok')).toEqual([true, true, false]);
    });

    it('shows its own words once that come again over the next connection', async () => {
      const { events, sent } = await connected();
      const sending = session.send('ann', 'ok');
      events.message('ann', 'ok', 'Server 5001');
      sent[0]?.answer.resolve();
      await sending;
      reconnect(events);
      events.message('ann', 'ok', 'Server 5001');
      expect(owners('ok')).toEqual([true]);
    });

    it("passes the hub's error on, and does not take a namesake's words for its own", async () => {
      const { events, sent } = await connected();
      const sending = session.send('ann', 'hello');
      sent[0]?.answer.reject(new Error("An unexpected error occurred invoking 'SendMessage' on the server. HubException: Too long."));
      await expect(sending).rejects.toThrow('Not sent: Too long.');
      events.message('ann', 'hello', 'Server 5001');
      expect(session.entries()).toMatchObject([{ own: false }]);
    });

    it('does not wait for ever', async () => {
      await connected();
      const sending = session.send('ann', 'hello');
      const failed = expect(sending).rejects.toThrow('Not confirmed: the server did not answer in time');
      await vi.advanceTimersByTimeAsync(15_000);
      await failed;
    });

    it('is refused before there is a connection', async () => {
      session.connect(one);
      await expect(session.send('ann', 'hello')).rejects.toThrow('Not sent: there is no connection.');
      expect(link(0).sent).toEqual([]);
    });
  });

  it('does nothing when the current server is chosen again', async () => {
    await connected();
    session.connect(one);
    expect([links.length, session.state()]).toEqual([1, 'connected']);
  });
});
