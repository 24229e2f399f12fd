const firstDelay = 500;
const longestDelay = 30_000;

/**
 * How long to wait before a connection attempt, in milliseconds: doubling from half a second to half a minute.
 * Half of each delay is random, so that the clients of a restarted server do not all come back at once.
 *
 * @param failures how many attempts have failed since the connection was last up
 */
export function retryDelay(failures: number, random: () => number = Math.random): number {
  const limit = Math.min(longestDelay, firstDelay * 2 ** failures);
  return Math.round(limit / 2 + (random() * limit) / 2);
}
