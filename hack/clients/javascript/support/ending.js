// Node runs what a test has for its end in the order in which it was added. Clients must end before what they are connected
// through: a request that is cut then fails outside of any call, and with it the test.
const ends = new WeakMap();

// lastly lets end run when the test ends, before all that was given here earlier.
export function lastly(test, end) {
  if (!ends.has(test)) {
    ends.set(test, []);
    test.after(async () => {
      for (const last of ends.get(test).reverse()) await last();
    });
  }
  ends.get(test).push(end);
}
