import { MessageLog } from './message-log';

describe('MessageLog', () => {
  it('keeps the newest entries within its limit, each with an id of its own', () => {
    const log = new MessageLog(3);
    for (const text of ['one', 'two', 'three', 'four']) {
      log.addMessage({ user: 'ann', text, server: 'Server 5001', own: false });
    }
    log.addNotice('Connected to Server 2');
    expect(log.entries().map((entry) => entry.text)).toEqual(['three', 'four', 'Connected to Server 2']);
    expect(new Set(log.entries().map((entry) => entry.id)).size).toBe(3);
  });
});
