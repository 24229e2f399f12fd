import { ChangeDetectionStrategy, Component, computed, inject } from '@angular/core';

import { ChatSession } from '../chat/chat-session';

const labels = {
  connecting: 'Connecting',
  connected: 'Connected',
  reconnecting: 'Reconnecting',
  disconnected: 'Disconnected',
} as const;

/** The state of the connection and the server it is to, announced when it changes. */
@Component({
  selector: 'chat-connection-status',
  changeDetection: ChangeDetectionStrategy.OnPush,
  template: `
    <p class="status" role="status" [attr.data-state]="session.state()">
      <span class="status-dot" aria-hidden="true"></span>
      <span class="status-state">{{ label() }}</span>
      @if (session.server(); as server) {
        <span class="status-server">{{ server.name }}</span>
      }
    </p>
  `,
})
export class ConnectionStatus {
  protected readonly session = inject(ChatSession);
  protected readonly label = computed(() => labels[this.session.server() ? this.session.state() : 'connecting']);
}
