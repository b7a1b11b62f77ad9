// Reads the worker's events for ever. By fetch and not by EventSource, because the listener may ask
// for a token, which only a header may carry.

// The worker says something at least each 15 s: after this silence the connection is taken for dead.
const SILENCE = 40_000;
const FIRST_WAIT = 1_000;
const LONGEST_WAIT = 30_000;

/// The parts of one event: its name and its data.
export function parse(block) {
  const data = [];
  let name = "message";
  for (const line of block.split("\n")) {
    if (line.startsWith("event:")) name = line.slice(6).trim();
    else if (line.startsWith("data:")) data.push(line.slice(5).replace(/^ /, ""));
  }
  return data.length === 0 ? null : { name, data: data.join("\n") };
}

/// Reads `address` and tells `listener` of each event (`heard`), of the wait after each connection that
/// ended (`lost`), and that a token is wanted (`asked`, which brings one).
export async function follow(address, listener) {
  let wait = FIRST_WAIT;
  let token = null;
  for (;;) {
    let reason;
    try {
      reason = await read(address, token, (event) => {
        wait = FIRST_WAIT;
        listener.heard(event.name, JSON.parse(event.data));
      });
    } catch (error) {
      reason = error.name === "AbortError" ? "it fell silent" : "it cannot be reached";
    }
    if (reason === 401) {
      token = await listener.asked(token !== null);
      continue;
    }
    // Many pages lose their worker in one moment: they do not all come back in one.
    const pause = wait * (0.75 + Math.random() / 2);
    listener.lost(reason, pause);
    await new Promise((resolve) => setTimeout(resolve, pause));
    wait = Math.min(wait * 2, LONGEST_WAIT);
  }
}

/// Reads one connection to its end, and tells why it ended.
async function read(address, token, heard) {
  const abort = new AbortController();
  let alarm = setTimeout(() => abort.abort(), SILENCE);
  try {
    const headers = { Accept: "text/event-stream" };
    if (token !== null) headers.Authorization = `Bearer ${token}`;
    const answer = await fetch(address, { headers, cache: "no-store", signal: abort.signal });
    if (answer.status === 401) return 401;
    if (!answer.ok) return `it answers ${answer.status}: ${(await answer.text()).slice(0, 300).trim()}`;
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return "it ended the connection";
      clearTimeout(alarm);
      alarm = setTimeout(() => abort.abort(), SILENCE);
      const blocks = (rest + value).replaceAll("\r\n", "\n").split("\n\n");
      rest = blocks.pop();
      for (const event of blocks.map(parse)) {
        if (event !== null) heard(event);
      }
    }
  } finally {
    clearTimeout(alarm);
    abort.abort();
  }
}
