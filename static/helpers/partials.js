// The text so far of answers whose pieces do not get here: over HTTP there are none, and without Redis neither.
import { Offline, request } from "./api.js"

const QUIET_MS = 2000
const RAREST_MS = 16_000
const AGAIN_MS = 600

export class Partials {
  #open = new Map()
  #hear

  // hear({message_id, delivery_id, agent, thread_id, offset, text}) is called with what was read.
  constructor(hear) { this.#hear = hear }

  expect(answer) {
    if (!this.#open.has(answer.message_id)) this.#open.set(answer.message_id, { ...answer, asked: Date.now(), pause: QUIET_MS })
  }

  end(id) { this.#open.delete(id) }

  clear() { this.#open.clear() }

  // Asks for each open answer of which nothing was heard for a while, ever more rarely while it only thinks.
  look(answers, now = Date.now()) {
    for (const one of this.#open.values()) {
      const answer = answers.get(one.message_id)
      if (now - Math.max(one.asked, answer?.heard ?? 0) > one.pause) this.#ask(one, answer?.text.length ?? 0)
    }
  }

  async #ask(one, known) {
    one.asked = Date.now()
    one.pause = Math.min(2 * one.pause, RAREST_MS)
    const text = await textSoFar(one.message_id)
    if (text === null) return this.end(one.message_id)
    if (!text || text.length <= known) return
    one.pause = QUIET_MS
    this.#hear({ ...one, offset: 0, text })
  }
}

// Reads until what was heard fits together: the stored text lags up to a second behind the pieces.
export async function fillGap(id, answer, wanted) {
  for (;;) {
    const text = await textSoFar(id)
    if (text === null || !wanted() || (text !== undefined && answer.add(0, text))) return
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS))
  }
}

// null when the answer is not being written; undefined when the server could not be asked.
async function textSoFar(id) {
  try {
    const { ok, data } = await request("GET", `/api/messages/${id}/partial`)
    return ok ? data.text : null
  } catch (error) {
    if (!(error instanceof Offline)) throw error
    return undefined
  }
}
