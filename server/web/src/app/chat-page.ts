import { ChangeDetectionStrategy, Component, DOCUMENT, inject, signal } from '@angular/core';

import { ChatSession } from './chat/chat-session';
import { HubServer, loadPageConfig } from './config/page-config';
import { Composer } from './ui/composer';
import { ConnectionNotice } from './ui/connection-notice';
import { ConnectionStatus } from './ui/connection-status';
import { MessageList } from './ui/message-list';
import { ServerPicker } from './ui/server-picker';

/** The whole page: reads its configuration, connects to the first server and lays out the chat. */
@Component({
  selector: 'chat-page',
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [Composer, ConnectionNotice, ConnectionStatus, MessageList, ServerPicker],
  host: { '(window:online)': 'session.retry()', '(document:visibilitychange)': 'retryWhenVisible()' },
  template: `
    <header class="bar">
      <h1 class="brand"><img src="favicon.svg" width="32" height="32" alt="" />ChatCluster</h1>
      <chat-connection-status />
      @if (servers().length > 1) {
        <chat-server-picker [servers]="servers()" />
      }
    </header>
    <main class="chat">
      @if (configProblem(); as problem) {
        <p class="notice warning" role="alert">{{ problem }}</p>
      }
      <chat-connection-notice />
      <chat-message-list />
      <chat-composer />
    </main>
  `,
})
export class ChatPage {
  protected readonly session = inject(ChatSession);
  protected readonly servers = signal<readonly HubServer[]>([]);
  protected readonly configProblem = signal<string | null>(null);
  private readonly document = inject(DOCUMENT);

  constructor() {
    void this.start();
  }

  /** Browsers slow the timers of hidden pages: who comes back should not wait for one. */
  protected retryWhenVisible(): void {
    if (this.document.visibilityState === 'visible' && this.session.retryAt() !== null) {
      this.session.retry();
    }
  }

  private async start(): Promise<void> {
    const { config, problem } = await loadPageConfig(this.document.baseURI);
    this.servers.set(config.servers);
    this.configProblem.set(problem);
    const [first] = config.servers;
    if (first) {
      this.session.connect(first);
    }
  }
}
