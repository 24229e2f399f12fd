import { HubConnection, HubConnectionBuilder, LogLevel } from '@microsoft/signalr';

import { retryDelay } from './retry-delay';

/** One connection to a hub, from its first attempt until it is stopped. */
export interface HubLink {
  /** Connects; rejects when the first attempt fails, which is not repeated. */
  start(): Promise<void>;
  /** Ends the connection, also one that is still being made. Never rejects. */
  stop(): Promise<void>;
  /** Resolves once the server has accepted the message; rejects with the server's error. */
  send(user: string, text: string): Promise<void>;
}

/** What a {@link HubLink} tells its owner. Events may still arrive after `stop`. */
export interface HubLinkEvents {
  message(user: string, text: string, server: string): void;
  /** A lost connection will be tried again in `delay` milliseconds. */
  retryScheduled(delay: number): void;
  reconnecting(): void;
  reconnected(): void;
  /** The connection ended for good; undefined: without an error. */
  closed(error: Error | undefined): void;
}

/** Makes a link that is not started yet. */
export type OpenHubLink = (hubUrl: string, events: HubLinkEvents) => HubLink;

/** The hub's negotiate request gives up after this time, in milliseconds; the client's default of 100 s looks dead. */
const requestTimeout = 15_000;

/** Opens a link over Microsoft's SignalR client, with stateful and endless automatic reconnect. */
export const openHubLink: OpenHubLink = (hubUrl, events) => {
  const connection = new HubConnectionBuilder()
    .withUrl(hubUrl, { timeout: requestTimeout })
    .withStatefulReconnect()
    .withAutomaticReconnect({
      nextRetryDelayInMilliseconds: ({ previousRetryCount }) => {
        const delay = retryDelay(previousRetryCount);
        events.retryScheduled(delay);
        return delay;
      },
    })
    .configureLogging(LogLevel.None)
    .build();
  connection.on('ReceiveMessage', (user: unknown, text: unknown, server: unknown) =>
    events.message(asText(user), asText(text), asText(server)),
  );
  connection.onreconnecting(() => events.reconnecting());
  connection.onreconnected(() => events.reconnected());
  connection.onclose((error) => events.closed(error));
  return linkOf(connection);
};

function linkOf(connection: HubConnection): HubLink {
  return {
    start: () => connection.start(),
    stop: () => connection.stop().catch(() => undefined),
    send: (user, text) => connection.invoke('SendMessage', user, text),
  };
}

function asText(argument: unknown): string {
  return typeof argument === 'string' ? argument : JSON.stringify(argument) ?? '';
}
