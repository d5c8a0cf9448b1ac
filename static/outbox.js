// The one outbox of this browser: what was done while the server did not answer, sent when it does again.
import { connection } from "./socket.js"
import { renewToken, request } from "./helpers/api.js"
import { Outbox } from "./helpers/outbox.js"
import { openStore } from "./helpers/outbox_store.js"

// Without https a browser has no locks. Then two tabs may send the same call, which its key makes harmless.
const lock = (name, work) => (navigator.locks ? navigator.locks.request(name, work) : work())

export const outbox = new Outbox({
  store: openStore, send: request, renew: renewToken, lock, channel: new BroadcastChannel("outbox"),
})

document.addEventListener("turbo:load", () => {
  outbox.open(document.body.dataset.me, document.querySelector('meta[name="project"]')?.content)
})

let reached = connection.reached
connection.addEventListener("state", () => {
  if (connection.reached && !reached) outbox.drain()
  reached = connection.reached
})
window.addEventListener("online", () => outbox.drain())

// Only a browser that keeps nothing loses what waits with the page.
window.addEventListener("beforeunload", (event) => {
  if (!outbox.durable && outbox.waiting.length) event.preventDefault()
})
