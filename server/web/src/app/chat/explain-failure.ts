/** Says in one sentence why a connection could not be made, and what to look at. */
export function explainConnectFailure(error: unknown, hubUrl: string, pageOrigin: string): string {
  const text = messageOf(error);
  const status = /status code '?(\d{3})'?|Status code '(\d{3})'/i.exec(text);
  const code = status?.[1] ?? status?.[2];
  if (code === '404' || code === '405') {
    return `There is no chat hub at ${hubUrl}.`;
  }
  if (code === '401' || code === '403') {
    return `The server refused this page (${code}).`;
  }
  if (code) {
    return `The server answered ${code}.`;
  }
  if (/failed to fetch|networkerror|load failed|failed to complete negotiation/i.test(text)) {
    return unreachable(hubUrl, pageOrigin);
  }
  return text;
}

/** The hub's own words of a failed invocation, without the client's preamble. */
export function explainSendFailure(error: unknown): string {
  const text = messageOf(error);
  return /HubException: ([\s\S]+)$/.exec(text)?.[1] ?? text;
}

function unreachable(hubUrl: string, pageOrigin: string): string {
  const server = new URL(hubUrl).origin;
  if (server === pageOrigin) {
    return `No answer from ${server}. Is the server running?`;
  }
  return `No answer from ${server}. Is the server running, and does it allow the origin ${pageOrigin}?`;
}

function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).trim() || 'Unknown error.';
}
