import { signal } from '@angular/core';

/** A message that the hub delivered. */
export interface ChatMessage {
  readonly kind: 'message';
  readonly id: number;
  readonly user: string;
  readonly text: string;
  /** The server that the sender is connected to, as the hub names it: `Server 5001`. */
  readonly server: string;
  /** When this page received it. */
  readonly at: Date;
  /** Sent from this page. */
  readonly own: boolean;
}

/** Something that happened to the connection, told between the messages. */
export interface ChatNotice {
  readonly kind: 'notice';
  readonly id: number;
  readonly text: string;
  readonly at: Date;
}

export type ChatEntry = ChatMessage | ChatNotice;

/** The entries to show, oldest first. The oldest are dropped beyond a limit, so that an open page never grows. */
export class MessageLog {
  private readonly list = signal<readonly ChatEntry[]>([]);
  private nextId = 1;

  readonly entries = this.list.asReadonly();

  constructor(private readonly limit = 500) {}

  addMessage(message: Omit<ChatMessage, 'kind' | 'id' | 'at'>): void {
    this.add({ ...message, kind: 'message', id: this.nextId++, at: new Date() });
  }

  addNotice(text: string): void {
    this.add({ kind: 'notice', id: this.nextId++, text, at: new Date() });
  }

  private add(entry: ChatEntry): void {
    this.list.update((list) => [...list, entry].slice(-this.limit));
  }
}
