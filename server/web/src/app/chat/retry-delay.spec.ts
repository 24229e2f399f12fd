import { retryDelay } from './retry-delay';

describe('retryDelay', () => {
  it('doubles from half a second to half a minute and stays there', () => {
    const longest = [0, 1, 2, 3, 4, 5, 6, 7, 1_000_000].map((failures) => retryDelay(failures, () => 1));
    expect(longest).toEqual([500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
  });

  it('spreads clients over the second half of each delay', () => {
    expect(retryDelay(3, () => 0)).toBe(2_000);
    expect(retryDelay(3, () => 0.5)).toBe(3_000);
  });
});
