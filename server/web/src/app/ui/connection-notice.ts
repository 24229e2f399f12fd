import { ChangeDetectionStrategy, Component, computed, effect, inject, signal } from '@angular/core';

import { ChatSession } from '../chat/chat-session';

/** Says why there is no connection, when it is tried again, and lets the user try now. */
@Component({
  selector: 'chat-connection-notice',
  changeDetection: ChangeDetectionStrategy.OnPush,
  template: `
    @if (session.problem(); as problem) {
      <div class="notice" [class.error]="session.state() === 'disconnected'" [class.warning]="session.state() === 'reconnecting'">
        <p class="notice-text">
          <span role="alert">{{ problem }}</span>&ngsp;
          <!-- Not announced: a screen reader would read every second of it. -->
          <span class="notice-plan" aria-hidden="true">{{ plan() }}</span>
        </p>
        <button type="button" class="notice-button" (click)="session.retry()">Retry now</button>
      </div>
    }
  `,
})
export class ConnectionNotice {
  protected readonly session = inject(ChatSession);
  private readonly now = signal(Date.now());

  protected readonly plan = computed(() => {
    const retryAt = this.session.retryAt();
    if (retryAt === null) {
      return '';
    }
    const seconds = Math.ceil((retryAt - this.now()) / 1000);
    return seconds > 0 ? `Next attempt in ${seconds} s` : 'Trying again…';
  });

  constructor() {
    effect((onCleanup) => {
      if (this.session.retryAt() === null) {
        return;
      }
      this.now.set(Date.now());
      const ticking = setInterval(() => this.now.set(Date.now()), 250);
      onCleanup(() => clearInterval(ticking));
    });
  }
}
