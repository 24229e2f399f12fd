import { signal } from '@angular/core';

import { HubServer } from '../config/page-config';
import { withDeadline } from './deadline';
import { explainConnectFailure, explainSendFailure } from './explain-failure';
import { HubLink, HubLinkEvents, OpenHubLink } from './hub-link';
import { MessageLog } from './message-log';
import { OverlapFilter } from './overlap-filter';
import { OwnMessages } from './own-messages';
import { retryDelay } from './retry-delay';

/**
 * - `connecting`: the first attempt on a server is under way
 * - `connected`: messages flow
 * - `reconnecting`: a connection was lost and is being made again
 * - `disconnected`: there is no connection; see {@link ChatSession.retryAt} for whether it is tried again
 */
export type ConnectionState = 'connecting' | 'connected' | 'reconnecting' | 'disconnected';

const connectTimeout = 20_000;
const sendTimeout = 15_000;

/** Nobody knows whether a message was delivered. */
class Unconfirmed extends Error {
  constructor(reason: string) {
    super(`Not confirmed: ${reason}. The message may have been delivered.`);
  }
}

/** One attempt to be connected to one server: all that belongs to it is dropped together. */
interface Attempt {
  readonly link: HubLink;
  /** Aborted when the calls under way can no longer be answered. Renewed by every reconnect. */
  calls: AbortController;
}

/**
 * The chat over one server at a time. Every connection has a number; events of all but the latest are ignored, so a
 * connection that was given up can neither show a message nor change the state, however late it speaks.
 */
export class ChatSession {
  private readonly log = new MessageLog();
  private readonly overlap = new OverlapFilter();
  private readonly ownMessages = new OwnMessages();
  private attempt: Attempt | null = null;
  /** Number of the latest attempt; see the class. */
  private generation = 0;
  /** Number of the latest connection: grows with every attempt and every reconnect. */
  private connection = 0;
  private failures = 0;
  /** Whether there was a connection to the current server, and to any. */
  private wasConnected = { here: false, anywhere: false };
  private retryTimer: ReturnType<typeof setTimeout> | undefined;

  private readonly currentServer = signal<HubServer | null>(null);
  private readonly currentState = signal<ConnectionState>('disconnected');
  private readonly currentProblem = signal<string | null>(null);
  private readonly nextRetry = signal<number | null>(null);

  readonly server = this.currentServer.asReadonly();
  readonly state = this.currentState.asReadonly();
  /** Why there is no connection, in one sentence; null while there is one or the first attempt is under way. */
  readonly problem = this.currentProblem.asReadonly();
  /** When the next attempt starts, in milliseconds since the epoch; in the past: it is under way; null: none is planned. */
  readonly retryAt = this.nextRetry.asReadonly();
  readonly entries = this.log.entries;

  /** @param origin of the page, for the advice when a server cannot be reached */
  constructor(
    private readonly openLink: OpenHubLink,
    private readonly origin = globalThis.location?.origin ?? '',
  ) {}

  /** Leaves the current server, if any, and connects to this one, for as long as it takes. */
  connect(server: HubServer): void {
    if (server === this.currentServer()) {
      this.retry();
      return;
    }
    this.failures = 0;
    this.wasConnected.here = false;
    this.currentServer.set(server);
    this.currentState.set('connecting');
    this.currentProblem.set(null);
    this.open(server);
  }

  /** Tries again now instead of waiting for the next attempt. Does nothing while connected or connecting. */
  retry(): void {
    const server = this.currentServer();
    if (server && (this.currentState() === 'disconnected' || this.currentState() === 'reconnecting')) {
      this.open(server);
    }
  }

  /**
   * Sends a message and waits until the server has accepted it.
   *
   * @throws Error with one sentence for the user when it was not, or nobody knows whether it was
   */
  async send(user: string, text: string): Promise<void> {
    const { attempt } = this;
    if (!attempt || this.currentState() !== 'connected') {
      throw new Error('Not sent: there is no connection.');
    }
    const takeBack = this.ownMessages.expect(user, text);
    try {
      await withDeadline(attempt.link.send(user, text), {
        milliseconds: sendTimeout,
        timeout: new Unconfirmed('the server did not answer in time'),
        signal: attempt.calls.signal,
      });
    } catch (error) {
      if (error instanceof Unconfirmed) {
        throw error;
      }
      takeBack();
      throw new Error(`Not sent: ${explainSendFailure(error)}`, { cause: error });
    }
  }

