import { Controller } from "@hotwired/stimulus"
import { connection } from "../socket.js"
import { Answer } from "../helpers/answer.js"
import { Offline, reason, request } from "../helpers/api.js"
import { sibling, toast } from "../helpers/dom.js"
import { show } from "../helpers/draft_text.js"
import { Partials, fillGap } from "../helpers/partials.js"
import { fillNames } from "../helpers/roster.js"
import { fillTimes } from "../helpers/times.js"

const SILENT_MS = 150_000

// Answers while they are written: a place under the id the message will have, filled by deltas, taken away by the message.
export default class extends Controller {
  static targets = ["list", "template"]
  static values = { thread: String }

  #answers = new Map()
  #ended = new Set()
  #partials = new Partials((piece) => this.#hear(piece))
  #clock
  #frame

  connect() {
    connection.addEventListener("delta", this.#delta)
    connection.addEventListener("live", this.#live)
    connection.addEventListener("changes", this.#changes)
    this.#clock = setInterval(() => this.#tick(), 1000)
  }

  disconnect() {
    connection.removeEventListener("delta", this.#delta)
    connection.removeEventListener("live", this.#live)
    connection.removeEventListener("changes", this.#changes)
    clearInterval(this.#clock)
    cancelAnimationFrame(this.#frame)
    this.#frame = null
    this.listTarget.replaceChildren()
    this.#answers.clear()
    this.#partials.clear()
  }

  stopOne({ currentTarget }) { this.#stop(currentTarget.closest("article").dataset.delivery) }

  // Esc and /stop: the newest answer, or that of one agent, or all.
  stop({ detail: { agent, all } }) {
    const wanted = [...this.#answers.values()].filter((answer) => !agent || answer.agent === agent)
    for (const answer of all ? wanted : wanted.slice(-1)) this.#stop(answer.delivery)
  }

  arrived({ detail: { id } }) { this.#forget(id) }

  #delta = ({ detail }) => this.#hear(detail)

  // What was said before this page came: nothing yet, while the agent still thinks.
  #live = ({ detail: { items } }) => {
    for (const item of items) {
      if (item.thread_id === this.threadValue) this.#partials.expect(item)
      if (item.text) this.#hear(item)
    }
  }

  // A delivery that ended writes no more under its reply's id; one that went back to the queue begins anew.
  #changes = ({ detail: { items } }) => {
    for (const { table, id, row } of items) {
      if (table !== "chat_delivery_queue" || row?.thread_id !== this.threadValue) continue
      const { status, reply_id: reply, target_agent_key: agent, thread_id } = row
      if (status === "delivered") this.#partials.expect({ message_id: reply, delivery_id: id, agent, thread_id })
      else this.#end(reply, status !== "queued")
    }
  }

  #end(id, forGood) {
    if (forGood) this.#ended.add(id)
    else this.#ended.delete(id)
    this.#partials.end(id)
    this.#forget(id)
  }

  #hear(piece) {
    const { message_id: id, thread_id, offset, text } = piece
    if (thread_id !== this.threadValue || this.#ended.has(id) || document.getElementById(`message_${id}`)?.dataset.seq) return
    const answer = this.#answers.get(id) ?? this.#begin(piece)
    if (!answer.add(offset, text, piece)) this.#fillGap(id, answer)
    this.#showSoon(answer)
  }

  async #fillGap(id, answer) {
    if (answer.filling) return
    answer.filling = true
    await fillGap(id, answer, () => this.#answers.get(id) === answer)
    answer.filling = false
    this.#showSoon(answer)
  }

  #begin({ message_id: id, delivery_id: delivery, agent }) {
    const element = this.templateTarget.content.firstElementChild.cloneNode(true)
    element.id = `message_${id}`
    element.dataset.delivery = delivery
    element.querySelector("time").dateTime = new Date().toISOString()
    for (const part of [element, ...element.querySelectorAll("[data-fill]")]) part.dataset.agent = agent
    fillNames(element)
    fillTimes(element)
    const answer = Object.assign(new Answer(), { agent, delivery, element, started: Date.now() })
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
    this.#partials.look(this.#answers)
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

  #forget(id) {
    const answer = this.#answers.get(id)
    if (!answer) return
    this.#answers.delete(id)
    this.#keep(() => answer.element.remove())
  }

  // Not when a question was answered after the page was left.
  #keep(change) { sibling(this, "follow")?.keep(change) }
}
