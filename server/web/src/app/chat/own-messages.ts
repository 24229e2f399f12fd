interface Expected {
  readonly user: string;
  readonly text: string;
  readonly sentAt: number;
}

/** How long a sent message may take to come back, in milliseconds. */
const patience = 60_000;

/**
 * Tells the page's own messages from those of others: the hub sends every message to everyone and does not say which
 * connection it is from, and two windows may use one name.
 */
export class OwnMessages {
  private expected: Expected[] = [];

  /** Call before sending. The returned function takes it back when sending failed. */
  expect(user: string, text: string, now = Date.now()): () => void {
    const message = { user, text, sentAt: now };
    this.expected.push(message);
    return () => (this.expected = this.expected.filter((other) => other !== message));
  }

  /** Whether a received message is one that this page sent; each counts once. */
  claim(user: string, text: string, now = Date.now()): boolean {
    this.expected = this.expected.filter(({ sentAt }) => now - sentAt <= patience);
    const index = this.expected.findIndex((message) => message.user === user && message.text === text);
    if (index < 0) {
      return false;
    }
    this.expected.splice(index, 1);
    return true;
  }
}
