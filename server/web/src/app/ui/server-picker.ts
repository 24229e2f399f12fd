import { ChangeDetectionStrategy, Component, inject, input } from '@angular/core';

import { ChatSession } from '../chat/chat-session';
import { HubServer } from '../config/page-config';

/** One button per server; the pressed one is the server that the chat runs over. */
@Component({
  selector: 'chat-server-picker',
  changeDetection: ChangeDetectionStrategy.OnPush,
  template: `
    <div class="servers" role="group" aria-label="Server">
      @for (server of servers(); track server) {
        <button
          type="button"
          class="server-button"
          [attr.aria-pressed]="server === session.server()"
          (click)="session.connect(server)"
        >
          {{ server.name }}
        </button>
      }
    </div>
  `,
})
export class ServerPicker {
  protected readonly session = inject(ChatSession);
  readonly servers = input.required<readonly HubServer[]>();
}
