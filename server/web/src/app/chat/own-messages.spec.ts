import { OwnMessages } from './own-messages';

describe('OwnMessages', () => {
  it('claims a sent message once', () => {
    const own = new OwnMessages();
    own.expect('ann', 'hello');
    expect(own.claim('ben', 'hello')).toBe(false);
    expect(own.claim('ann', 'hello')).toBe(true);
    expect(own.claim('ann', 'hello')).toBe(false);
  });

  it('takes back what could not be sent, and only that', () => {
    const own = new OwnMessages();
    own.expect('ann', 'hello');
    own.expect('ann', 'hello')();
    expect(own.claim('ann', 'hello')).toBe(true);
    expect(own.claim('ann', 'hello')).toBe(false);
  });

  it('gives up after a minute', () => {
    const own = new OwnMessages();
    own.expect('ann', 'hello', 0);
    expect(own.claim('ann', 'hello', 60_001)).toBe(false);
  });
});
