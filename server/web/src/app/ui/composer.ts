import { ChangeDetectionStrategy, Component, ElementRef, computed, effect, inject, signal, untracked, viewChild } from '@angular/core';

import { ChatSession } from '../chat/chat-session';
import { rememberName, rememberedName } from '../chat/remembered-name';

/** In characters: at most half of the hub's default limit of 32 KiB, whatever the characters are. */
const longestMessage = 4_000;

/** The code of every key that an input method has taken. It is deprecated, and nothing else says so in Safari. */
const inputMethodKey = 229;

/** Name, message and Send. A message stays in its field until the server has accepted it. */
@Component({
  selector: 'chat-composer',
  changeDetection: ChangeDetectionStrategy.OnPush,
  templateUrl: './composer.html',
})
export class Composer {
  private readonly session = inject(ChatSession);
  private readonly nameField = viewChild.required<ElementRef<HTMLInputElement>>('nameField');
  private readonly messageField = viewChild.required<ElementRef<HTMLTextAreaElement>>('messageField');
  /** Where there is a pointer the chat starts with the focus; on a phone that would open the keyboard over it. */
  private restoreFocus = globalThis.matchMedia?.('(hover: hover)').matches ?? false;

  protected readonly name = signal(rememberedName());
  protected readonly text = signal('');
  protected readonly sending = signal(false);
  protected readonly nameMissing = signal(false);
  protected readonly error = signal<string | null>(null);

  protected readonly connected = computed(() => this.session.state() === 'connected');
  protected readonly excess = computed(() => Math.max(0, this.text().length - longestMessage));
  protected readonly canSend = computed(
    () => this.connected() && !this.sending() && this.text().trim() !== '' && this.excess() === 0,
  );
  protected readonly placeholder = computed(() => (this.connected() ? 'Write a message' : 'Not connected'));

  constructor() {
    effect(() => {
      const connected = this.connected();
      untracked(() => this.keepFocus(connected));
    });
  }

  protected typedName(name: string): void {
    this.name.set(name);
    this.nameMissing.set(false);
    rememberName(name);
  }

  protected typedText(text: string): void {
    this.text.set(text);
    this.error.set(null);
  }

  /** Enter sends, Shift+Enter starts a line; Enter that ends an input method's composition does neither. */
  protected pressedEnter(event: Event): void {
    const { shiftKey, isComposing, keyCode } = event as KeyboardEvent;
    // Safari ends the composition before it tells of the key: only the key's code says then whose it was.
    if (!shiftKey && !isComposing && keyCode !== inputMethodKey) {
      event.preventDefault();
      void this.send();
    }
  }

  protected async send(): Promise<void> {
    const user = this.name().trim();
    if (!this.canSend()) {
      return;
    }
    if (user === '') {
      this.nameMissing.set(true);
      this.nameField().nativeElement.focus();
      return;
    }
    this.error.set(null);
    this.sending.set(true);
    try {
      await this.session.send(user, this.text());
      this.text.set('');
    } catch (error) {
      this.error.set(error instanceof Error ? error.message : String(error));
    } finally {
      this.sending.set(false);
      this.messageField().nativeElement.focus();
    }
  }

  /** A field loses the focus when it is disabled; it gets it back with the connection unless the user went elsewhere. */
  private keepFocus(connected: boolean): void {
    const field = this.messageField().nativeElement;
    const { ownerDocument } = field;
    if (!connected) {
      this.restoreFocus ||= ownerDocument.activeElement === field;
    } else if (this.restoreFocus) {
      this.restoreFocus = false;
      const target = this.name().trim() === '' ? this.nameField().nativeElement : field;
      // The field is enabled by the rendering that follows.
      queueMicrotask(() => [ownerDocument.body, field].includes(ownerDocument.activeElement as HTMLElement) && target.focus());
    }
  }
}
