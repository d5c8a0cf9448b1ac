import { Controller } from "@hotwired/stimulus"
import { debounce } from "../helpers/dom.js"
import { Draft } from "../helpers/draft.js"

// Where a comment on a task is written: its draft, Enter sends, and what will happen to it.
export default class extends Controller {
  static targets = ["text", "send", "hint"]
  static values = { task: String }

  #draft
  #saveSoon = debounce(() => this.#save(), 200)

  connect() {
    this.#draft = new Draft(this.taskValue)
    this.textTarget.value = this.#draft.read().text ?? ""
    this.#enable()
    this.mode()
  }

  disconnect() { this.leave() }

  leave() {
    this.#saveSoon.cancel()
    this.#save()
  }

  typed() {
    this.#enable()
    this.#saveSoon()
  }

  key(event) {
    if (event.isComposing || event.key !== "Enter" || event.shiftKey) return
    event.preventDefault()
    this.element.requestSubmit()
  }

  submit(event) {
    event.preventDefault()
    const content = this.textTarget.value.trim()
    if (!content) return
    this.dispatch("send", { prefix: "room", detail: { content } })
    this.textTarget.value = ""
    this.#enable()
    this.leave()
  }

  mode() {
    const offline = document.documentElement.dataset.mode === "offline"
    if (offline) this.hintTarget.dataset.tone = "bad"
    else delete this.hintTarget.dataset.tone
    this.hintTarget.querySelector("span").textContent = offline ? "Offline · Kept in this browser until it can be sent" : "Enter sends"
  }

  #enable() { this.sendTarget.disabled = !this.textTarget.value.trim() }

  #save() { this.#draft.keep(this.textTarget.value ? { text: this.textTarget.value } : null) }
}
