import {
  ChangeDetectionStrategy,
  Component,
  DestroyRef,
  ElementRef,
  afterNextRender,
  afterRenderEffect,
  computed,
  inject,
  signal,
  untracked,
  viewChild,
} from '@angular/core';

import { ChatSession } from '../chat/chat-session';
import { ChatEntry } from '../chat/message-log';
import { viewsOf } from './message-view';

/** How far from the end still counts as being at it, in pixels. */
const nearEnd = 48;

/** The conversation. It follows new messages unless the user has scrolled up to read. */
@Component({
  selector: 'chat-message-list',
  changeDetection: ChangeDetectionStrategy.OnPush,
  templateUrl: './message-list.html',
})
export class MessageList {
  protected readonly session = inject(ChatSession);
  protected readonly views = computed(() => viewsOf(this.session.entries()));
  protected readonly following = signal(true);
  private readonly scroller = viewChild.required<ElementRef<HTMLElement>>('scroller');
  /** The newest entry that the user has had in view. */
  private readonly lastSeen = signal(0);

  protected readonly unread = computed(
    () => this.session.entries().filter((entry) => entry.kind === 'message' && entry.id > this.lastSeen()).length,
  );

  protected readonly emptyText = computed(() =>
    this.session.state() === 'connected'
      ? 'Say hello. Everyone sees it, on whichever server they are.'
      : 'They appear here once the page is connected.',
  );

  constructor() {
    afterRenderEffect(() => {
      const latest = this.session.entries().at(-1);
      if (latest) {
        untracked(() => this.arrived(latest));
      }
    });
    // A phone's keyboard or a notice above takes height away: the end must stay in view.
    const resized = new ResizeObserver(() => this.following() && this.scrollToEnd());
    afterNextRender(() => resized.observe(this.scroller().nativeElement));
    inject(DestroyRef).onDestroy(() => resized.disconnect());
  }

  protected scrolled(): void {
    const { scrollHeight, scrollTop, clientHeight } = this.scroller().nativeElement;
    this.following.set(scrollHeight - scrollTop - clientHeight < nearEnd);
    if (this.following()) {
      this.lastSeen.set(this.session.entries().at(-1)?.id ?? 0);
    }
  }

  /** Who sends a message wants to see it, wherever they were reading. */
  private arrived(latest: ChatEntry): void {
    if (this.following() || (latest.kind === 'message' && latest.own)) {
      this.lastSeen.set(latest.id);
      this.scrollToEnd();
    }
  }

  protected scrollToEnd(): void {
    const { nativeElement } = this.scroller();
    nativeElement.scrollTop = nativeElement.scrollHeight;
  }
}
