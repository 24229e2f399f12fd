const key = 'chatcluster.name';

/** The name that was used last in this browser; empty when there is none or storage is blocked. */
export function rememberedName(): string {
  try {
    return localStorage.getItem(key) ?? '';
  } catch {
    return '';
  }
}

/** Keeps the name for the next visit, where the browser allows it. */
export function rememberName(name: string): void {
  try {
    localStorage.setItem(key, name);
  } catch {
    // Storage is blocked or full: the name then lasts as long as the page.
  }
}
