// The evidence lies in the page as deflated blocks; each is inflated when it is first looked at.

const BLOCKS_KEPT = 24;
const inflated = new Map();

/** The JSON of a block, by its element's id. */
async function block(id) {
  if (inflated.has(id)) {
    const known = inflated.get(id);
    inflated.delete(id);
    inflated.set(id, known);
    return known;
  }
  const pending = inflate(document.getElementById(id).textContent);
  inflated.set(id, pending);
  if (inflated.size > BLOCKS_KEPT) inflated.delete(inflated.keys().next().value);
  return pending;
}

async function inflate(base64) {
  const binary = atob(base64.trim());
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i += 1) bytes[i] = binary.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(stream).text());
}