  private open(server: HubServer): void {
    this.giveUpAttempt();
    const { generation } = this;
    this.connection++;
    this.nextRetry.set(this.currentState() === 'connecting' ? null : Date.now());
    const link = this.openLink(server.hubUrl, this.eventsOf(generation));
    const attempt = { link, calls: new AbortController() };
    this.attempt = attempt;
    withDeadline(link.start(), {
      milliseconds: connectTimeout,
      timeout: new Error(`${new URL(server.hubUrl).origin} accepted the connection but does not answer.`),
      signal: attempt.calls.signal,
    }).then(
      () => this.ifLatest(generation, () => this.connected()),
      (error: unknown) => this.ifLatest(generation, () => this.failed(server, error)),
    );
  }

  private giveUpAttempt(): void {
    this.generation++;
    clearTimeout(this.retryTimer);
    this.abortCalls('the connection was changed before the server answered');
    void this.attempt?.link.stop();
    this.attempt = null;
  }

  private connected(): void {
    if (this.wasConnected.anywhere) {
      this.log.addNotice(this.connectedNotice());
    }
    this.wasConnected = { here: true, anywhere: true };
    this.failures = 0;
    this.nextRetry.set(null);
    this.currentProblem.set(null);
    this.currentState.set('connected');
  }

  private connectedNotice(): string {
    const server = this.currentServer()?.name ?? '';
    return this.wasConnected.here
      ? `Connected to ${server} again. Messages sent in the meantime are not shown.`
      : `Connected to ${server}`;
  }

  private failed(server: HubServer, error: unknown): void {
    this.giveUpAttempt();
    if (this.currentState() === 'connecting') {
      this.currentState.set('disconnected');
    }
    this.currentProblem.set(explainConnectFailure(error, server.hubUrl, this.origin));
    const delay = retryDelay(this.failures++);
    this.nextRetry.set(Date.now() + delay);
    this.retryTimer = setTimeout(() => this.open(server), delay);
  }

  private eventsOf(generation: number): HubLinkEvents {
    const ifLatest = (action: () => void) => this.ifLatest(generation, action);
    return {
      message: (user, text, server) => ifLatest(() => this.received(user, text, server)),
      retryScheduled: (delay) => ifLatest(() => this.nextRetry.set(Date.now() + delay)),
      reconnecting: () => ifLatest(() => this.lost()),
      reconnected: () => ifLatest(() => this.restored()),
      closed: (error) => ifLatest(() => this.closed(error)),
    };
  }

  private ifLatest(generation: number, action: () => void): void {
    if (generation === this.generation) {
      action();
    }
  }

  private received(user: string, text: string, server: string): void {
    const content = [user, text, server];
    // What this page waits for is no repeat, were it the same words as a moment ago over the connection before.
    const own = this.ownMessages.claim(user, text);
    if (own) {
      this.overlap.record(this.connection, content);
    } else if (this.overlap.isRepeat(this.connection, content)) {
      return;
    }
    this.log.addMessage({ user, text, server, own });
  }

  private lost(): void {
    this.abortCalls('the connection was lost before the server answered');
    this.currentProblem.set('The connection was lost.');
    this.currentState.set('reconnecting');
  }

  private restored(): void {
    this.connection++;
    if (this.attempt) {
      this.attempt.calls = new AbortController();
    }
    this.connected();
  }

  /** The server ended the connection and does not want it back: only the user's retry opens another. */
  private closed(error: Error | undefined): void {
    this.giveUpAttempt();
    this.nextRetry.set(null);
    this.currentProblem.set(error ? `The server closed the connection: ${error.message}` : 'The server closed the connection.');
    this.currentState.set('disconnected');
  }

  private abortCalls(reason: string): void {
    this.attempt?.calls.abort(new Unconfirmed(reason));
  }
}
