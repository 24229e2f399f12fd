import { ChatEntry, ChatMessage } from '../chat/message-log';

/** What the list shows of an entry, so that the template only places it. */
export interface EntryView {
  readonly entry: ChatEntry;
  /** Follows a message of the same sender closely: name, server and time are not repeated. */
  readonly continued: boolean;
  /** `14:03`, in the user's own format. */
  readonly time: string;
  /** One or two letters for the avatar. */
  readonly initials: string;
  /** Of the sender's colour, in degrees; the same in every window. */
  readonly hue: number;
}

const closely = 3 * 60_000;
const timeFormat = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });

/** Prepares entries, oldest first, for the list. */
export function viewsOf(entries: readonly ChatEntry[]): EntryView[] {
  return entries.map((entry, index) => {
    const user = entry.kind === 'message' ? entry.user : '';
    return {
      entry,
      continued: continues(entry, entries[index - 1]),
      time: timeFormat.format(entry.at),
      initials: initialsOf(user),
      hue: hueOf(user),
    };
  });
}

function continues(entry: ChatEntry, previous: ChatEntry | undefined): boolean {
  return entry.kind === 'message' && previous?.kind === 'message' && sameSender(entry, previous) && isClose(entry, previous);
}

function sameSender(one: ChatMessage, other: ChatMessage): boolean {
  return one.user === other.user && one.server === other.server && one.own === other.own;
}

function isClose(one: ChatEntry, other: ChatEntry): boolean {
  return one.at.getTime() - other.at.getTime() < closely;
}

function initialsOf(user: string): string {
  const words = user.trim().split(/\s+/);
  const letters = words.length > 1 ? [words[0], words.at(-1)] : [words[0]];
  return letters.map((word) => [...(word ?? '')][0] ?? '').join('').toUpperCase() || '?';
}

function hueOf(user: string): number {
  let hash = 7;
  for (const letter of user) {
    hash = (hash * 31 + (letter.codePointAt(0) ?? 0)) >>> 0;
  }
  return (hash ^ (hash >>> 13)) % 360;
}
