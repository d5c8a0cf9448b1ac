// Requests to the server as JSON. A reply of any kind means the server was reached; only silence is Offline.
export class Offline extends Error {}

export const reach = new EventTarget()

const lost = () => reach.dispatchEvent(new Event("lost"))

const PATIENCE_MS = 15_000
const SILENCE_MS = 5000

const csrfMeta = () => document.querySelector('meta[name="csrf-token"]')

export const csrfToken = () => csrfMeta()?.content ?? ""

// A page that outlived its session has an old token. The new session's is taken over only when it is the same person's.
export async function renewToken(user) {
  const { ok, data } = await request("GET", "/api/me")
  if (!ok || data.id !== user) return "foreign"
  if (data.csrf_token === csrfToken()) return "current"
  csrfMeta().content = data.csrf_token
  return "renewed"
}

// `key`: the same request under the same key is carried out once (POST only); `replayed`: it had been.
export async function request(method, url, { body, key, signal } = {}) {
  const headers = { Accept: "application/json" }
  if (key && method === "POST") headers["Idempotency-Key"] = key
  if (method !== "GET") headers["X-CSRF-Token"] = csrfToken()
  if (body !== undefined) headers["Content-Type"] = "application/json"
  const response = await send(url, { method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body) })
  const { ok, status, headers: said } = response
  const replayed = said.has("Idempotent-Replayed")
  return { ok, status, replayed, retryAfter: Number(said.get("Retry-After")) || 0, data: await json(response) }
}

// A part of a page, as HTML.
export async function page(url) {
  const response = await send(url, { headers: { Accept: "text/html" } })
  return { ok: response.ok && !response.redirected, html: await response.text() }
}

// A server that hangs is told of before the request is given up. Who brings a signal of his own waits long on purpose.
async function send(url, { signal, ...options }) {
  const silence = signal ? null : setTimeout(lost, SILENCE_MS)
  let response
  try {
    response = await fetch(url, { ...options, signal: signal ?? AbortSignal.timeout(PATIENCE_MS) })
  } catch (error) {
    if (error.name === "AbortError") throw error
    lost()
    throw new Offline(url)
  } finally {
    clearTimeout(silence)
  }
  reach.dispatchEvent(new CustomEvent("reached", { detail: { status: response.status } }))
  return response
}

async function json(response) {
  if (!response.headers.get("Content-Type")?.includes("json")) return {}
  try {
    return await response.json()
  } catch (error) {
    if (error instanceof SyntaxError) return {}
    if (error.name === "AbortError") throw error
    lost() // the answer broke off
    throw new Offline(response.url)
  }
}

// One sentence for people: what the server said about the fields, else its message.
export function reason({ status, data }) {
  const fields = Object.values(data.error?.fields ?? {}).flat()
  if (fields.length) return fields.join(", ")
  return data.error?.message ?? `The server answered ${status}`
}
