import { Controller } from "@hotwired/stimulus"
import { connection } from "../socket.js"
import { Answer } from "../helpers/answer.js"
import { Offline, reason, request } from "../helpers/api.js"
import { toast } from "../helpers/dom.js"
import { show } from "../helpers/draft_text.js"
import { fillNames } from "../helpers/roster.js"
import { fillTimes } from "../helpers/times.js"

const SILENT_MS = 150_000
const CATCH_UP_MS = 600
const QUIET_MS = 2000
const RAREST_MS = 16_000

// Answers while they are written: a place under the id the message will have, filled by deltas, taken away by the message.
export default class extends Controller {
  static targets = ["list", "template"]
  static values = { thread: String }

  #answers = new Map()
  #open = new Map()
  #ended = new Set()
  #clock
  #frame

  connect() {
    connection.addEventListener("delta", this.#delta)
    connection.addEventListener("live", this.#live)
    connection.addEventListener("changes", this.#changes)
    this.element.addEventListener("stream:arrived", this.#arrived)
    this.#clock = setInterval(() => this.#tick(), 1000)
  }

  disconnect() {
    connection.removeEventListener("delta", this.#delta)
    connection.removeEventListener("live", this.#live)
    connection.removeEventListener("changes", this.#changes)
    this.element.removeEventListener("stream:arrived", this.#arrived)
    clearInterval(this.#clock)
    cancelAnimationFrame(this.#frame)
    this.listTarget.replaceChildren()
    this.#answers.clear()
    this.#open.clear()
  }

  stopOne({ currentTarget }) { this.#stop(currentTarget.closest("article").dataset.delivery) }

  // Esc and /stop: the newest answer, or that of one agent, or all.
  stop({ detail: { agent, all } = {} }) {
    const wanted = [...this.#answers.values()].filter((answer) => !agent || answer.agent === agent)
    for (const answer of all ? wanted : wanted.slice(-1)) this.#stop(answer.delivery)
  }

  #delta = ({ detail }) => this.#hear(detail)

  // What was said before this page came: nothing yet, while the agent still thinks.
  #live = ({ detail: { items } }) => {
    for (const item of items) {
      this.#expect(item)
      if (item.text) this.#hear(item)
    }
  }

  #hear(piece) {
    if (piece.thread_id !== this.threadValue || this.#ended.has(piece.message_id) || this.#finished(piece.message_id)) return
    const answer = this.#answerFor(piece)
    if (!answer.add(piece.offset, piece.text, piece)) this.#catchUp(piece.message_id)
    this.#showSoon(answer)
  }

  // Something before this piece was lost: ask for the text so far, until all that was heard fits.
  async #catchUp(id) {
    const answer = this.#answers.get(id)
    if (answer.asking) return
    answer.asking = true
    for (let whole = false; !whole && this.#answers.has(id);) {
      try {
        const { ok, data } = await request("GET", `/api/messages/${id}/partial`)
        whole = !ok || answer.add(data.offset, data.text)
        this.#showSoon(answer)
      } catch (error) {
        if (!(error instanceof Offline)) throw error
      }
      if (!whole) await new Promise((resolve) => setTimeout(resolve, CATCH_UP_MS))
    }
    answer.asking = false
  }

  #expect({ message_id: id, delivery_id, agent, thread_id }) {
    if (thread_id !== this.threadValue || this.#open.has(id)) return
    this.#open.set(id, { message_id: id, delivery_id, agent, thread_id, asked: Date.now(), pause: QUIET_MS })
  }

  // Nothing was heard of an open answer for a while: it may be thinking, or the pieces do not get here. Ask, ever more rarely.
  async #ask(one) {
    one.asked = Date.now()
    one.pause = Math.min(2 * one.pause, RAREST_MS)
    try {
      const { ok, data } = await request("GET", `/api/messages/${one.message_id}/partial`)
      if (!ok) return this.#open.delete(one.message_id)
      if (data.text.length <= (this.#answers.get(one.message_id)?.text.length ?? 0)) return
      one.pause = QUIET_MS
      this.#hear({ ...one, offset: 0, text: data.text })
    } catch (error) {
      if (!(error instanceof Offline)) throw error
    }
  }

  #finished(id) { return document.getElementById(`message_${id}`)?.dataset.seq }

  #answerFor({ message_id: id, delivery_id: delivery, agent }) {
    let answer = this.#answers.get(id)
    if (answer) return answer
    const element = this.templateTarget.content.firstElementChild.cloneNode(true)
    element.id = `message_${id}`
    element.dataset.delivery = delivery
    element.querySelector("time").dateTime = new Date().toISOString()
    for (const part of [element, ...element.querySelectorAll("[data-fill]")]) part.dataset.agent = agent
    fillNames(element)
    fillTimes(element)
    answer = Object.assign(new Answer(), { agent, delivery, element, started: Date.now(), heard: Date.now() })
    this.#answers.set(id, answer)
    this.#keep(() => this.listTarget.append(element))
    return answer
  }

  #showSoon(answer) {
    answer.heard = Date.now()
    answer.stale = true
    this.#frame ??= requestAnimationFrame(() => {
      this.#frame = null
      this.#keep(() => this.#show())
    })
  }

  #show() {
    for (const answer of this.#answers.values()) {
      if (!answer.stale) continue
      answer.stale = false
      show(answer.element.querySelector("[data-streaming]"), answer.text)
    }
  }

  #tick() {
    for (const [id, { element, started, heard }] of this.#answers) {
      element.querySelector("[data-clock]").textContent = `writing · ${Math.round((Date.now() - started) / 1000)} s`
      if (Date.now() - heard > SILENT_MS) this.#forget(id)
    }
    for (const one of this.#open.values()) {
      const heard = Math.max(one.asked, this.#answers.get(one.message_id)?.heard ?? 0)
      if (Date.now() - heard > one.pause) this.#ask(one)
    }
  }

  async #stop(delivery) {
    const answer = [...this.#answers.values()].find((one) => one.delivery === delivery)
    const button = answer?.element.querySelector(".streambar .btn")
    if (!button?.checkVisibility() || button.disabled) return
    button.disabled = true
    try {
      const reply = await request("POST", `/api/deliveries/${delivery}/stop`)
      if (!reply.ok && reply.status !== 409) toast(reason(reply))
      if (!reply.ok) button.disabled = false
    } catch (error) {
      if (!(error instanceof Offline)) throw error
      button.disabled = false
      toast("The server does not answer. The agent goes on.")
    }
  }

  #arrived = ({ detail: { id } }) => this.#forget(id.replace("message_", ""))

  // A delivery that ended writes no more under its reply's id; one that went back to the queue begins anew.
  #changes = ({ detail: { items } }) => {
    for (const { table, id, row } of items) {
      if (table !== "chat_delivery_queue" || !row) continue
      if (row.status === "delivered") this.#expect({ message_id: row.reply_id, delivery_id: id, agent: row.target_agent_key, thread_id: row.thread_id })
      else if (row.status === "queued") this.#again(row.reply_id)
      else this.#end(row.reply_id)
    }
  }

  #end(id) {
    this.#ended.add(id)
    this.#open.delete(id)
    this.#forget(id)
  }

  #again(id) {
    this.#ended.delete(id)
    this.#open.delete(id)
    this.#forget(id)
  }

  #forget(id) {
    const answer = this.#answers.get(id)
    if (!answer) return
    this.#answers.delete(id)
    if (answer.element.isConnected) this.#keep(() => answer.element.remove())
  }

  #keep(change) {
    const stream = this.application.getControllerForElementAndIdentifier(this.element, "stream")
    if (stream) stream.keep(change)
    else change()
  }
}
