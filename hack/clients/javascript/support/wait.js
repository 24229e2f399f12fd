// How the tests wait: for an event, never longer than a bound, and the failure names what was missing.

const DEFAULT_BOUND_MS = 30_000;

// within settles as the promise does, or fails after the bound with a text that names `what`.
export async function within(promise, what, ms = DEFAULT_BOUND_MS) {
  let timer;
  const bound = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: nothing after ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([promise, bound]);
  } finally {
    clearTimeout(timer);
  }
}

// until asks the probe again and again until it answers with something truthy, and returns that.
export async function until(probe, what, ms = DEFAULT_BOUND_MS) {
  const end = Date.now() + ms;
  for (;;) {
    const answer = await probe();
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`${what}: not within ${ms} ms`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

// event returns a promise of the arguments of the first call of the function beside it.
export function event() {
  let happen;
  const happened = new Promise((resolve) => {
    happen = (...args) => resolve(args);
  });
  return { happen, happened };
}
