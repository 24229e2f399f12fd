import { ChatEntry } from '../chat/message-log';
import { viewsOf } from './message-view';

function message(minute: number, user: string, server = 'Server 5001', own = false): ChatEntry {
  return { kind: 'message', id: minute, user, text: 'hello', server, at: new Date(2026, 0, 1, 12, minute), own };
}

describe('viewsOf', () => {
  it('joins what one sender says in a row', () => {
    const views = viewsOf([message(0, 'ann'), message(1, 'ann'), message(2, 'ben'), message(3, 'ann')]);
    expect(views.map(({ continued }) => continued)).toEqual([false, true, false, false]);
  });

  it('keeps apart what differs in server, in owner or by minutes, or has a notice between', () => {
    const notice: ChatEntry = { kind: 'notice', id: 9, text: 'Connected', at: new Date(2026, 0, 1, 12, 10) };
    const views = viewsOf([message(0, 'ann'), message(1, 'ann', 'Server 5002'), message(2, 'ann', 'Server 5002', true), message(9, 'ann', 'Server 5002', true), notice, message(10, 'ann', 'Server 5002', true)]);
    expect(views.map(({ continued }) => continued)).toEqual([false, false, false, false, false, false]);
  });

  it.each([
    ['ann', 'A'],
    ['Ben van Dyk', 'BD'],
    ['😀 smile', '😀S'],
    ['  ', '?'],
  ])('makes an avatar for %j', (user, initials) => {
    expect(viewsOf([message(0, user)])[0]?.initials).toBe(initials);
  });

  it('gives a name the same colour wherever it stands', () => {
    const [first, second] = viewsOf([message(0, 'ann'), message(5, 'ann', 'Server 5002')]);
    expect(first?.hue).toBe(second?.hue);
    expect(first?.hue).toBeGreaterThanOrEqual(0);
    expect(first?.hue).toBeLessThan(360);
  });
});
