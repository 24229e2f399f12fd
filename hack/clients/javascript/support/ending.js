// Node runs what a test has for its end in the order in which it was added. Clients must end before what they are connected
// through: a request that is cut then fails outside of any call, and with it the test.
const ends = new WeakMap();

// lastly lets end run when the test ends, before all that was given here earlier. What fails holds up nothing of that.
export function lastly(test, end) {
  if (ends.has(test)) {
    ends.get(test).push(end);
    return;
  }
  const all = [end];
  ends.set(test, all);
  test.after(async () => {
    const failures = [];
    for (const last of all.reverse()) {
      try {
        await last();
      } catch (failure) {
        failures.push(failure);
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, "the test did not end well");
  });
}
