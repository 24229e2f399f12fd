import { explainConnectFailure, explainSendFailure } from './explain-failure';

const hub = 'http://localhost:5001/chatHub';

describe('explainConnectFailure', () => {
  const explain = (text: string, origin = 'http://localhost:4200') => explainConnectFailure(new Error(text), hub, origin);

  it('names the server and the origin to allow when nothing answers', () => {
    expect(explain('Failed to complete negotiation with the server: TypeError: Failed to fetch')).toBe(
      'No answer from http://localhost:5001. Is the server running, and does it allow the origin http://localhost:4200?',
    );
  });

  it('leaves the origin out when the server serves the page itself', () => {
    expect(explain('TypeError: Load failed', 'http://localhost:5001')).toBe(
      'No answer from http://localhost:5001. Is the server running?',
    );
  });

  it.each([
    ["Failed to complete negotiation with the server: Error: Unauthorized: Status code '401'", 'The server refused this page (401).'],
    ["Failed to complete negotiation with the server: Error: : Status code '404' Either this is not a SignalR endpoint", `There is no chat hub at ${hub}.`],
    ["Failed to complete negotiation with the server: Error: Service Unavailable: Status code '503'", 'The server answered 503.'],
    ['Server returned handshake error: no', 'Server returned handshake error: no'],
  ])('%s', (text, explained) => expect(explain(text)).toBe(explained));
});

describe('explainSendFailure', () => {
  it("keeps the hub's own words", () => {
    const error = new Error("An unexpected error occurred invoking 'SendMessage' on the server. HubException: Too long.");
    expect(explainSendFailure(error)).toBe('Too long.');
  });

  it('keeps other errors whole', () => {
    expect(explainSendFailure(new Error('Failed to invoke'))).toBe('Failed to invoke');
    expect(explainSendFailure('')).toBe('Unknown error.');
  });
});
