import { OverlapFilter } from './overlap-filter';

const hello = ['ann', 'hello', 'Server 5001'];

describe('OverlapFilter', () => {
  it('finds what the connection before had delivered', () => {
    const filter = new OverlapFilter();
    expect(filter.isRepeat(1, hello, 0)).toBe(false);
    expect(filter.isRepeat(2, hello, 500)).toBe(true);
  });

  it('keeps words that are said twice over one connection', () => {
    const filter = new OverlapFilter();
    expect(filter.isRepeat(1, hello, 0)).toBe(false);
    expect(filter.isRepeat(1, hello, 1)).toBe(false);
  });

  it('finds each repeat once: what is said again afterwards is new', () => {
    const filter = new OverlapFilter();
    filter.isRepeat(1, hello, 0);
    expect(filter.isRepeat(2, hello, 1)).toBe(true);
    expect(filter.isRepeat(2, hello, 2)).toBe(false);
  });

  it('finds the repeat of what was known to be the first', () => {
    const filter = new OverlapFilter();
    filter.record(1, hello, 0);
    filter.record(2, hello, 1);
    expect(filter.isRepeat(2, hello, 2)).toBe(true);
    expect(filter.isRepeat(2, hello, 3)).toBe(false);
  });

  it('forgets after two seconds', () => {
    const filter = new OverlapFilter();
    filter.isRepeat(1, hello, 0);
    expect(filter.isRepeat(2, hello, 2_001)).toBe(false);
  });

  it('takes user, text and server as separate', () => {
    const filter = new OverlapFilter();
    filter.isRepeat(1, ['a', 'b c', 's'], 0);
    expect(filter.isRepeat(2, ['a b', 'c', 's'], 1)).toBe(false);
  });
});
