/**
 * Waits for a promise, but neither longer than a time nor past an abort: the SignalR client leaves calls unsettled
 * forever when their connection is lost at the wrong moment.
 *
 * @param milliseconds after which it rejects with `timeout`
 * @param signal whose abort rejects with its reason
 */
export function withDeadline<T>(
  promise: Promise<T>,
  { milliseconds, timeout, signal }: { milliseconds: number; timeout: Error; signal: AbortSignal },
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const timer = setTimeout(() => reject(timeout), milliseconds);
    const onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort);
    promise.then(resolve, reject).finally(() => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    });
  });
}
