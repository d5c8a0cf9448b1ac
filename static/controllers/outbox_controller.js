import { Controller } from "@hotwired/stimulus"
import { connection } from "../socket.js"
import { sibling } from "../helpers/dom.js"
import { outboxOf, waiting } from "../helpers/outbox.js"
import { fillNames } from "../helpers/roster.js"
import { fillTimes } from "../helpers/times.js"

const WORDS = { sending: "Sending…", waiting: "Waiting", sent: "", failed: "Not sent" }

// Shows messages on their way at the end of the stream until the server's copy with the same client_id is there.
export default class extends Controller {
  static targets = ["list", "template"]
  static values = { thread: String }

  #box

  connect() {
    this.#box = outboxOf(this.threadValue)
    this.#box.addEventListener("change", this.#changed)
    connection.addEventListener("state", this.#state)
    window.addEventListener("beforeunload", this.#leaving)
    for (const entry of this.#box.entries) this.#show(entry)
    this.#box.drain()
  }

  disconnect() {
    this.#box.removeEventListener("change", this.#changed)
    connection.removeEventListener("state", this.#state)
    window.removeEventListener("beforeunload", this.#leaving)
    this.listTarget.replaceChildren()
  }

  send({ detail: { content, replyTo } }) {
    this.#box.add(content, replyTo)
    sibling(this, "stream").latest()
  }

  arrived({ detail: { clientId } }) {
    if (clientId) this.#box.forget(clientId)
  }

  retry({ currentTarget }) { this.#box.retry(currentTarget.closest("article").dataset.clientId) }

  discard({ currentTarget }) { this.#box.forget(currentTarget.closest("article").dataset.clientId) }

  #changed = ({ detail: entry }) => this.#show(entry)

  #wasReached = connection.reached

  #state = () => {
    if (connection.reached && !this.#wasReached) this.#box.drain()
    this.#wasReached = connection.reached
  }

  #leaving = (event) => {
    if (waiting()) event.preventDefault()
  }

  #show(entry) {
    let node = this.listTarget.querySelector(`[data-client-id="${entry.client_id}"]`)
    if (entry.state === "gone") return node?.remove()
    if (!node) {
      node = this.#build(entry)
      this.listTarget.append(node)
    }
    const line = node.querySelector(".outbox")
    line.dataset.state = entry.state
    line.querySelector(".outbox__words > span").textContent = [WORDS[entry.state], entry.reason].filter(Boolean).join(". ")
  }

  #build(entry) {
    const node = this.templateTarget.content.firstElementChild.cloneNode(true)
    node.dataset.clientId = entry.client_id
    node.querySelector(".prose p").textContent = entry.content
    node.querySelector("time").dateTime = entry.at.toISOString()
    node.setAttribute("aria-label", "Your message, on its way")
    fillNames(node)
    fillTimes(node)
    return node
  }
}
