// A file on its way to the server, for a message that is not posted yet.
import { csrfToken, reach, reason } from "./api.js"
import { newId } from "./outbox.js"

const TRIES = 3
const AGAIN_MS = 2000
const PATIENCE_MS = 60_000

// A new id as the server writes them.
const uuid = () => newId().replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-")

export function fileSize(count) {
  if (count < 1000) return `${count} B`
  if (count < 1000 * 1024) return `${Math.max(count >> 10, 1)} KB`
  return `${(count / (1 << 20)).toFixed(1).replace(/\.0$/, "")} MB`
}

// `sending` (with `progress` to 1), `waiting` for a connection, `failed` (with the reason), `refused` for good (likewise),
// or `done`. Its id stays the same in every try, so that a lost answer doubles nothing; once it was `sent`, the server may
// have it, whatever became of it. What is sending goes on for as long as bytes move: a file that fills a slow line makes
// the rest of the page look lost.
export class Upload {
  id = uuid()
  state = "waiting"
  progress = 0
  reason = ""
  sent = false
  #file
  #thread
  #tell
  #reached
  #tries = 0
  #again
  #request

  // tell(): something of it changed; reached(): whether the server answers at the moment.
  constructor(file, { thread, tell, reached }) {
    this.#file = file
    this.#thread = thread
    this.#tell = tell
    this.#reached = reached
  }

  get name() { return this.#file.name }

  get size() { return this.#file.size }

  get said() { return { id: this.id, name: this.name, size: this.size } }

  send() {
    clearTimeout(this.#again)
    this.#request?.abort()
    if (!this.#reached()) return this.#become("waiting")
    this.#become("sending")
    const request = (this.#request = new XMLHttpRequest()) // fetch does not say how far it is
    request.open("PUT", `/api/threads/${this.#thread}/attachments/${this.id}?name=${encodeURIComponent(this.name)}`)
    request.setRequestHeader("X-CSRF-Token", csrfToken())
    request.responseType = "json"
    request.timeout = PATIENCE_MS
    const began = performance.now()
    request.upload.onprogress = ({ loaded, total }) => {
      request.timeout = performance.now() - began + PATIENCE_MS // it counts from the beginning
      this.progress = loaded / total
      this.#tell(this)
    }
    request.onload = () => this.#answered(request.status, request.response ?? {})
    request.onerror = request.ontimeout = () => this.#lost()
    request.send(this.#file)
    this.sent = true
  }

  retry() {
    this.#tries = 0
    this.send()
  }

  refuse(why) { this.#become("refused", why) }

  cancel() {
    clearTimeout(this.#again)
    this.#request?.abort()
  }

  #answered(status, data) {
    if (status === 200) this.#become("done")
    else this.#become("failed", reason({ status, data }))
  }

  // While the server answers others the fault may be the file's own, which was moved or changed meanwhile.
  #lost() {
    reach.dispatchEvent(new Event("lost"))
    this.#tries += 1
    if (this.#tries === TRIES && this.#reached()) return this.#become("failed", "It could not be sent")
    this.#become("waiting")
    this.#again = setTimeout(() => this.send(), this.#tries * AGAIN_MS)
  }

  #become(state, reason = "") {
    Object.assign(this, { state, reason, progress: 0 })
    this.#tell(this)
  }
}
