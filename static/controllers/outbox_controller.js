import { Controller } from "@hotwired/stimulus"
import { outbox } from "../outbox.js"
import { fileNames, isPlaced, newId } from "../helpers/outbox.js"
import { say } from "../helpers/outbox_line.js"
import { setReaction } from "../helpers/reactions.js"
import { fillNames } from "../helpers/roster.js"
import { fillTimes } from "../helpers/times.js"

// What waits for one thread, in its place: messages and comments at its end until the server's copy with the same
// client_id is there, edits and reactions as a line under their message.
export default class extends Controller {
  static targets = ["list", "template", "line"]
  static values = { thread: String, path: String, kind: { type: String, default: "message" } }

  #watch = new MutationObserver(() => this.#showBeside())

  connect() {
    outbox.addEventListener("change", this.#changed)
    for (const entry of this.#entries) {
      if (entry.state === "sent") outbox.forget(entry.key)
      else this.#show(entry)
    }
  }

  disconnect() {
    outbox.removeEventListener("change", this.#changed)
    this.#watch.disconnect()
    this.listTarget.replaceChildren()
  }

  send({ detail: { content, replyTo, files = [] } }) {
    const key = newId()
    outbox.add({
      key, thread: this.threadValue, kind: this.kindValue, method: "POST", about: { text: content, files },
      path: this.pathValue || `/api/threads/${this.threadValue}/messages`,
      body: { client_id: key, content, ...(replyTo && { reply_to: replyTo }), ...(files.length && { attachments: files.map(({ id }) => id) }) },
    })
    this.dispatch("added")
  }

  arrived({ detail: { clientId } }) {
    if (clientId) outbox.forget(clientId)
  }

  retry({ currentTarget }) { outbox.retry(this.#keyOf(currentTarget)) }

  discard({ currentTarget }) { outbox.forget(this.#keyOf(currentTarget)) }

  // What was refused goes back to where it was written, before what is there by now.
  rewrite({ currentTarget }) {
    const entry = this.#entries.find(({ key }) => key === this.#keyOf(currentTarget))
    const field = this.element.querySelector(".composer textarea")
    if (!entry || !field) return
    field.value = [entry.about.text, field.value].filter(Boolean).join("\n")
    field.dispatchEvent(new InputEvent("input", { bubbles: true }))
    field.focus()
    this.application.getControllerForElementAndIdentifier(field.form, "files")?.put(entry.about.files ?? [])
    outbox.forget(entry.key)
  }

  get #entries() { return outbox.entries.filter(({ thread }) => thread === this.threadValue) }

  #keyOf(button) { return button.closest("[data-key]").dataset.key }

  #changed = ({ detail: entry }) => {
    if (entry.thread !== this.threadValue) return
    this.#show(entry)
    if (entry.kind === "reaction" && (entry.state === "failed" || entry.state === "gone")) this.#takeBack(entry)
  }

  #show(entry) {
    if (isPlaced(entry)) this.#showMessage(entry)
    else if (entry.about.message) this.#showLine(entry)
  }

  // --- messages ---

  #showMessage(entry) {
    let node = this.listTarget.querySelector(`[data-key="${entry.key}"]`)
    if (entry.state === "gone") return node?.remove()
    if (this.element.querySelector(`[data-mine][data-client-id="${entry.key}"]`)) return outbox.forget(entry.key)
    if (!node) {
      node = this.#build(entry)
      this.listTarget.append(node)
    }
    say(node.querySelector(".outbox"), entry)
  }

  #build(entry) {
    const node = this.templateTarget.content.firstElementChild.cloneNode(true)
    node.dataset.key = entry.key
    node.querySelector(".prose p").textContent = [entry.about.text, fileNames(entry.about)].filter(Boolean).join("\n")
    node.querySelector("time").dateTime = entry.at
    node.setAttribute("aria-label", "Your message, on its way")
    fillNames(node)
    fillTimes(node)
    return node
  }

  // --- reactions and edits ---

  // The message is pushed anew, or comes with a page of older ones: then its line is put there again.
  #showBeside() {
    for (const entry of this.#entries) if (entry.about.message) this.#showLine(entry)
  }

  #showLine(entry) {
    const waits = entry.state === "waiting" || entry.state === "failed"
    this.#watching(waits)
    const message = this.element.querySelector(`#message_${entry.about.message}`)
    if (!message) return
    const reaction = this.#lastReaction(entry)
    if (reaction) setReaction(message, reaction.emoji, reaction.adding)
    let line = message.querySelector(`.outbox[data-key="${entry.key}"]`)
    if (!waits) return line?.remove()
    if (!line) {
      line = this.lineTarget.content.firstElementChild.cloneNode(true)
      line.dataset.key = entry.key
      message.querySelector(".msg__main").append(line)
    }
    say(line, entry)
  }

  #takeBack(entry) {
    const message = this.element.querySelector(`#message_${entry.about.message}`)
    if (message && !this.#lastReaction(entry)) setReaction(message, entry.about.emoji, !entry.about.adding)
  }

  // Of several clicks on one emoji the last that is on its way counts.
  #lastReaction({ about: { message, emoji } }) {
    const same = ({ about, state }) => about.message === message && about.emoji === emoji && (state === "sending" || state === "waiting")
    return emoji && this.#entries.findLast(same)?.about
  }

  #watching(more) {
    if (more) this.#watch.observe(this.element, { childList: true, subtree: true })
    else if (!this.#entries.some(({ about, state }) => about.message && state !== "sent")) this.#watch.disconnect()
  }
}
