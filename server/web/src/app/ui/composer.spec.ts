import { signal } from '@angular/core';
import { TestBed } from '@angular/core/testing';

import { ChatSession } from '../chat/chat-session';
import { Composer } from './composer';

describe('Composer', () => {
  const send = vi.fn<ChatSession['send']>(async () => undefined);

  /** Presses Enter in a field with a message, and tells whether it was sent. */
  async function pressEnter(init: KeyboardEventInit): Promise<boolean> {
    send.mockClear();
    TestBed.configureTestingModule({ providers: [{ provide: ChatSession, useValue: { state: signal('connected'), send } }] });
    const fixture = TestBed.createComponent(Composer);
    await fixture.whenStable();
    const page = fixture.nativeElement as HTMLElement;
    for (const [field, text] of [
      ['#name', 'ann'],
      ['#message', 'hello'],
    ] as const) {
      const element = page.querySelector<HTMLInputElement | HTMLTextAreaElement>(field);
      if (!element) {
        throw new Error(`there is no ${field}`);
      }
      element.value = text;
      element.dispatchEvent(new Event('input'));
    }
    page.querySelector('#message')?.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', keyCode: 13, cancelable: true, ...init }));
    await fixture.whenStable();
    return send.mock.calls.length > 0;
  }

  it.each([
    ['sends', {}, true],
    ['starts a line with Shift', { shiftKey: true }, false],
    ['is left to the input method that is composing', { isComposing: true, keyCode: 229 }, false],
    ['is left to the input method that has just composed, in Safari', { keyCode: 229 }, false],
  ])('Enter %s', async (_, init, sent) => {
    expect(await pressEnter(init)).toBe(sent);
  });
});
