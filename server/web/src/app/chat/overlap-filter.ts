interface Received {
  readonly key: string;
  readonly connection: number;
  readonly at: number;
}

/** How long after its first delivery a message may come again over the next connection, in milliseconds. */
const overlap = 2_000;

/**
 * Finds the messages that come a second time because the page changed its connection: a broadcast reaches each
 * server at its own pace, so the old one may have delivered what the new one still has on its way. Messages carry
 * no id, so the same words by the same user through the same server count as one, but only across a change of the
 * connection and within two seconds.
 */
export class OverlapFilter {
  private received: Received[] = [];

  /** Records a delivery that is known to be the first. */
  record(connection: number, content: readonly string[], now = Date.now()): void {
    this.forget(now);
    this.received.push({ key: JSON.stringify(content), connection, at: now });
  }

  /**
   * Records a delivery and tells whether an earlier connection had delivered it.
   *
   * @param connection grows with every new connection
   */
  isRepeat(connection: number, content: readonly string[], now = Date.now()): boolean {
    const key = JSON.stringify(content);
    this.forget(now);
    const earlier = this.received.findIndex((other) => other.connection < connection && other.key === key);
    if (earlier >= 0) {
      this.received.splice(earlier, 1);
      return true;
    }
    this.record(connection, content, now);
    return false;
  }

  private forget(now: number): void {
    this.received = this.received.filter(({ at }) => now - at <= overlap);
  }
}
